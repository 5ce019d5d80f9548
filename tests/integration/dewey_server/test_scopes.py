"""What a token is good for at Dewey, for agents and for programs of ours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import anyio
import httpx2
import psycopg
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from dewey_logs import (
    Batch,
    DeadLetterFilter,
    DeweyError,
    EntryRun,
    LevelChange,
    LogFilter,
    SchemaProblem,
    open_store,
)
from dewey_logs.dialogue import ASK, QUESTIONS
from tests import deweys

NAMES = {
    "reader": "logs:read",
    "writer": "logs:write",
    "worker": "logs:deliver",
    "operator": "logs:admin",
}
RUN = Batch(stream="s", runs=(EntryRun((1, 0), (1, 0), 1),))
LOGS = {"logs": [{"component": "c", "level": "INFO", "message": "m"}]}


@pytest.fixture
def texts(tmp_path) -> dict[str, str]:
    return {name: deweys.token(tmp_path / "tokens", name, scope) for name, scope in NAMES.items()}


@pytest.fixture
def serving(writer_url, reader_url, dewey_url, tmp_path, texts):
    with deweys.dewey(writer_url, reader_url, dewey_url, tmp_path / "tokens") as server:
        yield server


@pytest.fixture
def call(serving, texts):
    async def one(name: str, tool: str, arguments: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {texts[name]}"}
        async with (
            httpx2.AsyncClient(headers=headers) as web,
            Client(streamable_http_client(serving.url, http_client=web)) as client,
        ):
            listed = {tool.name for tool in (await client.list_tools()).tools}
            return listed, await client.call_tool(tool, arguments)

    return lambda name, tool, **arguments: anyio.run(one, name, tool, arguments)


@pytest.fixture
def store(serving, texts):
    return lambda name: open_store(serving.url, token=texts[name])


@pytest.mark.parametrize(
    ("name", "tool", "arguments", "allowed"),
    [
        ("reader", "dewey_query_logs", {}, True),
        ("reader", "dewey_store_logs_batch", LOGS, False),
        ("writer", "dewey_store_logs_batch", LOGS, True),
        ("writer", "dewey_query_logs", {}, False),
        ("writer", "dewey_store_logs_batch", {"logs": [], "delivery": {"stream": "s"}}, False),
        ("operator", "dewey_query_logs", {}, False),
    ],
)
def test_an_agents_token_opens_what_its_scope_says(call, name, tool, arguments, allowed):
    listed, said = call(name, tool, **arguments)
    assert ASK not in listed
    assert said.is_error is not allowed
    if not allowed:
        assert f"the token of {name} lacks the scope logs:" in said.content[0].text


def test_what_is_no_question_or_no_delivery_is_refused(call):
    cases: list[tuple[dict[str, Any], str]] = [
        ({"question": "drop"}, "no question 'drop'"),
        ({"question": "close"}, "no question 'close'"),
        ({"question": "query", "arguments": {"filter": {"limit": "many"}}}, "filter.limit"),
        ({"question": "query", "arguments": {"sql": "DROP"}}, "sql"),
    ]
    for arguments, words in cases:
        _, said = call("reader", ASK, **arguments)
        assert said.is_error
        assert words in said.content[0].text
    _, said = call("worker", "dewey_store_logs_batch", logs=[{}], delivery={"stream": "s"})
    assert said.is_error
    assert "cannot be read" in said.content[0].text


def test_a_program_may_ask_what_its_token_says(store, dewey_url):
    with store("worker") as worker:
        worker.write(RUN)
        worker.check()
        assert worker.window().back_seconds > 0
        assert worker.levels() == ()
        assert worker.balanced_producers("s", {1: 2}, 3.0) == frozenset()
        assert worker.accounts("s", (0, 0), 0.0).epochs
        assert worker.active_producers(datetime.now(UTC)) == set()
        assert worker.dead_letter_reasons() == ()
        for refused in (
            lambda: worker.query(LogFilter()),
            lambda: worker.dead_letters(DeadLetterFilter()),
            lambda: worker.clear(LogFilter(component=("c",)), asked_by="me"),
        ):
            with pytest.raises(SchemaProblem, match="the token of worker lacks the scope logs:"):
                refused()
    with store("reader") as reader:
        assert reader.query(LogFilter()).returned == 0
        for refused in (
            lambda: reader.accounts("s", (0, 0), 0.0),
            lambda: reader.neighbours([(1, 1, 2)]),
            lambda: reader.active_producers(datetime.now(UTC)),
            lambda: reader.contents(),
            lambda: reader.dead_letters(DeadLetterFilter()),
            lambda: reader.dead_letter_reasons(),
            lambda: reader.write(RUN),
            lambda: reader.set_level("c", "DEBUG", change=LevelChange("me")),
        ):
            with pytest.raises(SchemaProblem, match="the token of reader lacks"):
                refused()


def test_who_cleared_is_kept_with_the_name_of_his_token(store, call, dewey_url):
    call("writer", "dewey_store_logs_batch", **LOGS)
    with store("operator") as operator:
        assert operator.dead_letters(DeadLetterFilter()) == ()
        assert operator.dead_letter_reasons() == ()
        told: list[int] = []
        plan = operator.plan_clear(LogFilter(component=("c",)))
        done = operator.clear(plan.filter, asked_by="me", progress=told.append)
        assert (plan.records, done.records, told) == (1, 1, [1])
        change = LevelChange("me", "t-1")
        assert operator.set_level("c", "DEBUG", change=change).level == "DEBUG"
        assert operator.clear_levels(change=change) == ("c",)
    with psycopg.connect(dewey_url) as connection:
        found = connection.execute("SELECT asked_by FROM logs_cleared").fetchall()
        notes = connection.execute(
            "SELECT message, trace_id, data->>'asked_by' FROM logs WHERE message ~ '^level'"
        ).fetchall()
    assert found == [("me by the token of operator",)]
    signed = ("t-1", "me by the token of operator")
    assert sorted(notes) == [("level set", *signed), ("level taken back", *signed)]


def test_no_text_of_who_asks_keeps_a_change_out_of_the_log(store, dewey_url):
    with store("operator") as operator:
        change = LevelChange("me\0" + "x" * 300_000, "t\0")
        operator.set_level("c", "DEBUG", change=change)
        operator.clear(LogFilter(component=("c",)), asked_by="me\0")
    with psycopg.connect(dewey_url) as connection:
        notes = connection.execute(
            "SELECT left(data->>'asked_by', 6), trace_id FROM logs ORDER BY created_at"
        ).fetchall()
    assert notes == [("me\\x00", "t\\x00"), ("me\\x00", None)]


def test_resources_are_for_readers(serving, texts):
    async def read(name: str) -> str:
        headers = {"Authorization": f"Bearer {texts[name]}"}
        async with (
            httpx2.AsyncClient(headers=headers) as web,
            Client(streamable_http_client(serving.url, http_client=web)) as client,
        ):
            try:
                return str((await client.read_resource("dewey://help/query")).contents[0])
            except MCPError as exc:
                return str(exc)

    assert "Filters narrow each other" in anyio.run(read, "reader")
    assert "the token of writer lacks the scope logs:read" in anyio.run(read, "writer")


def test_the_database_is_described_to_readers_with_the_logins_that_dewey_has(store):
    with store("reader") as reader:
        found = reader.diagnosis()
    assert found.settings["fsync"] == "on"
    assert (found.migrations, found.invalid_indexes) == ((), ())
    assert found.partitions > 0
    assert found.ahead_seconds is not None
    assert found.ahead_seconds > 86_400
    assert [
        (one.user, one.superuser, one.owner) for one in (found.writer, found.reader) if one
    ] == [
        ("godot_writer", False, False),
        ("godot_reader", False, False),
    ]
    with store("worker") as worker, pytest.raises(SchemaProblem, match="lacks the scope logs:read"):
        worker.diagnosis()


def test_every_question_is_one_of_the_stores(store, serving):
    with store("reader") as reader:
        for name in QUESTIONS:
            assert callable(getattr(reader, name))
        with pytest.raises(AttributeError):
            reader.no_such_thing  # noqa: B018  # looking is what raises
        with pytest.raises(DeweyError, match="postgresql://"):
            reader.export(LogFilter())
