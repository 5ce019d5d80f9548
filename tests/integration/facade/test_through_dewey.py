"""Godot's tools where Godot owns no login to the database: they ask a Dewey behind HTTP."""

from __future__ import annotations

import time
import uuid
from typing import Any

import anyio
import msgspec
import pytest
from mcp import Client
from prometheus_client import CollectorRegistry

from dewey_logs import Batch, LogRow, Source, open_store
from godot.facade.backends import Backends
from godot.facade.server import build
from tests import deweys


@pytest.fixture
def serving(dewey_url, reader_url, writer_url, tmp_path):
    tokens = tmp_path / "tokens"
    reader = deweys.token(tokens, "godot", "logs:read")
    with deweys.dewey(writer_url, reader_url, dewey_url, tokens) as server:
        yield server, reader


def test_a_query_is_answered_alike_and_an_outage_told(settings, serving):
    server, reader = serving
    row = LogRow(
        id=uuid.uuid4().bytes,
        created_at_us=time.time_ns() // 1_000,
        component="shop",
        level="ERROR",
        message="card declined",
        trace_id="t-1",
        data=b'{"order":8812,"ratio":0.5}',
        producer=None,
        sequence=None,
        source=Source("1-0", ()),
    )
    with open_store(settings.dewey_url) as store:
        store.write(Batch(stream="s", rows=(row,)))
    through = msgspec.structs.replace(settings, dewey_url=server.url, dewey_token=reader)

    async def asked(of, *calls):
        with Backends(of) as backends:
            async with Client(build(backends, CollectorRegistry())) as client:
                found = [await client.call_tool("logger_query", call) for call in calls]
                return found, await anyio.to_thread.run_sync(backends.check)

    questions = [{"filter": "data.order>8000"}, {"search": "declined"}, {"since": "soon"}]
    direct, _ = anyio.run(asked, settings, *questions)
    remote, checks = anyio.run(asked, through, *questions)
    assert checks["postgres"]
    assert [one.is_error for one in remote] == [False, False, True]
    assert remote[0].structured_content["returned"] == 1
    for ours, theirs in zip(direct, remote, strict=True):
        for found in (ours, theirs):
            (found.structured_content or {}).pop("took_ms", None)
        assert ours.structured_content == theirs.structured_content
    assert remote[2].content[0].text == direct[2].content[0].text
    assert server.calls("dewey_ask") >= 2

    server.stop()
    (away,), checks = anyio.run(asked, through, {})
    server.start()
    assert away.is_error
    assert "cannot be reached" in away.content[0].text
    assert not checks["postgres"]


def test_every_tool_that_reads_answers_alike(settings, serving):
    server, reader = serving
    now_us = time.time_ns() // 1_000
    rows = [
        LogRow(
            id=uuid.uuid4().bytes,
            created_at_us=now_us - 90_000_000 + n,
            component="shop",
            level="ERROR",
            message=f"order {n} declined",
            trace_id="t-1",
            data=None,
            producer=None,
            sequence=None,
            source=Source("1-0", ()),
        )
        for n in range(3)
    ]
    with open_store(settings.dewey_url) as store:
        store.write(Batch(stream="s", rows=tuple(rows)))
    through = msgspec.structs.replace(settings, dewey_url=server.url, dewey_token=reader)
    calls: list[tuple[str, dict[str, Any]]] = [
        ("logger_stats", {"since": "1h"}),
        ("logger_patterns", {"level": "ERROR"}),
        ("logger_compare", {}),
        ("logger_trace", {"trace_id": "t-1"}),
        ("logger_context", {"id": str(uuid.UUID(bytes=rows[1].id))}),
        ("logger_query", {"component": "none"}),
        ("logger_tail", {"wait_ms": 0}),
        ("logger_clear", {"component": "shop"}),
        ("logger_set_level", {"component": "shop", "level": "DEBUG"}),
    ]

    async def asked(of):
        with Backends(of) as backends:
            async with Client(build(backends, CollectorRegistry())) as client:
                return [await client.call_tool(name, given) for name, given in calls]

    def told(result):
        payload = dict(result.structured_content or {})
        for name in ("took_ms", "since", "until", "before", "after", "next_cursor"):
            payload.pop(name, None)
        return payload

    remote, direct = anyio.run(asked, through), anyio.run(asked, settings)
    assert [one.is_error for one in direct] == [False] * len(calls)
    assert [one.is_error for one in remote] == [False] * 7 + [True] * 2
    for ours, theirs in zip(direct[:7], remote[:7], strict=True):
        assert told(ours) == told(theirs)
    for refused in remote[7:]:
        assert "the token of godot lacks the scope logs:admin" in refused.content[0].text
