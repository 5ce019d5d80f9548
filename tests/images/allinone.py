"""The container `allinone`: stores what it takes, outlives its programs, and ends in order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

from tests.images.engine import Container, Engine
from tests.images.mcp import call
from tests.images.system import READER, WRITER, Outside, Program

GRACE_S = 45
PROGRAMS = ("redis", "worker", "mcp")
CONTROL = ("supervisorctl", "-c", "/opt/godot/etc/supervisord.conf")


def options(outside: Outside) -> tuple[str, ...]:
    """Return what the container is given, but for a place for its data."""
    return (
        f"--env=DEWEY_URL={outside.url(WRITER)}",
        f"--env=DEWEY_READER_URL={outside.url(READER)}",
        "--env=GODOT_TOKENS_FILE=/run/secrets/godot_tokens",
        "--env=GODOT_RECLAIM_IDLE_MS=5000",  # after how long what a dead worker held is taken over
        *outside.mounted("redis_producer", "redis_reader", "godot_tokens"),
    )


def check(engine: Engine, image: str, outside: Outside) -> Iterator[str]:
    """Do everything; yield lines about what was seen. Raises AssertionError for a failure."""
    engine.podman("volume", "create", "godot-data")
    given = (*options(outside), "--volume=godot-data:/data")
    with closing(engine.run(image, *given)) as here:
        yield f"healthy after {here.await_health():.1f} s"
        yield _kept_apart(here)
        _through_mcp(outside)
        program = Program(outside.settings("producer"))
        try:
            for name in PROGRAMS:
                yield _outlives(here, name, program, outside)
            took_s, code = here.stop(GRACE_S)
        finally:
            program.stop()
        assert took_s < GRACE_S, f"killed after {took_s:.0f} s"
        assert code == 0, f"ended with {code}"
        order = [line for line in here.log().splitlines() if "stopped: " in line]
        names = [line.partition("stopped: ")[2].split()[0] for line in order[-4:]]
        assert [name for name in names if name in PROGRAMS] == ["mcp", "worker", "redis"], order
        yield f"SIGTERM under load: stopped {' then '.join(names)} in {took_s:.1f} s"

    with closing(engine.run(image, *given)) as again:
        again.await_health()
        yield outside.kept_all_of(program)
    engine.podman("volume", "rm", "godot-data")

    yield _ends_when_fatal(engine, image, outside)


def _kept_apart(here: Container) -> str:
    """Look from inside: who runs it, what may be written, who may come in, what others see."""
    told = here.assert_kept_apart()
    assert set(told["Uid"].split()) == {"10001"}, told["Uid"]
    listening = here.inside("cat", "/proc/1/net/tcp")
    assert f"0100007F:{6379:04X}" in listening, "Redis listens on loopback"
    assert f"00000000:{6379:04X}" not in listening
    arguments = here.inside("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "postgresql://" not in arguments
    return (
        f"uid 10001, no capability, NoNewPrivs 1, Seccomp {told['Seccomp'].strip()},"
        " root read-only, Redis on loopback"
    )


def _through_mcp(outside: Outside) -> None:
    """Log through the MCP server with a token, and without one in vain."""
    record: dict[str, object] = {"component": "agent", "message": "from an agent", "level": "INFO"}
    for token, status in ((None, 401), (outside.secret("agent_token"), 200)):
        found, said = call("logger_log", record, token)
        assert found == status, said
        assert '"isError":true' not in said, said


def _outlives(here: Container, name: str, program: Program, outside: Outside) -> str:
    """Kill one program; records go on to be accepted and stored."""
    before = here.inside(*CONTROL, "pid", name)
    here.inside("sh", "-c", f"kill -9 {before}")
    killed = time.monotonic()
    while here.inside("sh", "-c", f"{' '.join(CONTROL)} pid {name} || true") in (before, "0"):
        assert time.monotonic() - killed < 30, f"{name} was not started again:\n{here.log()}"
        time.sleep(0.1)
    here.await_health()
    had = len(program.accepted)
    while len(program.accepted) < had + 100:
        assert time.monotonic() - killed < 60, f"nothing is accepted after {name} was killed"
        time.sleep(0.1)
    outside.await_stored(set(program.accepted))
    return f"kill -9 of {name}: all stored again after {time.monotonic() - killed:.1f} s"


def _ends_when_fatal(engine: Engine, image: str, outside: Outside) -> str:
    """A worker that cannot be started brings the container down, and not with 0."""
    wrong = ("--env=GODOT_BATCH_SIZE=many", f"--env=DEWEY_URL={outside.url(WRITER)}")
    began = time.monotonic()
    tokens = ("--env=GODOT_TOKENS_FILE=/run/secrets/godot_tokens", *outside.mounted("godot_tokens"))
    with closing(engine.run(image, *wrong, *tokens)) as here:
        code = here.await_exit(90)
        assert code == 1, code
        said = here.log()
        assert "could not be kept running" in said, said[-2000:]
        assert "because redis" not in said, said[-2000:]
        assert "GODOT_BATCH_SIZE" in here.log()
    with closing(engine.run(image)) as here:
        assert here.await_exit(20) == 2
        assert "DEWEY_URL is not set" in here.log()
    return f"a wrong setting: exit code 1 after {time.monotonic() - began:.0f} s"
