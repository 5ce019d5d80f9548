"""What reads the store, on PostgreSQL itself and through a Dewey behind HTTP."""

from __future__ import annotations

import csv
import io
import json

import click
import pytest

from tests import deweys


@pytest.fixture(params=["postgresql", "dewey"])
def ask(request, here, environment, tmp_path):
    """Run a command on one kind of store."""
    if request.param == "postgresql":
        yield here
        return
    tokens = tmp_path / "tokens"
    token = deweys.token(tokens, "people", "logs:read", "logs:deliver")
    writer, reader, owner = (environment[f"DEWEY_{of}URL"] for of in ("", "READER_", "OWNER_"))
    with deweys.dewey(writer, reader, owner, tokens) as dewey:
        yield lambda *arguments: here(*arguments, DEWEY_URL=dewey.url, DEWEY_TOKEN=token)


def rows(done) -> list[dict]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.usefixtures("filled")
def test_every_record_that_matches_comes_once_however_many(ask):
    done = ask("query", "--all", "--asc", "-o", "jsonl")
    assert [row["data"]["i"] for row in rows(done)] == list(range(1_300))
    assert b"showing 1,300 of 1,300 (oldest first" in done.stderr
    done = ask("query", "--all", "-c", "web", "-o", "csv", "--fields", "data.i,level")
    found = list(csv.reader(io.StringIO(done.stdout.decode())))
    assert found[:2] == [["data.i", "level"], ["1298", "INFO"]]
    assert len(found) == 651
    document = json.loads(ask("query", "--all", "-l", "error", "-o", "json").stdout)
    assert (len(document["items"]), document["matched"], document["truncated"]) == (13, 13, False)


@pytest.mark.usefixtures("filled")
def test_one_record_is_shown_with_those_beside_it(ask):
    (record,) = rows(ask("query", "-w", "data.i=700", "-o", "jsonl"))
    shown = json.loads(ask("show", record["id"], "-C", "2", "-o", "json").stdout)
    assert shown["record"] == record
    assert [row["data"]["i"] for row in (*shown["before"], *shown["after"])] == [696, 698, 702, 704]
    shown = json.loads(ask("show", record["id"], "--same", "any", "-C", "1", "--json").stdout)
    assert [row["data"]["i"] for row in (*shown["before"], *shown["after"])] == [699, 701]
    screen = ask("show", record["id"], "-o", "text", "-C", "1").stdout.decode()
    assert "level      ERROR" in screen
    assert "message    request number700 done" in screen
    assert "▶ " in screen
    plain = ask("show", record["id"], "-o", "plain").stdout.decode()
    assert "data.i\t700\n" in plain
    done = ask("show", "01a204ee-a501-8000-8000-0045cab67969")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"GD-1007" in done.stderr
    assert ask("show", "700").returncode == 2


@pytest.mark.usefixtures("filled")
def test_a_trace_is_shown_from_its_beginning(ask):
    found = rows(ask("trace", "trace-000007", "-o", "jsonl"))
    assert [row["data"]["i"] for row in found] == list(range(70, 80))
    assert found[0]["offset_ms"] == 0
    done = ask("trace", "trace-000007", "-n", "1", "-o", "csv", "--fields", "data.i,level")
    assert done.stdout == b"offset_ms,gap_ms,data.i,level\n0.0,0.0,70,INFO\n"
    document = json.loads(ask("trace", "trace-000007", "-n", "3", "--json").stdout)
    assert (document["matched"], document["truncated"], len(document["items"])) == (10, True, 3)
    title, about, *lines = ask("trace", "trace-000010", "-o", "text").stdout.decode().splitlines()
    assert title.startswith("trace trace-000010 · ")
    assert about.startswith("10 records · 2 components · ")
    assert about.endswith("first error: request number100 done")
    said = [line.split("request ")[1] for line in lines]
    assert said == [f"number{i} done" for i in range(100, 110)]
    assert all("●" in line for line in lines)
    assert len(ask("trace", "trace-000010", "--logs", "-o", "text").stdout.splitlines()) == 11
    done = ask("trace", "trace-9")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"GD-1007" in done.stderr


@pytest.mark.usefixtures("filled")
def test_records_are_counted_over_time_by_field_and_by_kind(ask):
    document = json.loads(ask("count", "-s", "1h", "--every", "1h", "-o", "json").stdout)
    assert document["matched"] == sum(item["total"] for item in document["items"]) == 1_300
    assert sum(item["error"] for item in document["items"]) == 13
    done = ask("count", "-l", "error", "-o", "text")
    assert b"ERROR" in done.stdout
    assert b"13 records, by " in done.stderr
    done = ask("count", "--by", "component", "-o", "plain")
    assert done.stdout == b"api\t650\nweb\t650\n"
    done = ask("count", "--by", "i", "-n", "2", "-w", "data.i<5")
    assert done.stdout == b"0\t1\n1\t1\n"
    assert b"5 values in 5 records" in done.stderr
    assert b"showing 2: -n shows more" in done.stderr
    (kind,) = rows(ask("patterns", "-o", "jsonl"))
    assert (kind["records"], kind["sample"]["message"][:14]) == (1_300, "request number")
    screen = click.unstyle(ask("patterns", "-l", "error", "-o", "text").stdout.decode())
    assert screen.splitlines()[1].split()[:2] == ["13", "100.0%"]
    assert ask("count", "--every", "1h", "--by", "level").returncode == 2


def test_an_empty_store_is_an_answer_everywhere(ask):
    for command in ("count", "patterns", "query", "tail"):
        done = ask(command, "-o", "text")
        assert (done.returncode, done.stdout) == (0, b""), command
