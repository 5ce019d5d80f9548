"""Public MCP servers, and calls of theirs that answer alike whenever they are asked.

Two from npm, run by the Node that is installed beside them, and two from PyPI in an environment of
their own.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from tests.conformance.node import HERE, MODULES, node

PYTHON_SERVERS = HERE / ".servers" / "bin"
LONG = "trigger-long-running-operation"
LARGE = "x" * 300_000  # more than a record keeps of a message


class Public(NamedTuple):
    """A server on stdio, what is called, prompts that are got, resources that are read."""

    name: str
    command: tuple[str, ...]
    calls: tuple[tuple[str, dict[str, Any]], ...]
    prompts: tuple[tuple[str, dict[str, str]], ...] = ()
    resources: tuple[str, ...] = ()


def everything(*arguments: str) -> tuple[str, ...]:
    """Return how the server that has everything is started."""
    return _from_npm("server-everything", *arguments)


def servers(folder: Path) -> list[Public]:
    """Return every server on stdio; `folder` is what files and repositories are in."""
    files, repository = folder / "files", folder / "repository"
    files.mkdir()
    (files / "a.txt").write_text("one\ntwo\n", "utf-8")
    (files / "large.txt").touch()  # there before the first time it is written, too
    _make(repository)
    return [
        Public(
            "everything",
            everything("stdio"),
            (
                ("echo", {"message": "hello"}),
                ("get-sum", {"a": 2, "b": 3}),
                ("get-structured-content", {"location": "Chicago"}),
                ("get-annotated-message", {"messageType": "error", "includeImage": True}),
                ("get-tiny-image", {}),
                ("get-resource-links", {"count": 3}),
                ("get-sum", {"a": "two"}),
                ("no-such-tool", {}),
            ),
            (("simple-prompt", {}), ("args-prompt", {"city": "Bree"})),
            ("demo://resource/static/document/features.md",),
        ),
        Public(
            "filesystem",
            _from_npm("server-filesystem", str(files)),
            (
                ("list_directory", {"path": str(files)}),
                ("read_text_file", {"path": str(files / "a.txt")}),
                ("write_file", {"path": str(files / "large.txt"), "content": LARGE}),
                ("read_text_file", {"path": str(files / "large.txt")}),
                ("read_text_file", {"path": "/etc/passwd"}),
            ),
        ),
        Public(
            "time",
            (str(PYTHON_SERVERS / "mcp-server-time"), "--local-timezone", "Etc/UTC"),
            (
                (
                    "convert_time",
                    {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"},
                ),
                ("get_current_time", {"timezone": "Mordor"}),
            ),
        ),
        Public(
            "git",
            (str(PYTHON_SERVERS / "mcp-server-git"), "--repository", str(repository)),
            (
                ("git_status", {"repo_path": str(repository)}),
                ("git_log", {"repo_path": str(repository)}),
                ("git_show", {"repo_path": str(repository), "revision": "nowhere"}),
            ),
        ),
    ]


def _from_npm(package: str, *arguments: str) -> tuple[str, ...]:
    program = MODULES / "@modelcontextprotocol" / package / "dist" / "index.js"
    return (str(node()), str(program), *arguments)


def _make(repository: Path) -> None:
    author = ("-c", "user.name=Bilbo", "-c", "user.email=bilbo@shire.example")
    for arguments in (
        ("init", "-q", str(repository)),
        ("-C", str(repository), *author, "commit", "-q", "--allow-empty", "-m", "There"),
    ):
        subprocess.run(["git", *arguments], check=True)
