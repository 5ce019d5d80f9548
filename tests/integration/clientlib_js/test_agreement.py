"""The two clients send the same records the same way, and the worker stores them alike."""

from __future__ import annotations

import json
import random
from typing import Any

from clientlib import ICCMLogger, parse_record_id
from godot.settings import Settings
from tests.integration.clientlib.stream import read
from tests.integration.worker.conftest import eventually
from tests.unit.clientlib.test_vectors import expected, for_loggers
from tests.vectors.load import HERE, expand

HINTS = (
    *("password", "tokens", "max_tokens", "apiKey", "x_auth_token", "Set-Cookie", "passwordHash"),
    *("godot", "godot_", "user", "é", "a\0", "\ud800", "\\u0000", "日本", "😀", "", " "),
    *("Bearer abcdefgh1", "password=hunter2", '{"token": "a b"}', "a://u:p@h/x", "@://", "a@b"),
    *(
        "AKIAIOSFODNN7EXAMPLE",
        "Cookie: a=b; c=d",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.c2ln",
        "é=token: x",
    ),
    *(
        "login?access_token=abc&n=1",
        "token_count: 12",
        "tokens=1,",
        "-----BEGIN PRIVATE KEY----- x",
    ),
)
RECORDS = 3_000


def raw_cases() -> list[dict[str, Any]]:
    """Return the vectors for loggers as they stand, with their shorthands."""
    found = json.loads((HERE / "encode.json").read_text("utf-8"))
    given = {case["name"]: {**found["defaults"], **case["given"]} for case in found["cases"]}
    return [
        {**given[case["name"]], "redact_fields": case.get("redact_fields")}
        for case in for_loggers()
    ]


def text(roll: random.Random) -> str:
    parts = [roll.choice(HINTS) for _ in range(roll.randrange(4))]
    return roll.choice(("", " ", "_", "=", ": ")).join(parts)


def value(roll: random.Random, depth: int) -> object:
    kind = roll.randrange(9 if depth else 7)
    if kind < 2:
        return text(roll)
    if kind == 7:
        return [value(roll, depth - 1) for _ in range(roll.randrange(4))]
    if kind == 8:
        return {key(roll): value(roll, depth - 1) for _ in range(roll.randrange(4))}
    simple = (None, True, False, roll.randrange(-(2**53), 2**53), roll.randrange(999) + 0.5)
    special = ({"$float": "NaN"}, {"$int": str(roll.randrange(2**62, 2**66))}, {"$bytes": "00ff"})
    return roll.choice(special if kind == 6 else simple)


def key(roll: random.Random) -> str:
    return (
        f"{roll.choice('abc')}{roll.choice('_-. ')}{text(roll)}"
        if roll.random() < 0.5
        else text(roll)
    )


def fields(records: list[dict[str, str]]) -> list[list[tuple[str, str]]]:
    return [list(record.items())[2:] for record in records]


def test_any_record_has_the_same_bytes_from_both_clients(log_in_javascript, redis_url, stream_name):
    roll = random.Random(20261126)
    cases = [
        {
            "component": "api",
            "level": roll.choice(("TRACE", "INFO", "ERROR", "FATAL")),
            "message": text(roll),
            "data": {key(roll): value(roll, 3) for _ in range(roll.randrange(5))},
            "trace_id": roll.choice((None, "t", "0AF7651916CD43DD8448EB211C80319C", text(roll))),
        }
        for _ in range(RECORDS)
    ]
    log_in_javascript(cases)
    log = ICCMLogger("api", redis_url, "TRACE", stream=f"{stream_name}-py")
    for case in cases:
        given = expand(case)
        log.log(given["level"], given["message"], given["data"], given["trace_id"])
    assert log.flush(30)
    log.close()
    ours, theirs = read(redis_url, f"{stream_name}-py"), read(redis_url, stream_name)
    assert len(ours) == len(theirs) == RECORDS
    for case, mine, other in zip(cases, fields(ours), fields(theirs), strict=True):
        assert mine == other, case


def test_the_worker_stores_what_javascript_wrote_exactly(
    log_in_javascript, settings: Settings, bench, working
):
    log_in_javascript(raw_cases())
    with working(settings):
        eventually(bench.settled, "everything acknowledged")
    rows = bench.sql(
        "SELECT component, level, message, trace_id, data::text FROM logs ORDER BY created_at, id"
    )
    assert len(rows) == len(for_loggers())
    levels = {5: "TRACE", 10: "DEBUG", 20: "INFO", 30: "WARN", 40: "ERROR"}
    for row, case in zip(rows, for_loggers(), strict=True):
        component, level, message, trace_id, data = row
        sent = dict(expected(case))
        assert (component, levels.get(level, level), message) == (
            *(sent["component"], sent["level"], sent["message"]),
        )
        assert (str(trace_id) if trace_id else None) == sent.get("trace_id"), case["name"]
        stored = None if data is None else json.loads(data)
        assert stored == (json.loads(sent["data"]) if "data" in sent else None), case["name"]
    audit = bench.audited()
    assert (audit.total.stored, audit.total.lost, audit.total.unaccounted) == (len(rows), 0, 0)


def test_ids_made_by_javascript_are_read_here(log_in_javascript, redis_url, stream_name):
    log_in_javascript(raw_cases())
    found = [parse_record_id(record["id"]) for record in read(redis_url, stream_name)]
    assert [who.sequence for who in found if who] == list(range(1, len(found) + 1))
    assert len({who.producer for who in found if who}) == 1
