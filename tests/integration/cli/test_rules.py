"""Every command keeps the rules that scripts and people rely on; the tree of commands is walked.

A command that is added is held to them by itself. One that needs arguments to say anything gets
them in SAMPLES; one that does not end by itself stands in ENDLESS, and is asked for help alone.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
import redis
from click.shell_completion import BashComplete
from click.testing import CliRunner

from clientlib import Producer, make_record
from godot import __version__, snapshot
from godot.cli import godot
from godot.embedded.plan import READER, WRITER
from godot.embedded.postgres import Postgres
from godot.embedded.valkey import Valkey
from godot.settings import load
from godot.stream.append import Appender
from tests.conftest import copied, logged_in
from tests.integration.cli.conftest import given

ENDLESS = {"up", "worker", "mcp", "tap", "run", "top"}
EVIL = "a\x1b[31mred\r\x9b0m\u202egnp.exe\u2028end"  # what may steer a terminal or forge a line
NAMED = EVIL.replace("\r", "")
CODES = {0, 3, 4, 5}
NO_SERVER = {
    "GODOT_REDIS_URL": "redis://127.0.0.1:1/0",
    "DEWEY_URL": "postgresql://nobody@127.0.0.1:1/none",
}
# what answers without any server
ALONE = {
    "down",
    "env",
    "token",
    "version",
    "explain",
    "config",
    "completion",
    "view",
    "doctor",
    "rules",
    "dashboards",
}


def tree(
    command: click.Command = godot, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its path; groups, too."""
    if path:
        yield " ".join(path), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, name
            yield from tree(found, (*path, name))


COMMANDS = dict(tree())
ANSWERING = sorted(set(COMMANDS) - ENDLESS)


class System(NamedTuple):
    """A system full of what strangers wrote, and what is known by its ids there."""

    environment: dict[str, str]
    record: str
    letter: str
    entry: str


