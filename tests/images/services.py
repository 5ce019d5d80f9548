"""The other three images, each in a container of its own, with the secrets of compose.yml."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from godot.embedded.valkey import Valkey
from tests.images.engine import Container, Engine
from tests.images.system import READER, WRITER, Outside, Program
from tests.users import ROOT

GRACE_S = 20


@contextmanager
def redis(outside: Outside) -> Iterator[Valkey]:
    """A server with our users, on loopback."""
    folder = outside.folder / "redis"
    folder.mkdir()
    users = folder / "users.acl"
    made = subprocess.run(
        ["/bin/sh", str(ROOT / "ops" / "redis" / "users"), str(outside.secrets)],
        capture_output=True,
        check=True,
    )
    users.write_bytes(made.stdout)
    server = Valkey(folder / "valkey", port=6379, options=("--aclfile", str(users)))
    server.launch()
    try:
        yield server
    finally:
        server.stop()


def check(engine: Engine, images: dict[str, str], outside: Outside) -> Iterator[str]:
    """Run Dewey, two workers and the MCP server; replace a worker under load; end each in order."""
    with redis(outside), ExitStack() as ending:

        def run(target: str, *options: str, port: int, secrets: tuple[str, ...]) -> Container:
            found = engine.run(
                images[target],
                f"--env=GODOT_METRICS_PORT={port}",
                *options,
                *outside.mounted(*secrets),
            )
            ending.enter_context(closing(found))
            found.await_health()
            return found

        migrated = engine.podman(
            *("run", "--rm", "--network=host", f"--env=DEWEY_URL={outside.owner_on_loopback}"),
            *(images["dewey"], "migrate", "--check"),
        )
        assert migrated == "", migrated
        dewey = run(
            "dewey",
            f"--env=DEWEY_URL={outside.url(WRITER)}",
            f"--env=DEWEY_READER_URL={outside.url(READER)}",
            f"--env=DEWEY_OWNER_URL={outside.owner_on_loopback}",
            "--env=GODOT_TOKENS_FILE=/run/secrets/dewey_tokens",
            port=9471,
            secrets=("dewey_tokens",),
        )
        worker_options = (
            "--env=GODOT_REDIS_URL_FILE=/run/secrets/redis_worker_url",
            f"--env=DEWEY_URL={outside.url(WRITER)}",
        )
        first = run("worker", *worker_options, port=9472, secrets=("redis_worker_url",))
        mcp = run(
            "mcp",
            "--env=GODOT_REDIS_URL_FILE=/run/secrets/redis_tools_url",
            "--env=DEWEY_URL=http://127.0.0.1:9061/mcp",
            "--env=DEWEY_TOKEN_FILE=/run/secrets/mcp_token",
            "--env=GODOT_TOKENS_FILE=/run/secrets/godot_tokens",
            port=9473,
            secrets=("redis_tools_url", "mcp_token", "godot_tokens"),
        )
        program = Program(outside.settings("producer"))
        try:
            second = run("worker", *worker_options, port=9474, secrets=("redis_worker_url",))
            yield _stopped("worker, under load", first)
            time.sleep(1.0)
        finally:
            program.stop()
        yield outside.kept_all_of(program)
        for name, container in (("worker", second), ("mcp", mcp), ("dewey", dewey)):
            yield _stopped(name, container)


def _stopped(name: str, container: Container) -> str:
    took_s, code = container.stop(GRACE_S)
    assert (code, took_s < GRACE_S) == (0, True), f"{name}: {code} after {took_s:.0f} s"
    return f"{name}: SIGTERM, exit code 0 after {took_s:.1f} s"
