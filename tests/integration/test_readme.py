"""What the README tells a new user to type, typed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import psycopg
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from godot.embedded.endpoint import read
from tests.integration.worker.conftest import eventually

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [
        text
        for found, text in BLOCK.findall((ROOT / "README.md").read_text("utf-8"))
        if found == language
    ]


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, str]]:
    """Run what `make up` runs, on free ports, and return the environment of the user's shell."""
    with tempfile.TemporaryDirectory(prefix="godot-readme-") as folder:
        environ = {
            **os.environ,
            "GODOT_DATA_DIR": folder,
            "GODOT_MCP_PORT": "0",
            "DEWEY_MCP_PORT": "0",
            "GODOT_METRICS_PORT": "0",
            "GODOT_FLUSH_TIMEOUT_S": "20",  # a busy machine is no finding
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }
        up = ["godot", "up", "--detach", "--wait", "120s"]
        subprocess.run(up, env=environ, check=True, capture_output=True, timeout=150)
        try:
            yield environ
        finally:
            subprocess.run(["godot", "down"], env=environ, check=True, capture_output=True)


def run(environ: dict[str, str], *command: str) -> str:
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readmes_lines_work_as_they_stand(running: dict[str, str]):
    programs = [code for code in blocks("python") if "import Client" not in code]
    assert len(programs) >= 2
    for code in programs:
        assert run(running, sys.executable, "-c", code) == "", "records must not end on stdout"

    endpoint = read(Path(running["GODOT_DATA_DIR"]))
    assert endpoint is not None

    def stored(text: str) -> bool:
        with psycopg.connect(endpoint.dewey_reader_url or "") as connection:
            query = "SELECT 1 FROM logs WHERE message = %s"
            return connection.execute(query, (text,)).rowcount == 1

    for text in ("order placed", "card declined", "retrying payment"):
        eventually(partial(stored, text), f"{text!r} to be stored")
    assert "card declined" in run(running, "godot", "query", "card declined", "--since", "1h")

    commands = [block for block in blocks("sh") if block.strip() != "make up"]
    assert commands
    for block in commands:
        run(running, "bash", "-euc", block)
    for text in ("nightly backup done", "disk almost full"):
        eventually(partial(stored, text), f"{text!r} to be stored")


def urls(environ: dict[str, str]) -> dict[str, str]:
    """Return where what the README says to be at a default port is served here."""
    said = json.loads((Path(environ["GODOT_DATA_DIR"]) / "endpoint.json").read_bytes())
    return {
        "http://127.0.0.1:9060/mcp": said["godot_mcp_url"],
        "http://127.0.0.1:9061/mcp": said["dewey_mcp_url"],
    }


def test_every_hosts_configuration_starts_or_reaches_a_server(running: dict[str, str]):
    files = [json.loads(text) for text in blocks("json")]
    hosts = [file.get("mcpServers") or file["servers"] for file in files]
    assert len(hosts) == 4
    started = {
        (entry["command"], *entry["args"]): {**running, **entry.get("env", {})}
        for servers in hosts
        for entry in servers.values()
        if "command" in entry
    }
    reached = [entry for servers in hosts for entry in servers.values() if "url" in entry]
    assert started
    assert len(reached) == 3
    for entry in reached:
        assert entry["url"] in urls(running)
        assert re.fullmatch(r"Bearer \$\{[\w:-]+\}", entry["headers"]["Authorization"])

    async def offered() -> list[set[str]]:
        found = []
        for (command, *args), environ in started.items():
            server = StdioServerParameters(command=command, args=args, env=environ)
            async with Client(stdio_client(server)) as client:
                found.append({tool.name for tool in (await client.list_tools()).tools})
        for url in {entry["url"] for entry in reached}:
            async with Client(urls(running)[url]) as client:
                found.append({tool.name for tool in (await client.list_tools()).tools})
        return found

    tools = anyio.run(offered)
    assert len(tools) == len(started) + 1
    assert all("logger_query" in names for names in tools)


def test_the_sdks_client_asks_as_the_readme_says(running: dict[str, str]):
    (code,) = [code for code in blocks("python") if "import Client" in code]
    for told, here in urls(running).items():
        code = code.replace(told, here)
    # the SDK passes few variables on, and this stack is not where a user's is
    code = code.replace('"--stdio"]', '"--stdio"], env=dict(os.environ)')
    code = f"import os\n{code}"
    said = run(running, sys.executable, "-c", code).splitlines()
    assert len(said) == 2
    assert all("'returned': " in line for line in said), said


def test_make_up_is_what_the_readme_starts_with():
    assert blocks("sh")[0] == "make up\n"
    assert "$(BIN)/godot up" in (ROOT / "Makefile").read_text("utf-8")