@pytest.fixture(scope="module")
def system(
    valkey_server: Valkey,
    postgres_server: Postgres,
    _template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[System]:
    with copied(postgres_server, _template) as url:
        environment = {
            "HOME": str(tmp_path_factory.mktemp("home")),
            "TZ": "UTC",
            "GODOT_REDIS_URL": valkey_server.url,
            "DEWEY_URL": logged_in(url, WRITER),
            "DEWEY_READER_URL": logged_in(url, READER),
            "DEWEY_OWNER_URL": url,
            "GODOT_STREAM": "rules",
            "GODOT_DATA_DIR": str(tmp_path_factory.mktemp("data")),
            "GODOT_METRICS_PORT": "0",
        }
        client = redis.Redis.from_url(valkey_server.url)
        yield _filled(environment, client)
        client.delete("rules", "rules:producers", "rules:levels")
        client.close()


def _filled(environment: dict[str, str], client: redis.Redis) -> System:
    """Fill the system through its own commands: a record, a dead letter, pending entries."""
    settings = load(environment)
    good = make_record(NAMED, "WARN", EVIL, {EVIL: EVIL}, trace_id=NAMED, producer=Producer())
    with Appender(settings) as appender:
        appender.append([good])
    client.xadd("rules", {"component": EVIL, "message": EVIL, "level": EVIL})
    assert asked(environment, "replay", "--from", "0-1", "--yes").exit_code == 0
    assert asked(environment, "level", "set", NAMED, "warn").exit_code == 0
    client.xgroup_create("rules", NAMED, id="0")
    client.xgroup_create("rules", "dewey", id="0")
    taken: Any = client.xreadgroup("dewey", EVIL, {"rules": ">"}, count=2)
    client.xgroup_createconsumer("rules", "dewey", EVIL + "2")
    announced = f"3 {NAMED} host 1 0 2026-11-22T12:00:00Z 0"
    client.hset("rules:producers", f"{7:010x}", announced)
    for producer, forged in ((8, "9" * 4_300), (9, "9" * 4_300), (10, "-5")):
        announced = f"{forged} {NAMED} host 1 0 2026-11-22T12:00:00Z 0"
        client.hset("rules:producers", f"{producer:010x}", announced)
    letters = json.loads(asked(environment, "dlq", "ls", "-o", "json").stdout)["items"]
    return System(environment, good.id, letters[0]["id"], taken[0][1][0][0].decode())


class Done(NamedTuple):
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str


def asked(environment: dict[str, str], *arguments: str, stdin: bytes = b"") -> Done:
    """Run a command as if in a pipe, in this process."""
    with given(stdin) as file:
        done = CliRunner().invoke(
            godot, arguments, env=environment, input=file, prog_name="godot", catch_exceptions=False
        )
    return Done(done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def sample(system: System, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Give the arguments with which a command has something to say here."""
    monkeypatch.setattr(snapshot, "GLANCE_S", 0.0)
    monkeypatch.setattr(snapshot, "LONGEST", 2)
    samples = {
        "ack": [system.entry, "--reason", EVIL],
        "check heartbeat": ["--crit", "100ms"],
        "claim": ["--min-idle", "1ms"],
        "clear": ["--all"],
        "completion": ["bash"],
        "consumers prune": ["--idle", "0"],
        "dlq drop": ["--all"],
        "dlq retry": ["--all"],
        "dlq show": [system.letter],
        "emit": [EVIL],
        "ingest": ["-"],
        "level clear": ["--all"],
        "level set": [NAMED, "warn"],
        "replay": ["--from", "0-1"],
        "show": [system.record],
        "token": ["agent-1"],
        "trace": [NAMED],
        "view": ["-"],
    }
    return lambda name: samples.get(name, [])


def takes(command: click.Command, parameter: str) -> bool:
    return any(one.name == parameter for one in command.params)


def formats(command: click.Command) -> list[str]:
    for one in command.params:
        if one.name == "output" and isinstance(one.type, click.Choice) and one.type.choices:
            return [str(choice) for choice in one.type.choices]
    return []


def harmless(text: str) -> bool:
    return all(c.isprintable() or c in "\n\t" for c in text)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_a_command_does_and_shows_how_within_80_columns(name: str):
    done = asked({"COLUMNS": "80"}, *name.split(), "--help")
    assert (done.exit_code, done.stderr) == (0, "")
    examples = done.stdout.partition("Examples:")[2].partition("\n\n")[0].strip().splitlines()
    assert len([line for line in examples if f"godot {name}" in line]) >= 3, examples
    assert re.search(r"\[(read|write|destroys)\]", done.stdout)
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_give_commands_no_option_that_they_do_not_take(name: str):
    for line in getattr(COMMANDS[name], "examples", "").strip().splitlines():
        begun = re.search(r"\bgodot .*", re.split(r"\s{2,}", line.strip())[0])
        own = re.split(r" (?:\||\d?>|\|\||--) |; |\)\"", begun[0] if begun else "")[0]
        command: click.Command | None = godot
        for word in shlex.split(own)[1:]:
            assert command is not None, line
            if word.startswith("-") and word != "-":
                options = {one for taken in command.params for one in taken.opts}
                assert word.partition("=")[0] in options, line
            elif isinstance(command, click.Group):
                command = command.get_command(click.Context(command), word)


def test_the_version_is_one_line(system: System):
    done = asked(system.environment, "--version")
    assert done == Done(0, f"godot {__version__}\n", "")


def test_a_command_that_nobody_knows_is_answered_with_the_likeliest(system: System):
    assert "Did you mean 'doctor'?" in asked(system.environment, "docter").stderr
    assert "Did you mean 'retry'?" in asked(system.environment, "dlq", "rety").stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["pa"], ["patterns"]),
        (["dlq", "re"], ["retry"]),
        (["tail", "--exc"], ["--exclude"]),
        (["tail", "-l", "W"], ["warn"]),
        (["query", "-o", "js"], ["json", "jsonl"]),
        (["explain", "gd-310"], ["GD-3101", "GD-3102", "GD-3103", "GD-3104"]),
    ],
)
def test_a_shell_completes_commands_options_and_their_values(typed: list[str], offered: list[str]):
    completing = BashComplete(godot, {}, "godot", "_GODOT_COMPLETE")
    found = completing.get_completions(typed[:-1], typed[-1])
    assert [one.value for one in found] == offered


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_that_does_not_exist_is_a_usage_error_and_no_data(name: str, system: System):
    done = asked(system.environment, *name.split(), "--no-such-option")
    command = COMMANDS[name]
    if command.context_settings.get("ignore_unknown_options"):  # it is the wrapped program's
        assert (done.exit_code, done.stdout) == (127, "")
        return
    assert done.exit_code == (3 if name.startswith("check") else 2)
    assert done.stdout == ""
    assert re.fullmatch(
        rf"error: GD-1009 no such option '--no-such-option'\.?.* — see: godot {name} --help\n",
        done.stderr,
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_an_empty_value_is_a_usage_error_where_none_can_be_meant(
    name: str, system: System, sample: Callable[[str], list[str]]
):
    """What an unset variable of a script leaves there is no wider filter and no other folder."""
    for one in COMMANDS[name].params:
        if one.type is click.UNPROCESSED or getattr(one, "is_flag", False):
            continue
        given = [*sample(name), one.opts[0], ""] if isinstance(one, click.Option) else [""]
        if name == "level set" and given == [""]:
            given = [NAMED, ""]
        done = asked(system.environment, *name.split(), *given)
        assert (done.exit_code, done.stdout) == (3 if name.startswith("check") else 2, ""), given
        assert re.fullmatch(r"error: GD-1009 .+ — see: godot .+\n", done.stderr), given


def test_an_empty_message_is_a_message(system: System):
    assert asked(system.environment, "emit", "").exit_code == 0


@pytest.mark.parametrize("fields", [",", " , "])
def test_names_that_are_none_do_not_mean_all_of_them(fields: str, system: System):
    done = asked(system.environment, "query", "--fields", fields)
    assert (done.exit_code, done.stdout) == (2, "")


@pytest.mark.parametrize("name", ANSWERING)
def test_whatever_strangers_wrote_stays_harmless_in_every_form(
    name: str, system: System, sample: Callable[[str], list[str]]
):
    command = COMMANDS[name]
    stdin = f"{EVIL}\n".encode()
    forms = formats(command)
    for form in forms or [""]:
        option = ["-o", form] if form else []
        done = asked(system.environment, *name.split(), *option, *sample(name), stdin=stdin)
        assert done.exit_code in (CODES | {1, 2} if name.startswith("check") else CODES), done
        assert harmless(done.stderr)
        if form != "csv":  # a file of values, which a program reads
            assert harmless(done.stdout), form
        if form == "json" and done.stdout:
            document = json.loads(done.stdout)
            assert "schema" in document or name == "env"
        if form == "jsonl":
            assert all(isinstance(json.loads(line), dict) for line in done.stdout.splitlines())
        if form == "plain":
            assert "│" not in done.stdout


@pytest.mark.parametrize("name", ["consumers ls", "dlq ls", "level show"])
def test_a_form_that_is_asked_of_a_group_is_that_of_its_command(name: str, system: System):
    group, command = name.split()
    asked(system.environment, "level", "set", NAMED, "warn")  # another test may have cleared it
    done = asked(system.environment, group, "-o", "json", command)
    assert json.loads(done.stdout)["items"]
    done = asked(system.environment, group, "-o", "json", command, "-o", "jsonl")
    assert "schema" not in json.loads(done.stdout.splitlines()[0])


@pytest.mark.parametrize("name", [name for name in ANSWERING if takes(COMMANDS[name], "yes")])
def test_what_changes_something_shows_its_plan_and_waits_for_a_yes(
    name: str, system: System, sample: Callable[[str], list[str]]
):
    before = _state(system)
    option = ["-o", "json"] if takes(COMMANDS[name], "output") else ["--wipe"]
    done = asked(system.environment, *name.split(), *option, *sample(name))
    if name == "down":
        assert done.exit_code in (1, 5)  # this folder is not even a stack's
        return
    assert done.exit_code == 5, done
    assert json.loads(done.stdout)["done"] is False
    assert "--yes" in done.stderr
    assert _state(system) == before


def _state(system: System) -> list[str]:
    """Return what changing commands would change."""
    looks = (
        ("pending", "-o", "plain"),
        ("dlq", "ls", "--state", "all", "-o", "plain"),
        ("consumers", "ls", "-o", "jsonl"),
        ("query", "-o", "jsonl"),
    )
    texts = [asked(system.environment, *look).stdout for look in looks]
    # ages and idle times go on, and who is heard of goes by them
    moving = r'(?<=\t)\d+(?=\t)|"(?:idle|inactive)_ms":\d+|"heard_of":\w+'
    return [re.sub(moving, "", text) for text in texts]


@pytest.mark.parametrize("name", ANSWERING)
def test_servers_that_are_away_are_said_in_one_line_with_code_3(
    name: str, system: System, sample: Callable[[str], list[str]]
):
    environment = {k: v for k, v in system.environment.items() if not k.startswith("DEWEY_")}
    done = asked(environment | NO_SERVER, *name.split(), *sample(name), stdin=b"x\n")
    if name.partition(" ")[0] in ALONE:
        assert done.exit_code in (0, 3, 4)
    elif name.startswith("check"):
        assert done.exit_code in (2, 3)
        assert done.stdout.startswith("GODOT ") or name == "check"
    else:
        assert done.exit_code == 3, done
        assert done.stderr
        if done.stderr.startswith("error: "):
            assert re.match(r"error: GD-\d{4} .+ — ", done.stderr), done.stderr


@pytest.mark.parametrize("name", ["groups", "dlq", "config", "explain"])
def test_quiet_says_nothing_beside_the_data(name: str, system: System):
    loud, quiet = asked(system.environment, name), asked(system.environment, "-q", name)
    assert quiet.stderr == ""
    assert len(quiet.stdout.splitlines()) == len(loud.stdout.splitlines())


def test_colour_is_for_terminals_and_no_color_beats_even_those(system: System):
    arguments = ("doctor", "-o", "text", "--only", "GD-5001")
    assert "\x1b" not in asked(system.environment, *arguments).stdout
    assert "\x1b[32m" in asked(system.environment, *arguments, "--color", "always").stdout
    forced = system.environment | {"FORCE_COLOR": "1"}
    assert "\x1b[32m" in asked(forced, *arguments).stdout
    assert "\x1b" not in asked(forced | {"NO_COLOR": "1"}, *arguments).stdout
    assert asked(forced, "explain", "9999").stderr.startswith("\x1b[31merror:")
    assert asked(forced | {"NO_COLOR": "1"}, "explain", "9999").stderr.startswith("error: GD-1006")


def test_a_reader_that_has_seen_enough_is_no_error(system: System):
    command = f"{sys.executable} -m godot explain -o jsonl | head -n 1"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False,
        env={**system.environment, "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")


def test_on_a_terminal_tables_are_aligned_and_fit(system: System):
    """A real terminal of 80 columns: no line of what has normal names is longer."""
    program = (
        "import os, pty, sys\n"
        "pid, fd = pty.fork()\n"
        "if not pid: os.execv(sys.executable, [sys.executable, '-m', 'godot', *sys.argv[1:]])\n"
        "said = b''\n"
        "try:\n"
        "    while block := os.read(fd, 65536): said += block\n"
        "except OSError: pass\n"
        "sys.stdout.buffer.write(said)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "streams", "rules"],
        capture_output=True, timeout=60, check=False,
        env={**system.environment, "TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"},
    )  # fmt: skip
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0, done.stdout
    assert lines[0].split()[:3] == ["STREAM", "ENTRIES", "LIMIT"]
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in done.stdout.decode()


def test_this_file_knows_no_command_that_is_gone():
    assert ENDLESS - {"top"} <= set(COMMANDS)
    assert Path(__file__).exists()
