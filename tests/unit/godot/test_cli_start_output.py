from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from godot.cli import COMMANDS, _output, godot
from godot.cli._group import Entry, LazyGroup
from godot.cli._output import (
    cell,
    decide_colour,
    default_output,
    emit_document,
    emit_rows,
    fail,
    json_text,
    output_options,
    sanitise,
)
from godot.errors import SettingsError, StreamUnavailable

HOSTILE = "a\x1b[31mred\r\n\x9b0m\u202egnp.exe\u2028\U000e0041\ud800\tend"


def test_what_could_steer_a_terminal_is_escaped_and_tabs_stay() -> None:
    assert sanitise(HOSTILE) == (
        r"a\x1b[31mred\r\n\x9b0m\u202egnp.exe\u2028\U000e0041\ud800" + "\tend"
    )


def test_ordinary_text_of_any_script_is_left_alone() -> None:
    text = "naïve 日本語 🎉 ﻼ — “quotes” 100 €"
    assert sanitise(text) == text
    assert cell(text) == text


def test_a_cell_cannot_break_the_line_it_stands_in() -> None:
    assert cell("a\tb\nc") == r"a\tb\nc"
    assert cell(None) == ""
    assert cell({"k": "\x1b"}) == r'{"k":"\u001b"}'


def test_json_carries_the_exact_text_but_no_raw_control_character() -> None:
    for indent in (None, 2):
        text = json_text({"message": HOSTILE}, indent)
        assert json.loads(text)["message"] == HOSTILE
        assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("choice", "environ", "decided"),
    [
        ("auto", {}, None),
        ("auto", {"NO_COLOR": "1"}, False),
        ("auto", {"NO_COLOR": ""}, None),
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("auto", {"TERM": "dumb"}, False),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour_follows_the_flag_then_the_environment(
    choice: str, environ: dict[str, str], decided: bool | None
) -> None:
    assert decide_colour(choice, environ) is decided


def test_a_wrong_default_for_the_output_names_what_is_allowed() -> None:
    assert default_output({"GODOT_OUTPUT": "jsonl"}) == "jsonl"
    with pytest.raises(
        SettingsError, match=r"GODOT_OUTPUT='yaml' .* text, json, jsonl, csv, plain"
    ):
        default_output({"GODOT_OUTPUT": "yaml"})


ROWS: list[dict[str, object]] = [
    {"component": "api", "message": 'say "hi",\nnow', "n": 1},
    {"component": "日本", "message": "x\x1b[0m", "n": None},
]


def _printed(output: str) -> str:
    @click.command()
    def show() -> None:
        emit_rows(ROWS, ("component", "message", "n"), output=output, truncated=True, cursor="c1")

    result = CliRunner().invoke(show)
    assert result.exit_code == 0
    return result.output


def test_rows_in_a_pipe_are_one_line_each_and_uncut() -> None:
    assert _printed("plain").splitlines() == [
        'api\tsay "hi",\\nnow\t1',
        "日本\tx\\x1b[0m\t",
    ]


def test_rows_on_a_terminal_are_aligned_under_their_heads() -> None:
    head, first, second = _printed("text").splitlines()
    assert head.split() == ["COMPONENT", "MESSAGE", "N"]
    assert first.index("say") == head.index("MESSAGE")
    assert second.index("x") == head.index("MESSAGE") - 2  # two characters, four columns wide


def test_rows_as_json_are_one_document_that_says_whether_it_was_cut() -> None:
    document = json.loads(_printed("json"))
    assert document["items"] == ROWS
    assert document["truncated"] is True
    assert document["cursor"] == "c1"
    assert document["schema"] == "godot.rows/1"


def test_rows_as_json_lines_and_csv_give_the_values_back() -> None:
    assert [json.loads(line) for line in _printed("jsonl").splitlines()] == ROWS
    table = list(csv.reader(io.StringIO(_printed("csv"), newline="")))
    assert table[0] == ["component", "message", "n"]
    assert table[1] == ["api", 'say "hi",\nnow', "1"]


def test_a_document_in_a_pipe_is_dotted_keys_and_values() -> None:
    @click.command()
    def show() -> None:
        emit_document({"stream": {"name": "logs", "entries": 3}}, ["unused"], output="plain")

    assert CliRunner().invoke(show).output == "stream.name\tlogs\nstream.entries\t3\n"


@pytest.mark.parametrize(
    ("arguments", "environ", "expected"),
    [
        ([], {}, "plain"),
        ([], {"GODOT_OUTPUT": "csv"}, "csv"),
        (["-o", "jsonl"], {"GODOT_OUTPUT": "csv"}, "jsonl"),
        (["--json"], {}, "json"),
        (["--json", "--color", "never"], {"GODOT_OUTPUT": "csv"}, "json"),
    ],
)
def test_the_form_of_output_comes_from_the_flag_then_the_variable_then_the_pipe(
    arguments: list[str], environ: dict[str, str], expected: str
) -> None:
    @click.command()
    @output_options
    def show(output: str) -> None:
        click.echo(output)

    assert CliRunner(env=environ).invoke(show, arguments).output == f"{expected}\n"


class _GroupOfOne(LazyGroup):
    def __init__(self, command: click.Command) -> None:
        super().__init__("g")
        self.only = command

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        return self.only


def _run(command: click.Command) -> tuple[int, str]:
    result = CliRunner().invoke(_GroupOfOne(command), ["c"])
    return result.exit_code, result.stderr


def test_an_error_of_ours_becomes_one_line_with_a_code_and_the_next_step() -> None:
    @click.command()
    def command() -> None:
        raise StreamUnavailable("cannot reach Redis at unix:///x\x1b[2J")

    code, said = _run(command)
    assert code == 3
    assert said.startswith(r"error: GD-2001 cannot reach Redis at unix:///x\x1b[2J — ")
    assert "godot up" in said
    assert said.count("\n") == 1


def test_a_wrong_setting_is_a_usage_error() -> None:
    @click.command()
    def command() -> None:
        raise SettingsError("GODOT_MAXLEN='x' is not usable")

    assert _run(command)[0] == 2


def test_failing_on_purpose_keeps_the_given_exit_code() -> None:
    @click.command()
    def command() -> None:
        fail("GD-9", "nothing to remove", "look elsewhere", exit_code=5)

    assert _run(command) == (5, "error: GD-9 nothing to remove — look elsewhere\n")


def test_an_interruption_ends_with_130_and_says_nothing() -> None:
    @click.command()
    def command() -> None:
        raise KeyboardInterrupt

    assert _run(command) == (130, "")


def test_a_bug_keeps_its_traceback() -> None:
    @click.command()
    def command() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        CliRunner().invoke(_GroupOfOne(command), ["c"], catch_exceptions=False)


def test_a_reader_that_closes_the_pipe_ends_the_program_quietly() -> None:
    program = (
        "import click\n"
        "from godot.cli._group import LazyGroup\n"
        "from godot.cli._output import write_line\n"
        "@click.command()\n"
        "def c():\n"
        "    for n in range(100_000): write_line('x' * 80)\n"
        "g = LazyGroup('g')\n"
        "g.get_command = lambda ctx, name: c\n"
        "g(['c'])\n"
    )
    done = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" | head -1', sys.executable, program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "x" * 80 + "\n"
    assert done.stderr == ""


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: str(entry.name))
def test_every_command_in_the_table_exists(entry: Entry) -> None:
    command = getattr(import_module(entry.module), entry.attribute)
    assert isinstance(command, click.Command)


def test_help_shows_every_section_with_examples_first() -> None:
    shown = CliRunner().invoke(godot, ["--help"]).output
    places = [shown.index(word) for word in ("Examples:", "Options:", "START:", "LOOK:", "OPERATE")]
    assert places == sorted(places)
    assert all(f"  {entry.name}" in shown for entry in COMMANDS)


def test_help_imports_only_click() -> None:
    program = (
        "import sys\n"
        "from godot.cli import godot\n"
        "godot(['--help'], standalone_mode=False)\n"
        "heavy = {'redis', 'psycopg', 'mcp', 'rich', 'msgspec', 'asyncio', 'prometheus_client'}\n"
        "found = heavy & set(sys.modules)\n"
        "sys.exit(f'imported: {found}' if found else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_lines_whose_writing_is_interrupted_are_not_written_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[str] = []

    def interrupted(text: str, **_: object) -> None:
        written.append(text)
        if len(written) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(_output, "write_line", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _output.write_lines(str(number) for number in range(_output.HELD_LINES + 1))
    assert len(written) == 1
