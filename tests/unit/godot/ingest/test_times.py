from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from godot.ingest import times

LOCAL = datetime(2026, 11, 22, 14, 5, 31).astimezone(UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-22T14:05:31Z", datetime(2026, 11, 22, 14, 5, 31, tzinfo=UTC)),
        ("2026-11-22T14:05:31.5Z", datetime(2026, 11, 22, 14, 5, 31, 500_000, tzinfo=UTC)),
        (
            "2026-11-22T14:05:31,123456789+01:00",
            datetime(2026, 11, 22, 13, 5, 31, 123_456, tzinfo=UTC),
        ),
        ("2026-11-22 14:05:31 -0130", datetime(2026, 11, 22, 15, 35, 31, tzinfo=UTC)),
        ("2026-11-22 14:05:31 UTC", datetime(2026, 11, 22, 14, 5, 31, tzinfo=UTC)),
        ("2026-11-22 14:05:31", LOCAL),
        ("2026-11-22  14:05:31", LOCAL),
        ("2026/11/22 14:05:31", LOCAL),
        ("Sun Nov 22 14:05:31 2026", LOCAL),
        (1_795_356_331, datetime.fromtimestamp(1_795_356_331, UTC)),
        (1_795_356_331.25, datetime.fromtimestamp(1_795_356_331.25, UTC)),
        (1_795_356_331_250, datetime.fromtimestamp(1_795_356_331.25, UTC)),
        ("1795356331250000", datetime.fromtimestamp(1_795_356_331.25, UTC)),
    ],
)
def test_times_are_read_in_the_forms_that_loggers_write(value: object, expected: datetime) -> None:
    assert times.parse(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, "", "yesterday", "12", 12, -5, 1e30, float("nan"), float("inf"), "inf"),
        *("2026-13-01T00:00:00Z", "2026-02-30 10:00:00", "2026-11-22T25:00:00Z", "nan"),
        *("2026-11-22T14:05:31Z and more", {"a": 1}, [1], "9" * 400, 10**400),
    ],
)
def test_what_is_no_time_is_none(value: object) -> None:
    assert times.parse(value) is None


def test_a_time_without_a_year_is_the_latest_that_is_not_in_the_future() -> None:
    now = datetime.now().astimezone()
    for days in (0, -1, -200, 5, 100):
        then = (now + timedelta(days=days)).replace(microsecond=0)
        if (then.month, then.day) == (2, 29):
            continue
        found = times.parse(then.strftime("%b %d %H:%M:%S"))
        assert found is not None
        assert found <= now + timedelta(days=1)
        assert found.astimezone().strftime("%m-%d") == then.strftime("%m-%d")
