"""Where a page ended, as one opaque word.

It holds the key of the last row, not a number of rows: what arrives meanwhile neither repeats nor
hides one. It also holds what `-1h` meant on the first page, or the window would slide between two
pages, and the count, which is the dearest part of a page. A hash of the filter refuses a cursor
that belongs to another query.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import datetime
from typing import Annotated

import msgspec

from dewey_logs.errors import BadFilter
from dewey_logs.filters import LogFilter
from dewey_logs.times import EPOCH, check_year, from_micros, micros


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """The last row's key (microseconds, id), the bounds in microseconds, and the count so far."""

    filter_hash: bytes
    at_us: int
    id: bytes
    since_us: int | None
    until_us: int | None
    matched: Annotated[int, msgspec.Meta(ge=0)]
    matched_capped: bool

    @property
    def at(self) -> datetime:
        return from_micros(self.at_us)

    @property
    def bounds(self) -> tuple[datetime | None, datetime | None]:
        return _moment(self.since_us), _moment(self.until_us)


_decoder = msgspec.msgpack.Decoder(Cursor)


def make_cursor(
    wanted: LogFilter,
    last: tuple[datetime, bytes],
    bounds: tuple[datetime | None, datetime | None],
    matched: int,
    matched_capped: bool,
) -> str:
    """Return the cursor of the page that follows the row with this time and id."""
    since, until = bounds
    cursor = Cursor(
        filter_hash=hash_of(wanted),
        at_us=micros(last[0]),
        id=last[1],
        since_us=None if since is None else micros(since),
        until_us=None if until is None else micros(until),
        matched=matched,
        matched_capped=matched_capped,
    )
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).rstrip(b"=").decode()


def read_cursor(wanted: LogFilter) -> Cursor | None:
    """Return the filter's cursor; raises BadFilter for a broken one and for another query's."""
    if wanted.cursor is None:
        return None
    try:
        padded = wanted.cursor.encode() + b"=" * (-len(wanted.cursor) % 4)
        cursor = _decoder.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
        if len(cursor.id) != 16:
            raise ValueError
        for moment in (cursor.at, *cursor.bounds):
            check_year("cursor", moment or EPOCH)
    except (BadFilter, ValueError, OverflowError, msgspec.MsgspecError, binascii.Error):
        raise BadFilter("cursor is damaged: take next_cursor of the page before as it is") from None
    if not _belongs(cursor, wanted):
        raise BadFilter("cursor belongs to another query: repeat the same filter, or leave it out")
    return cursor


def _belongs(cursor: Cursor, wanted: LogFilter) -> bool:
    try:
        return cursor.filter_hash == hash_of(wanted)
    except (TypeError, ValueError, RecursionError):  # no JSON, so it never had a page
        return False


def _moment(us: int | None) -> datetime | None:
    return None if us is None else from_micros(us)


def hash_of(wanted: LogFilter) -> bytes:
    """Return what tells a filter from another one, whatever its limit and cursor."""
    same = msgspec.structs.replace(wanted, limit=0, cursor=None)
    return hashlib.blake2b(msgspec.json.encode(same, order="sorted"), digest_size=8).digest()
