"""Tools that count: stats, patterns, compare, facets."""

from __future__ import annotations

from tests.integration.dewey_server.traffic import log, put, rows


def test_stats_count_by_level_component_and_time(told):
    put(
        told,
        *(log(f"m{n}", ago_s=60 + n) for n in range(8)),
        *(log(f"boom {n}", ago_s=7_000, component="pay", level="ERROR") for n in range(3)),
    )
    whole = told("dewey_get_log_stats")
    assert (whole["total"], whole["levels"]) == (11, {"INFO": 8, "ERROR": 3})
    assert whole["oldest"] < whole["newest"]
    assert rows(whole["by_component"]) == [
        {"component": "api", "total": 8, "INFO": 8, "ERROR": 0},
        {"component": "pay", "total": 3, "INFO": 0, "ERROR": 3},
    ]
    assert sum(row["ERROR"] for row in rows(whole["by_time"])) == 3
    assert not whole["truncated"]
    recent = told("dewey_get_log_stats", since="1h", interval="1m", limit=1)
    assert (recent["total"], recent["by_time"]["interval_s"]) == (8, 60)
    assert "hints" not in recent


def test_stats_of_any_filter_are_counted(told):
    put(told, *(log("order paid", data={"order": n}) for n in range(4)), log("other", level="WARN"))
    found = told("dewey_get_log_stats", filter="data.order>=2")
    assert (found["total"], found["levels"]) == (2, {"INFO": 2})
    assert rows(found["by_component"]) == [{"component": "api", "total": 2}]


def test_counts_of_nothing_say_what_there_is(told):
    put(told, log("m", component="pay"))
    for tool in ("dewey_get_log_stats", "dewey_patterns", "dewey_compare"):
        found = told(tool, component="apy")
        assert 'no component is called "apy"; the nearest is "pay"' in found["hints"], tool
    found = told("dewey_facets", field="component", component="apy")
    assert 'no component is called "apy"; the nearest is "pay"' in found["hints"]


def test_patterns_are_counted_with_a_sample(told):
    put(
        told,
        *(
            log(f"order {n} declined", ago_s=60 + n, level="ERROR", trace_id="t-1")
            for n in range(9)
        ),
        log("something else"),
        log("long ago", ago_s=7_000),
    )
    found = told("dewey_patterns")
    assert (found["total"], found["distinct"], found["returned"]) == (10, 2, 2)
    assert set(found) >= {"since", "until"}
    many, one = rows(found)
    assert (many["n"], one["n"]) == (9, 1)
    assert "declined" in many["template"]
    assert (many["level"], many["trace_id"], one["level"]) == ("ERROR", "t-1", "INFO")
    sampled = told("dewey_context", id=many["sample_id"], before=0, after=0)
    assert "declined" in sampled["record"]["message"]
    assert told("dewey_patterns", since="3h", limit=1)["truncated"]
    assert told("dewey_patterns", level="ERROR", component="api")["distinct"] == 1


def test_compare_says_what_is_new_more_and_gone(told):
    put(
        told,
        *(log(f"steady {n}", ago_s=ago) for n in range(3) for ago in (60, 4_000)),
        *(log(f"retry {n}", ago_s=60) for n in range(6)),
        log("retry 99", ago_s=4_000),
        *(log(f"declined {n}", ago_s=60, level="ERROR") for n in range(2)),
        log("bye", ago_s=4_000),
    )
    found = told("dewey_compare")
    assert (found["before"]["total"], found["after"]["total"]) == (5, 11)
    (new,), (grew,), (gone,) = (rows(found[name]) for name in ("new", "grew", "gone"))
    assert (new["after"], new["level"]) == (2, "ERROR")
    assert "declined" in new["template"]
    assert (grew["before"], grew["after"], grew["ratio"]) == (1, 6, 6.0)
    assert (gone["template"], gone["before"]) == ("bye", 1)
    assert [found[name]["count"] for name in ("new", "grew", "gone")] == [1, 1, 1]
    assert not rows(told("dewey_compare", min_ratio=7)["grew"])
    yesterday = told("dewey_compare", back="24h")
    assert yesterday["before"]["total"] == 0
    assert yesterday["before"]["since"][:10] != yesterday["after"]["since"][:10]


def test_what_cannot_be_compared_is_refused(refused):
    assert "back='now' does not lie before" in refused("dewey_compare", back="now")
    assert "back='soon' is no time" in refused("dewey_compare", back="soon")
    assert "is not before" in refused("dewey_compare", since="1h", until="2h")
    assert "order makes no sense here" in refused("dewey_patterns", filter="boom order:asc")
    assert "interval='often'" in refused("dewey_get_log_stats", interval="often")


def test_facets_list_the_values_of_a_field(told, refused):
    put(told, *(log("m", data={"user": {"id": n % 3}}) for n in range(7)), log("m", level="WARN"))
    found = told("dewey_facets", field="user.id", limit=2)
    assert found["rows"] == [["0", 3], ["1", 2]]
    assert (found["distinct"], found["missing"], found["truncated"]) == (3, 1, True)
    assert told("dewey_facets", field="level")["rows"] == [["INFO", 7], ["WARN", 1]]
    assert refused("dewey_facets") == "field is missing"
    assert "field='a..b' is none" in refused("dewey_facets", field="a..b")
