"""Counts kept beside the log: by minute, level and component, and by hour and pattern.

Counting a week of the big table takes seconds, summing its minutes a tenth of one. A batch appends
what it brought, in its own transaction and for the rows that were really inserted: two workers
never wait for the same row, and what is rolled back was never counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from dewey_logs.database import Connection
from dewey_logs.patterns import Patterns
from dewey_logs.rows import LogRow
from dewey_logs.statements import statement

MOST_KNOWN = 50_000  # patterns; forgotten all at once when there are more
MINUTE_US, HOUR_US, DAY_US = 60_000_000, 3_600_000_000, 86_400_000_000


class Template(NamedTuple):
    """A pattern that may be new to the database, and one record of it."""

    pattern: int
    template: str
    row: LogRow


class Rollups:
    """What one writer knows about patterns."""

    def __init__(self) -> None:
        self._patterns = Patterns()
        self._known: set[int] = set()
        self._day = 0

    def patterns(self, rows: Sequence[LogRow]) -> dict[bytes, int]:
        """Return id → pattern."""
        numbers = self._patterns.numbers([row.message for row in rows])
        return {row.id: number for row, number in zip(rows, numbers, strict=True)}

    def unknown(
        self, stored: Iterable[LogRow], patterns: Mapping[bytes, int], today: int
    ) -> list[Template]:
        """Return the patterns of these rows that this writer may not have told the database today.

        Maintenance removes those out of use, and a writer may not be needed for weeks. In the order
        of their numbers, or two writers with the same ones would deadlock.
        """
        if today != self._day:
            self._day = today
            self._known.clear()
        if self._known.issuperset(patterns.values()):
            return []
        new = {patterns[row.id]: row for row in stored if patterns[row.id] not in self._known}
        return [
            Template(pattern, self._patterns.template(row.message), row)
            for pattern, row in sorted(new.items(), key=lambda item: item[0])
        ]

    def forget(self) -> None:
        """Forget what the database knows: it may be another one, restored from a backup."""
        self._known.clear()

    def told(self, templates: Iterable[Template]) -> None:
        """Note what is committed; where every message is of its own kind, not for ever."""
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        self._known.update(template.pattern for template in templates)


def keep_patterns(connection: Connection, new: Sequence[Template]) -> None:
    """Tell the database of patterns that it may not know."""
    if new:
        parameters = {
            "patterns": [item.pattern for item in new],
            "templates": [item.template for item in new],
            "times_us": [item.row.created_at_us for item in new],
            "samples": "{" + ",".join(item.row.id.hex() for item in new) + "}",
        }
        connection.execute(statement("store_patterns"), parameters)


def deltas(stored: Sequence[LogRow], patterns: Mapping[bytes, int]) -> dict[str, object]:
    """Return what `settle` adds to the rollups: columns as arrays, one row each."""
    minutes: defaultdict[tuple[int, str, str], list[int]] = defaultdict(lambda: [0, 0])
    hours: defaultdict[tuple[int, int], int] = defaultdict(int)
    for row in stored:
        message = row.message
        size = len(message) if message.isascii() else len(message.encode())
        sums = minutes[row.created_at_us // MINUTE_US, row.level, row.component]
        sums[0] += 1
        sums[1] += size
        hours[row.created_at_us // HOUR_US, patterns[row.id]] += 1
    return {
        "minutes": [key[0] for key in minutes],
        "levels": [key[1] for key in minutes],
        "components": [key[2] for key in minutes],
        "records": [sums[0] for sums in minutes.values()],
        "bytes": [sums[1] for sums in minutes.values()],
        "hours": [key[0] for key in hours],
        "patterns": [key[1] for key in hours],
        "pattern_records": list(hours.values()),
    }
