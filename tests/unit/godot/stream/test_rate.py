from __future__ import annotations

import pytest

from godot.stream.rate import Rate, Reading, buffer_seconds, loss_in_seconds, rate

BEFORE = Reading(10.0, 1_000, 900, 100)


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (Reading(12.0, 1_500, 900, 100), Rate(250.0, 250.0)),  # nobody reads
        (Reading(12.0, 1_500, 1_400, 100), Rate(250.0, 0.0)),  # as fast as it comes
        (Reading(12.0, 1_500, 1_500, 200), Rate(250.0, 0.0)),  # read, not settled: still open
        (Reading(12.0, 1_000, 1_000, 0), Rate(0.0, -100.0)),
        (Reading(12.0, 1_500, None, 100), Rate(250.0, None)),
        (Reading(12.0, 1_500, 10, 100), Rate(250.0, None)),  # the group is a new one
        (Reading(12.0, 20, 10, 0), None),  # the stream is a new one
        (Reading(10.01, 1_500, 900, 100), None),
    ],
)
def test_two_readings_tell_how_fast_it_fills(after: Reading, found: Rate | None):
    assert rate(BEFORE, after) == found


def test_time_runs_out_by_what_is_not_settled():
    limit = 100_000
    assert buffer_seconds(50_000, Rate(1_000.0, 0.0)) == 50.0
    assert buffer_seconds(50_000, Rate(0.0, 0.0)) is None
    assert loss_in_seconds(50_000, limit, Rate(1_000.0, 500.0)) == 100.0
    assert loss_in_seconds(50_000, limit, Rate(1_000.0, -1.0)) is None
    assert loss_in_seconds(50_000, limit, Rate(1_000.0, None)) == 50.0


def test_on_the_brink_it_has_begun_whatever_the_group_says_of_itself():
    assert loss_in_seconds(1_000, 100_000, Rate(1_000.0, 0.0)) == 0.0
    assert loss_in_seconds(1_000, 100_000, Rate(0.0, 0.0)) is None
