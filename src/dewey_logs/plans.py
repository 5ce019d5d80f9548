"""Plans that the planner must not think of, for one statement.

It knows how much there is of what, not where: it takes everything to be spread evenly over time.
Where we know better we leave it only the plan whose worst case we can bear.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal

from dewey_logs import sizes
from dewey_logs.database import Connection
from dewey_logs.filters import Conditions
from dewey_logs.statements import filled_in, statement

Row = tuple[Any, ...]
Named = Literal["component", "trace_id"]  # an index begins with each

BITMAPS_ONLY = ("enable_seqscan", "enable_indexscan", "enable_indexonlyscan")
SLICES_ONLY = ("enable_seqscan",)  # a slice is a part of a partition, never all of it
WALKS_ONLY = ("enable_seqscan", "enable_bitmapscan", "enable_sort")


@contextmanager
def without(connection: Connection, plans: tuple[str, ...]) -> Iterator[None]:
    """Leave these plans out inside a transaction; one that fails is over anyway."""
    if plans:
        _set(connection, plans, "off")
    yield
    if plans:
        _set(connection, plans, "on")


def fetch_few(
    connection: Connection,
    matching: Conditions,
    following: Conditions,
    rows: int,
    *,
    newest_first: bool,
    minutes: Sequence[datetime] = (),
) -> list[Row]:
    """Return a page of what is few, or of some minutes: all through an index, sorted."""
    query = filled_in(
        statement("page_of_minutes" if minutes else "page_of_few"),
        matching=matching.where,
        following=following.where,
        order="DESC" if newest_first else "ASC",
    )
    more = {"rows": rows, "minutes": list(minutes), "bytes": sizes.MAX_BYTES}
    values = {**matching.values, **following.values, **more}
    with without(connection, BITMAPS_ONLY):
        return connection.execute(query, values).fetchall()


def walk_names(
    connection: Connection,
    column: Named,
    names: Sequence[str],
    matching: Conditions,
    following: Conditions,
    rows: int,
    *,
    newest_first: bool,
) -> list[Row]:
    """Return a page of what components, or traces, wrote, each in the order of its own index.

    That reads no more than the rows of every one, wherever they lie; `matching` says nothing of
    that column.
    """
    query = filled_in(
        statement("page_by_name"),
        column=column,
        matching=matching.where,
        following=following.where,
        order="DESC" if newest_first else "ASC",
    )
    more = {"rows": rows, "names": sorted(set(names)), "bytes": sizes.MAX_BYTES}
    values = {**matching.values, **following.values, **more}
    with without(connection, WALKS_ONLY):
        return connection.execute(query, values).fetchall()


def _set(connection: Connection, plans: tuple[str, ...], value: str) -> None:
    chosen = {"names": list(plans), "values": [value] * len(plans)}
    connection.execute(statement("set_locally"), chosen)
