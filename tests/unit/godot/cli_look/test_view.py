from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from godot.cli import godot

LINES = r"""
{"ts":"2026-11-27T03:00:00.5Z","lvl":"info","name":"web","msg":"GET /items","http":{"status":200}}
level=error msg="card declined" time=2026-11-27T03:00:01Z order=7
{"level":30,"time":1795748402000,"hostname":"h","msg":"pino says","stack":"Error: no\n  at a.js:1"}
Traceback (most recent call last):
  File "x.py"
ERROR: plain text [2J
  continued

{"msg":"\u001b]0;title\u0007 hostile"}
"""


@pytest.fixture
def view(tmp_path: Path) -> Callable[..., Result]:
    path = tmp_path / "app.log"
    path.write_bytes(LINES.strip().encode())

    def command(*arguments: str) -> Result:
        found = CliRunner().invoke(
            godot, ["view", str(path), *arguments], env={"TZ": "UTC"}, prog_name="godot"
        )
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found

    return command


def test_a_mark_before_the_first_line_does_not_hide_what_it_says(tmp_path: Path):
    path = tmp_path / "marked.log"
    path.write_bytes(b'\xef\xbb\xbf{"level":"error","msg":"first"}\nsecond\n')
    found = CliRunner().invoke(godot, ["view", str(path), "-o", "jsonl"], prog_name="godot")
    assert [json.loads(line)["message"] for line in found.stdout.splitlines()] == [
        "first",
        "second",
    ]


def test_lines_of_every_form_become_records_and_text_stays_as_it_is(view: Callable[..., Result]):
    lines = view("-o", "text", "--utc").stdout.splitlines()
    assert lines == [
        "2026-11-27 +00:00",
        '03:00:00.500 INFO  web      GET /items  http={"status":200}',
        "03:00:01.000 ERROR          card declined  order=7",
        "03:00:02.000 INFO           pino says  level=30 hostname=h",
        "    ╰ stack: Error: no  (+1 line)",
        f"{'':28}Traceback (most recent call last):",
        f'{"":28}  File "x.py"',
        f"{'':28}ERROR: plain text \\x1b[2J",
        f"{'':28}  continued",
        f"{'':28}\\x1b]0;title\\x07 hostile",
    ]


def test_a_level_leaves_out_what_is_less_and_keeps_what_belongs_to_a_line(
    view: Callable[..., Result],
):
    rows = [json.loads(line) for line in view("-l", "error", "-o", "jsonl").stdout.splitlines()]
    assert [row["message"] for row in rows] == [
        "card declined",
        "ERROR: plain text \x1b[2J",
        "  continued",
    ]
    assert view("-l", "loud").exit_code == 2


def test_what_is_excluded_is_not_shown(view: Callable[..., Result]):
    assert "card" not in view("-x", "^card d").stdout


def test_fields_make_a_table_of_any_log(view: Callable[..., Result]):
    lines = view("-o", "csv", "--fields", "level,http.status,message").stdout.splitlines()
    assert lines[:3] == ["level,http.status,message", "INFO,200,GET /items", "ERROR,,card declined"]


def test_what_cannot_be_read_is_named(tmp_path: Path):
    for name in (tmp_path, tmp_path / "absent"):
        found = CliRunner().invoke(godot, ["view", str(name)], prog_name="godot")
        assert (found.exit_code, found.stdout) == (2, "")
        assert re.fullmatch(rf"error: GD-1009 .*'{name}'.*\n", found.stderr)
