"""What was stored since last time: in the order of commits, not of the records' own times.

A record's time says when it was made; it may come seconds later, after others that are younger, and
a position in time would pass it over. So a cursor holds a snapshot of the database: whatever is
visible now and was not then has arrived in between, exactly once. That is decided row by row, so
only records of the last minute before the cursor are looked at; what comes later than that is for
`query`.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from dewey_logs import sizes
from dewey_logs.answers import Arrivals
from dewey_logs.budget import ask, asking
from dewey_logs.cursors import hash_of
from dewey_logs.database import Connection
from dewey_logs.errors import BadFilter
from dewey_logs.filters import LogFilter, check_paging, conditions
from dewey_logs.sizes import fitting
from dewey_logs.times import check_year, from_micros, micros

LATE = timedelta(minutes=1)
MAX_SNAPSHOT_CHARS = 20_000  # a number for each transaction that was running
_SNAPSHOT = re.compile(r"\d{1,19}:\d{1,19}:(?:\d{1,19}(?:,\d{1,19})*)?", re.ASCII)


class Position(msgspec.Struct, frozen=True, array_like=True):
    """What was known when (microseconds); while a list of arrivals is being read, also its end and
    the key of the last one read."""

    filter_hash: bytes
    known: str
    at_us: int
    end: str | None = None
    end_us: int = 0
    last_us: int | None = None
    last_id: bytes | None = None


_decoder = msgspec.msgpack.Decoder(Position)


def arrivals(connection: Connection, wanted: LogFilter) -> Arrivals:
    """Return what arrived since `wanted.cursor`, oldest first; nothing, and a cursor, without one.

    The filter speaks of no time. Raises BadFilter, QueryTimeout, Unavailable or SchemaProblem.
    """
    began = time.perf_counter()
    check_paging(wanted)
    if wanted.since or wanted.until or wanted.order != "desc":
        raise BadFilter("what arrives begins now: it takes no since, until or order")
    matching = conditions(wanted, None, None)
    position = None if wanted.cursor is None else _read(wanted, wanted.cursor)
    with asking(connection, "narrow component, or use search instead of contains or regex"):
        [(snapshot, now)] = ask(connection, "snapshot_now")
        if position is None:
            found = []
            position = Position(hash_of(wanted), snapshot, micros(now))
        else:
            found = ask(
                connection,
                "arrivals",
                matching,
                order="asc",
                since=from_micros(position.at_us) - LATE,
                known=position.known,
                end=position.end,
                at=None if position.last_us is None else from_micros(position.last_us),
                key=None if position.last_id is None else UUID(bytes=position.last_id),
                rows=wanted.limit + 1,
                bytes=sizes.MAX_BYTES,
            )
    rows = fitting(found[: wanted.limit])
    truncated = len(rows) < len(found)
    end, end_us = position.end or snapshot, position.end_us if position.end else micros(now)
    if truncated:
        last = datetime.fromisoformat(rows[-1].created_at), UUID(rows[-1].id).bytes
        following = msgspec.structs.replace(
            position, end=end, end_us=end_us, last_us=micros(last[0]), last_id=last[1]
        )
    else:
        following = Position(position.filter_hash, end, end_us)
    return Arrivals(
        rows=rows,
        returned=len(rows),
        truncated=truncated,
        next_cursor=_written(following),
        matched=len(rows),
        matched_capped=truncated,
        strategy="arrivals",
        took_ms=(time.perf_counter() - began) * 1000,
    )


def _written(position: Position) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(position)).rstrip(b"=").decode()


def _read(wanted: LogFilter, cursor: str) -> Position:
    """Return the position of a cursor; raises BadFilter for a broken one and another filter's."""
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        found = _decoder.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
        for snapshot in (found.known, found.end or found.known):
            if len(snapshot) > MAX_SNAPSHOT_CHARS or not _SNAPSHOT.fullmatch(snapshot):
                raise ValueError
        if found.last_id is not None and len(found.last_id) != 16:
            raise ValueError
        for us in (found.at_us, found.end_us, found.last_us or 0):
            check_year("cursor", from_micros(us))
    except (BadFilter, ValueError, OverflowError, msgspec.MsgspecError, binascii.Error):
        raise BadFilter("cursor is damaged: take next_cursor of the call before as it is") from None
    if found.filter_hash != hash_of(wanted):
        raise BadFilter("cursor belongs to another filter: repeat the same one, or leave it out")
    return found
