from __future__ import annotations

import pytest

from dewey_logs.errors import BadChoice
from dewey_logs.tools.kinds import CLEARS, COUNTS, EVERYTHING, SEARCHES, SETS, WRITES, selection


def offered(read_only=False, *toolsets):
    chosen = selection(read_only, toolsets)
    kinds = {"s": SEARCHES, "c": COUNTS, "w": WRITES, "l": SETS, "x": CLEARS}
    return "".join(name for name, kind in kinds.items() if chosen.has(kind))


def test_without_a_choice_everything_is_offered():
    assert selection(False, ()) == EVERYTHING
    assert offered() == "scwlx"


@pytest.mark.parametrize(
    ("choice", "tools"),
    [
        ((True,), "sc"),
        ((False, "search"), "s"),
        ((False, "search,write"), "sw"),
        ((False, "insight", "admin"), "clx"),
        ((True, "insight, admin"), "c"),
    ],
)
def test_what_is_chosen_is_offered(choice, tools):
    assert offered(*choice) == tools


def test_a_set_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(BadChoice, match="'serch' does not exist: allowed are search, insight"):
        selection(False, ["serch"])


def test_a_choice_that_leaves_nothing_is_refused():
    with pytest.raises(BadChoice, match="leaves no tool"):
        selection(True, ["admin,write"])
