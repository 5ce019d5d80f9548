"""Many callers who ask the same at once, against a store that is held up."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import psycopg

from dewey_logs import open_store
from tests import deweys
from tests.integration.dewey_logs.conftest import Maker, batch, eventually

HELD = """
CREATE OR REPLACE FUNCTION dewey_text(at timestamptz) RETURNS text LANGUAGE plpgsql VOLATILE
AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(77); RETURN at::text; END $$
"""
ASKING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND NOT granted"
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
QUERY = {"name": "dewey_query_logs", "arguments": {}}
HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": "2025-06-18",
}


def test_what_many_ask_at_once_is_asked_a_few_times(writer_url, reader_url, dewey_url, tmp_path):
    tokens = tmp_path / "tokens"
    mine, others = (deweys.token(tokens, name, "logs:read") for name in ("mine", "others"))
    maker = Maker()
    with open_store(writer_url) as store:
        store.write(batch(maker.rows(1)))
    with (
        psycopg.connect(dewey_url, autocommit=True) as database,
        deweys.dewey(writer_url, reader_url, dewey_url, tokens) as server,
        ThreadPoolExecutor(60) as callers,
    ):
        readers = server._backend.store._readers  # type: ignore[attr-defined]  # Store is a protocol
        readers._settings["statement_timeout"] = 60_000

        def asked(token: str) -> dict[str, Any]:
            headers = {**HEADERS, "Authorization": f"Bearer {token}"}
            with closing(HTTPConnection(*server.address, timeout=60)) as line:
                line.request("POST", "/mcp", json.dumps({**CALL, "params": QUERY}), headers)
                answer = json.loads(line.getresponse().read())
            found: dict[str, Any] = answer["result"]["structuredContent"]
            return found

        def waiting() -> int:
            (found,) = database.execute(ASKING).fetchone() or (0,)
            return int(found)

        def in_hand() -> float:
            return server.registry.get_sample_value("godot_mcp_inflight_tool_calls") or 0.0

        database.execute(HELD)
        database.execute("SELECT pg_advisory_lock(77)")
        first = [callers.submit(asked, mine) for _ in range(3)]
        eventually(lambda: waiting() == 3)
        with open_store(writer_url) as store:
            store.write(batch(maker.rows(1)))
        late = [callers.submit(asked, mine) for _ in range(30)]
        eventually(lambda: in_hand() == 33)
        besides = callers.submit(asked, others)  # who has a token of his own does not wait for us
        eventually(lambda: waiting() == 4)
        database.execute("SELECT pg_advisory_unlock(77)")
        assert [one.result(60)["matched"] for one in first] == [1, 1, 1]
        answers = [one.result(60) for one in late]
        assert [one["matched"] for one in answers] == [2] * 30
        assert len({one["took_ms"] for one in answers}) == 1  # one answer for all
        assert besides.result(60)["matched"] == 2
        assert server.calls("dewey_query_logs") == 34
