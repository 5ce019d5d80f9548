from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import psycopg
from mcp import Client
from prometheus_client import CollectorRegistry

from dewey_logs.layout import AS_BEFORE
from dewey_logs.server import Backend, Maintenance, build


def log(message: str = "m", **more) -> dict[str, Any]:
    return {"component": "api", "level": "INFO", "message": message, **more}


def rows(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(
            "SELECT message, level::text, component, trace_id, data, created_at FROM logs"
            " ORDER BY created_at, message"
        ).fetchall()


def test_a_batch_is_stored_and_found(call, dewey_url):
    at = datetime.now(UTC) - timedelta(minutes=5)
    logs = [
        log("first", data={"n": 1}, created_at=at.isoformat()),
        log("second", level="critical", trace_id="t-1"),
    ]
    said = call("dewey_store_logs_batch", logs=logs).structured_content
    assert said == {"stored": 2, "duplicates": 0, "expired": 0, "rejected": []}
    first, second = rows(dewey_url)
    assert first == ("first", "INFO", "api", None, {"n": 1}, at)
    assert second[:5] == ("second", "ERROR", "api", "t-1", {"godot": {"level": "CRITICAL"}})
    found = call("dewey_query_logs", data={"n": 1}).structured_content
    assert found["returned"] == 1


def test_bad_records_are_named_and_their_neighbours_stored(call, dewey_url):
    logs = [log("a"), {"message": "b"}, log("c"), log("d", level="loud"), 7]
    said = call("dewey_store_logs_batch", logs=logs).structured_content
    assert said["stored"] == 2
    assert [item["index"] for item in said["rejected"]] == [1, 3, 4]
    assert {row[0] for row in rows(dewey_url)} == {"a", "c"}


def test_a_record_that_is_sent_again_is_a_duplicate(call, dewey_url):
    record = log(id=str(uuid.uuid4()), created_at=datetime.now(UTC).isoformat())
    assert call("dewey_store_logs_batch", logs=[record]).structured_content["stored"] == 1
    said = call("dewey_store_logs_batch", logs=[record, log("new"), record]).structured_content
    assert (said["stored"], said["duplicates"]) == (1, 2)
    assert len(rows(dewey_url)) == 2


def test_a_thousand_records_are_one_call_and_one_more_is_an_error(call, dewey_url):
    said = call("dewey_store_logs_batch", logs=[log(str(i)) for i in range(1_000)])
    assert said.structured_content["stored"] == 1_000
    result = call("dewey_store_logs_batch", logs=[log()] * 1_001)
    assert result.is_error
    assert "1001 records: allowed are 1000" in result.content[0].text
    assert len(rows(dewey_url)) == 1_000


def test_hostile_values_are_stored_as_text(call, dewey_url):
    hostile = "\0\x1b[2J'; DROP TABLE logs; --\\u0000"
    logs = [log(hostile, component=hostile, data={hostile: [hostile, 2**80]})]
    assert call("dewey_store_logs_batch", logs=logs).structured_content["stored"] == 1
    (row,) = rows(dewey_url)
    clean = hostile.replace("\0", "\ufffd")
    named = {"cleaned": ["characters", "numbers"]}
    data = {clean: [clean, str(2**80)], "godot": named}
    assert (row[0], row[2], row[4]) == (clean, clean, data)


def test_wrong_calls_are_told_in_one_line(call):
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("dewey_store_logs_batch", {}, "logs is missing"),
        ("dewey_store_logs_batch", {"logs": "x"}, "logs: "),
        ("dewey_store_logs_batch", {"logs": [], "entries": []}, "unknown argument 'entries'"),
        ("dewey_query_logs", {"sinse": "1h"}, "did you mean 'since'?"),
        ("dewey_query_logs", {"since": "later"}, "since="),
    ]
    for name, arguments, said in cases:
        result = call(name, **arguments)
        assert result.is_error
        (block,) = result.content
        assert said in block.text
        assert "\n" not in block.text


def test_maintenance_makes_the_days_that_are_missing(dewey_url):
    registry = CollectorRegistry()
    with psycopg.connect(dewey_url, autocommit=True) as connection:
        (last,) = connection.execute(
            "SELECT max(inhrelid::regclass::text) FROM pg_inherits"
            " WHERE inhparent = 'logs'::regclass"
        ).fetchone() or ("",)
        connection.execute(f"DROP TABLE {last}")  # a name from the catalogue
        maintenance = Maintenance(dewey_url, 7, None, AS_BEFORE, registry)
        assert maintenance.run_once()
        assert connection.execute("SELECT to_regclass(%s)", (last,)).fetchone() != (None,)
    name = "godot_retention_last_success_timestamp_seconds"
    assert registry.get_sample_value(name)


def test_maintenance_that_cannot_reach_the_store_is_counted_and_raises_nothing():
    registry = CollectorRegistry()
    maintenance = Maintenance("postgresql://nobody@127.0.0.1:1/none", 7, None, AS_BEFORE, registry)
    assert not maintenance.run_once()
    assert registry.get_sample_value("godot_maintenance_errors_total") == 1


def test_a_store_that_is_away_is_an_error_in_one_line():
    with Backend("postgresql://nobody@127.0.0.1:1/none", None, None, 7) as backend:

        async def one():
            async with Client(build(backend, CollectorRegistry())) as client:
                stored = await client.call_tool("dewey_store_logs_batch", {"logs": [log()]})
                found = await client.call_tool("dewey_query_logs", {})
                return stored, found, await backend.checks()

        stored, found, checks = anyio.run(one)
    assert stored.is_error
    assert found.is_error
    assert checks == {"postgres": False}
    assert json.dumps(stored.content[0].text).count("\\n") == 0
