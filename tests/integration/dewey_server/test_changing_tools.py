"""Tools that change something: clear and set_level."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from dewey_logs.server import Backend, build
from tests.integration.dewey_server.conftest import calling
from tests.integration.dewey_server.traffic import log, put, rows


def left(told) -> list[str]:
    return [row["message"] for row in rows(told("dewey_query_logs", filter="-cleared -level"))]


def test_nothing_is_removed_before_the_plan_is_confirmed(told):
    put(told, *(log(f"noise {n}", component="noise", ago_s=90 + n) for n in range(3)), log("kept"))
    plan = told("dewey_clear_logs", component="noise", until="1m")
    assert (plan["dry_run"], plan["would_remove"]) == (True, 3)
    assert (plan["components"], plan["levels"]) == ([["noise", 3]], {"INFO": 3})
    assert plan["filter"].startswith("until:20")
    assert len(left(told)) == 4
    done = told("dewey_clear_logs", confirm=plan["confirm"])
    assert done["removed"] == 3
    assert left(told) == ["kept"]
    (record,) = rows(told("dewey_query_logs", component="dewey", fields=["data"]))
    assert record["message"] == "cleared 3 records"
    assert record["data"]["asked_by"].startswith("dewey_clear_logs by local (mcp")
    assert record["data"]["filter"]["component"] == ["noise"]


def test_a_confirmation_is_good_once_and_for_its_own_plan(told, refused):
    put(told, log("a", component="a"), log("b", component="b"))
    plan = told("dewey_clear_logs", component="a")
    assert "belongs to another filter" in refused(
        "dewey_clear_logs", component="b", confirm=plan["confirm"]
    )
    assert "belongs to another filter" in refused(
        "dewey_clear_logs", all=True, confirm=plan["confirm"]
    )
    assert "confirm is unknown" in refused("dewey_clear_logs", component="a", confirm="guessed")
    assert told("dewey_clear_logs", component="a", confirm=plan["confirm"])["removed"] == 1
    assert "used" in refused("dewey_clear_logs", confirm=plan["confirm"])
    assert left(told) == ["b"]


def test_everything_has_to_be_asked_for_as_such(told, refused):
    put(told, log("a"), log("b"))
    assert "the filter is empty" in refused("dewey_clear_logs")
    assert "contradict" in refused("dewey_clear_logs", all=True, level="INFO")
    assert "unknown argument 'limit'" in refused("dewey_clear_logs", component="a", limit=1)
    assert "limit makes no sense" in refused("dewey_clear_logs", filter="a limit:1")
    plan = told("dewey_clear_logs", all=True)
    assert plan["would_remove"] == 2
    assert told("dewey_clear_logs", confirm=plan["confirm"])["removed"] == 2
    assert left(told) == []


def test_a_plan_of_nothing_has_no_confirmation(told):
    put(told, log("a", component="pay"))
    plan = told("dewey_clear_logs", component="apy")
    assert plan["would_remove"] == 0
    assert "confirm" not in plan
    assert 'no component is called "apy"; the nearest is "pay"' in plan["hints"]


def test_a_level_is_set_for_a_while_and_taken_back(told, refused):
    said = told("dewey_set_log_level", component="billing", level="debug", duration="30m")
    (one,) = said["set"]
    assert (one["component"], one["level"], said["previous"]) == ("billing", "DEBUG", None)
    assert one["until"] is not None
    said = told("dewey_set_log_level", component="billing", level="ERROR", duration="forever")
    assert said["previous"] == one
    assert said["set"] == [{"component": "billing", "level": "ERROR", "until": None}]
    told("dewey_set_log_level", component="*", level="WARN")
    assert [
        one["component"]
        for one in told("dewey_set_log_level", component="billing", level="default")["set"]
    ] == ["*"]
    records = rows(told("dewey_query_logs", component="dewey", order="asc", fields=["data"]))
    assert [record["message"] for record in records] == ["level set"] * 3 + ["level taken back"]
    assert records[0]["data"]["of"] == "billing"
    assert records[0]["data"]["asked_by"].startswith("dewey_set_log_level by local")
    for arguments, line in (
        ({"component": "a", "level": "loud"}, "level='loud' does not exist"),
        ({"component": " ", "level": "INFO"}, "component="),
        ({"component": "half \ud800", "level": "INFO"}, "component="),
        ({"component": "a", "level": "INFO", "duration": "soon"}, "duration='soon' is no time"),
        ({"component": "a", "level": "INFO", "duration": "0s"}, "duration='0s' is not possible"),
        ({"component": "a", "level": "INFO", "duration": "9999w"}, "is not possible"),
        ({"level": "INFO"}, "component is missing"),
    ):
        assert line in refused("dewey_set_log_level", **arguments)


@pytest.mark.parametrize("tool", ["dewey_clear_logs", "dewey_set_log_level"])
def test_without_the_owners_login_nothing_changes_and_the_setting_is_named(
    tool, writer_url, reader_url
):
    arguments = {"all": True} if "clear" in tool else {"component": "a", "level": "INFO"}
    with Backend(writer_url, reader_url, writer_url, 7) as backend:
        call = calling(build(backend, CollectorRegistry()), "legacy")
        result = call(tool, **arguments)
        if not result.is_error:  # a plan only reads
            result = call(tool, confirm=result.structured_content["confirm"])
    assert result.is_error
    assert "DEWEY_OWNER_URL" in str(result.content)
