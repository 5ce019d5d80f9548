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


@pytest.mark.parametrize("state", ["stalled", "no-consumer", "behind", "unknown"])
def test_how_groups_of_others_do_is_no_finding_of_ours(state: str):
    left = tuple(group(name=f"g{n}", state=state, waiting_ms=60_000, overrun=5) for n in range(10))
    stream = msgspec.structs.replace(look(), others=left)
    assert findings(Snapshot("logs", "dewey", stream, SOUND)) == ()


@pytest.mark.parametrize(
    ("other_since_ms", "our_since_ms", "said"),
    [
        (50, None, "; what 2 other groups did not settle stays in it"),
        (50, 60, "; what 2 other groups did not settle stays in it"),
        (60, 50, ""),
        (None, None, ""),
    ],
)
def test_a_full_memory_is_found_and_who_keeps_entries_in_it(
    other_since_ms: int | None, our_since_ms: int | None, said: str
):
    others = tuple(group(name=name, pending_since_ms=other_since_ms) for name in ("a", "b"))
    stream = look(undelivered_since_ms=our_since_ms)
    full = msgspec.structs.replace(stream, others=others, memory_bytes=500 * 2**20)
    (found,) = findings(Snapshot("logs", "dewey", full, SOUND))
    assert found.code == "GD-3202"
    assert found.text == f"Redis uses 98% of its memory limit{said}"
    assert ("godot groups" in found.next_step) == bool(said)
