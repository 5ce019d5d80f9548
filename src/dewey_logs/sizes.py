"""How much one answer may bring: a thousand records of a quarter of a megabyte would kill a reader.

PostgreSQL leaves message and data out of what does not fit, so that neither side has to hold it;
the key is there all the same and says that there is more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dewey_logs.rows import LogRecordView

MAX_BYTES = 16 * 2**20  # of messages and data, as text


def fitting(rows: Sequence[Sequence[Any]]) -> tuple[LogRecordView, ...]:
    """Return the first of these rows of the statement `shown`: one, and as many more as fit."""
    views: list[LogRecordView] = []
    so_far = 0
    for *record, n_bytes in rows:
        so_far += n_bytes
        if views and (record[4] is None or so_far > MAX_BYTES):
            break
        views.append(LogRecordView(*record))
    return tuple(views)
