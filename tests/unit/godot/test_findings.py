from __future__ import annotations

import msgspec
import pytest

from godot.findings import findings
from godot.snapshot import Snapshot
from godot.stream.rate import Rate
from tests.unit.godot.looks import STORE, group, look

SOUND = msgspec.structs.replace(STORE, rejected_open=0)


def codes(now: Snapshot) -> list[tuple[str, str]]:
    return [(finding.code, finding.severity) for finding in findings(now)]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, []),
        ({"state": "unknown"}, []),  # nobody knows, so nobody is alarmed
        ({"state": "stalled", "waiting_ms": 372_000}, [("GD-3101", "critical")]),
        ({"state": "no-consumer", "consumers": ()}, [("GD-3102", "warning")]),
        ({"state": "no-consumer", "waiting_ms": 1}, [("GD-3102", "critical")]),
        ({"state": "behind", "waiting_ms": 9_000}, [("GD-3103", "warning")]),
        ({"overrun": 3}, [("GD-3104", "critical")]),
        ({"overrun": None}, []),
    ],
)
def test_each_thing_that_is_wrong_with_a_group_is_found(
    changed: dict[str, object], found: list[tuple[str, str]]
):
    assert codes(Snapshot("logs", "dewey", look(**changed), SOUND)) == found


def test_servers_that_are_away_are_findings_and_the_rest_is_not_guessed():
    away = Snapshot("logs", "dewey", None, None, "refused", "no route")
    assert codes(away) == [("GD-2001", "critical"), ("GD-2003", "critical")]
    assert away.state == "unknown"
    assert away.waiting_ms is None


def test_the_worst_comes_first_and_a_loss_in_sight_is_told_by_when():
    stream = look(state="behind", waiting_ms=9_000, undelivered=90_000, entries=90_000)
    soon = Snapshot("logs", "dewey", stream, STORE, rate=Rate(1_000.0, 100.0))
    expected = [("GD-3201", "critical"), ("GD-3103", "warning"), ("GD-3301", "warning")]
    assert codes(soon) == expected
    later = msgspec.structs.replace(soon, rate=Rate(1_000.0, 5.0))
    assert ("GD-3201", "warning") in codes(later)
    assert "loses unread records in 33 m 20 s" in " ".join(f.text for f in findings(later))


def test_other_groups_and_a_full_memory_are_found_too():
    archive = group(name="archive", state="stalled", waiting_ms=60_000)
    stream = msgspec.structs.replace(look(), others=(archive,), memory_bytes=500 * 2**20)
    found = findings(Snapshot("logs", "dewey", stream, SOUND))
    assert [finding.code for finding in found] == ["GD-3101", "GD-3202"]
    assert "group archive is stalled: work waits for 1 m 0 s" in found[0].text
    left = msgspec.structs.replace(archive, name="my archive", state="no-consumer")
    stream = msgspec.structs.replace(look(), others=(left,))
    (alone,) = findings(Snapshot("logs", "dewey", stream, SOUND))
    assert alone.next_step == "GODOT_GROUP='my archive' godot worker"
