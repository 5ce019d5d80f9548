from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys

import pytest

from clientlib import Producer, make_record
from godot.stream.append import Appender


@pytest.mark.usefixtures("filled")
def test_the_answer_says_how_much_of_it_is_shown(here):
    done = here("query", "-n", "3")
    assert done.returncode == 0
    assert [line.split("\t")[3] for line in done.stdout.decode().splitlines()] == [
        f"request number{i} done" for i in (1299, 1298, 1297)
    ]
    assert b"showing 3 of 1,000 or more (newest first" in done.stderr
    assert b"--cursor" in done.stderr


@pytest.mark.usefixtures("filled")
def test_pages_join_without_gap_or_repeat(here):
    seen: list[int] = []
    cursor: list[str] = []
    for _ in range(4):
        page = json.loads(here("query", "-n", "400", "--asc", "-o", "json", *cursor).stdout)
        seen += [item["data"]["i"] for item in page["items"]]
        cursor = ["--cursor", page["next_cursor"]]
    assert seen == list(range(1_300))
    assert (page["truncated"], page["next_cursor"]) == (False, None)


@pytest.mark.usefixtures("filled")
def test_more_than_the_store_gives_at_a_time_is_put_together(here):
    done = here("query", "-n", "5000", "-o", "jsonl")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["data"]["i"] for row in rows] == list(range(1_299, -1, -1))
    assert b"showing 1,300 of 1,300 (" in done.stderr
    assert len(here("query", "-n", "1200").stdout.splitlines()) == 1_200


@pytest.mark.usefixtures("filled")
def test_filters_narrow_the_answer(here):
    def found(*arguments: str) -> int:
        done = here("query", "-n", "2000", *arguments)
        assert done.returncode == 0, done.stderr
        return len(done.stdout.splitlines())

    assert found("number77") == 1
    assert found("request -number77") == 1_299
    assert found("--contains", "NUMBER12") == 1 + 10 + 100
    assert found("--regex", "number(1|2) ") == 2
    assert found("-l", "error") == 13
    assert found("-c", "api") == 650
    assert found("-c", "a*", "-c", "web") == 1_300
    assert found("-t", "trace-000007") == 10
    assert found("--data", "i=5") == 1
    assert found("-w", "data.i=5") == 1
    assert found("-w", "data.i>=1290 data.i!=1296", "-w", "component:web") == 4
    assert found("-w", "data.i<10 -number7", "-l", "info") == 9
    assert found("-w", "limit:7 order:asc") == 7
    assert found("--since", "1h") == 1_300
    assert found("--until", "1h") == 0
    assert found("--since", "today", "--until", "now") in range(1_301)


def test_csv_read_again_is_what_was_logged(here, settings, working, stored):
    messages = ["two\nlines", "a\rb", "\x1b[31mred\x1b[0m", '=1+"a",\n\t', "\r\n"]
    with Appender(settings) as appender:
        producer = Producer()
        appender.append([make_record("api", "INFO", m, producer=producer) for m in messages])
    with working():
        stored(len(messages))
    done = here("query", "--all", "--asc", "-o", "csv")
    found = list(csv.DictReader(io.StringIO(done.stdout.decode(), newline="")))
    assert [row["message"] for row in found] == messages


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("where", ["&-", "/dev/full"])
def test_stderr_that_takes_nothing_spoils_no_answer(environment, where):
    for command in ("query --all", "count", "audit"):
        line = f"exec {sys.executable} -m godot {command} 2>{where}"
        done = subprocess.run(
            ["/bin/sh", "-c", line], env=environment, stdout=subprocess.PIPE, check=False
        )
        assert (done.returncode, bool(done.stdout)) == (0, True), command


@pytest.mark.usefixtures("filled")
def test_csv_has_a_header_and_json_a_schema(here):
    rows = list(csv.DictReader(io.StringIO(here("query", "-n", "2", "-o", "csv").stdout.decode())))
    assert [row["component"] for row in rows] == ["api", "web"]
    document = json.loads(here("query", "-n", "2", "--json").stdout)
    assert document["schema"] == "godot.records/1"
    assert (document["truncated"], document["matched"], document["matched_capped"]) == (
        True,
        1_000,
        True,
    )


def test_nothing_found_is_an_answer_and_an_exit_code_for_those_who_ask(here):
    for arguments, code in (((), 0), (("--exit-code",), 4), (("--all", "--exit-code"), 4)):
        done = here("query", "absent", *arguments)
        assert (done.returncode, done.stdout) == (code, b"")
        assert re.search(rb"showing 0 of 0", done.stderr)


def test_a_filter_that_makes_no_sense_is_exit_code_2(here):
    for arguments in [
        ["-s", "soon"],
        ["-l", "loud"],
        ["--cursor", "forged"],
        ["-n", "0"],
        ["-n", "5", "--all"],
        ["--all", "-s", "soon"],
        ["--data", "x"],
        ["-w", "service:web"],
        ["-w", "level:warn", "-l", "warn"],
        ["-w", "data.a>true"],
        ["--regex", "a{300}"],
        ["--contains", "x" * 10_000],
        ["--data", "a=" + '{"a":' * 900 + "1" + "}" * 900],
    ]:
        done = here("query", *arguments)
        assert (done.returncode, done.stdout) == (2, b""), arguments
        assert b"Traceback" not in done.stderr
    assert here("query", "--data", "a=" + "[" * 3_000).returncode == 0  # text that is no JSON


def test_a_store_that_is_away_is_exit_code_3(here):
    for url in ("postgresql://nobody@127.0.0.1:1/none", ""):
        done = here("query", DEWEY_URL=url)
        assert (done.returncode, done.stdout) == (3, b"")
        assert b"GD-2003" in done.stderr
