from __future__ import annotations

import http.client
import json

import psycopg
import pytest

from dewey_logs import open_store
from tests import deweys
from tests.integration.dewey_logs.conftest import Maker, batch, eventually

SLOW = """
CREATE OR REPLACE FUNCTION dewey_text(at timestamptz) RETURNS text LANGUAGE sql VOLATILE
AS $$ SELECT pg_sleep(60)::text $$
"""
SLEEPING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event = 'PgSleep'"
)
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


@pytest.mark.parametrize("version", ["2026-07-28", "2025-06-18"])
def test_a_caller_who_hangs_up_leaves_no_query_behind(
    writer_url, reader_url, dewey_url, tmp_path, version
):
    tool = {"name": "dewey_query_logs", "arguments": {}}
    params = {**tool, "_meta": META} if version == "2026-07-28" else tool
    tokens = tmp_path / "tokens"
    headers = {
        "Authorization": f"Bearer {deweys.token(tokens, 'people', 'logs:read')}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": version,
        "Mcp-Method": "tools/call",
        "Mcp-Name": "dewey_query_logs",
    }
    with open_store(writer_url) as store:
        store.write(batch(Maker().rows(1)))
    with (
        psycopg.connect(dewey_url, autocommit=True) as database,
        deweys.dewey(writer_url, reader_url, dewey_url, tokens) as server,
    ):
        # no time limit of its own ends it while this waits
        readers = server._backend.store._readers  # type: ignore[attr-defined]  # Store is a protocol
        readers._settings["statement_timeout"] = 60_000
        database.execute(SLOW)
        caller = http.client.HTTPConnection(*server.address)
        caller.request("POST", "/mcp", json.dumps({**CALL, "params": params}), headers)
        eventually(lambda: database.execute(SLEEPING).fetchone() == (1,))
        caller.close()
        eventually(lambda: database.execute(SLEEPING).fetchone() == (0,))
