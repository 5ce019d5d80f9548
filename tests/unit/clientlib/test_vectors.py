from __future__ import annotations

from typing import Any

import pytest

from clientlib import Producer, RecordError, Redactor, make_record
from tests.unit.clientlib.unsent import shipped
from tests.vectors.load import cases

CASES = cases("encode")
OWN = ("id", "created_at")


def ids(case: dict[str, Any]) -> str:
    return str(case["name"])


def expected(case: dict[str, Any]) -> list[tuple[str, str]]:
    given, fields = case["given"], case["fields"]
    head = {"id": given["id"], "created_at": given["created_at"]}
    return list({**head, **fields}.items())


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_record_made_for_delivery_has_exactly_the_vectors_fields(case: dict[str, Any]):
    given = case["given"]

    def make():
        return make_record(
            given["component"],
            given["level"],
            given["message"],
            given.get("data"),
            given.get("trace_id"),
            created_at=given["created_at"],
            id=given["id"],
            producer=Producer(1),
            redactor=Redactor(case.get("redact_fields", ())),
        )

    if "error" in case:
        with pytest.raises(RecordError, match=case["error"]):
            make()
    else:
        found = [(name.decode(), value.decode()) for name, value in make().fields()]
        assert found == expected(case)


def for_loggers() -> list[dict[str, Any]]:
    return [
        case
        for case in CASES
        if "error" not in case
        and "created_at" not in case["fields"]
        and len(case["given"]["component"]) <= 128
        and case["given"]["level"] in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
    ]


@pytest.mark.parametrize("case", for_loggers(), ids=ids)
def test_a_logger_sends_what_the_vectors_say(case: dict[str, Any]):
    given = case["given"]

    def log(logger):
        getattr(logger, given["level"].lower())(
            given["message"], given.get("data"), given.get("trace_id")
        )

    (found,) = shipped(
        log, component=given["component"], redact_fields=case.get("redact_fields", ())
    )
    assert [item for item in found.items() if item[0] not in OWN] == [
        item for item in expected(case) if item[0] not in OWN
    ]


def test_there_are_enough_vectors_to_mean_something():
    assert len(CASES) >= 40
    assert len(cases("decode")) >= 40
