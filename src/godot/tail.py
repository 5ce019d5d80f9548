"""The newest records and those that follow, as one sequence without gap or repeat.

History comes from the store, live records from the stream, and between the two lies what is in the
stream but not stored yet. So the stream is read from its oldest unsettled entry on, the store is
asked after that position was taken, and equal record ids are one record. What a worker settles in
between is found twice and shown once; nothing is found not at all.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from dewey_logs import BadFilter, LogFilter, LogRecordView, LogRow, Store, matcher
from godot.settings import Settings
from godot.stream import snapshot
from godot.stream.follow import Follower
from godot.stream.ids import ZERO, StreamID
from godot.stream.replies import Entry
from godot.stream.snapshot import StreamSnapshot
from godot.worker.decode import Decoder

PAGE = 1_000
LATE_S = 0.5  # whoever reads quicker than that misses nothing
MAX_PAGES = 10  # looked through for history that is kept
REMEMBERED_IDS = 50_000  # a retried XADD puts a record into the stream twice, seconds apart
ANY_TIME_S = 100 * 365 * 86_400  # without a store nobody knows its window: no time is out of it
Keep: TypeAlias = Callable[[LogRecordView], bool]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Tail:
    """One look at the end of the log; call `history` once, then `live` for as long as wanted.

    `store` may be None: then history is what the stream still holds. `wanted` filters both alike,
    as far as dewey_logs.matching can; it has no regex. Of what it lets through `keep` has the last
    word. `undecodable` counts the entries that are no records, `missed` those that were trimmed
    before they could be read here. Raises BadFilter, and StreamUnavailable when Redis is away.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store | None,
        wanted: LogFilter,
        keep: Keep | None = None,
    ) -> None:
        if wanted.cursor is not None:
            raise BadFilter("tail begins with the newest records: it takes no cursor")
        self.undecodable = self.missed = 0
        self._settings = settings
        self._store = store
        self._wanted = wanted
        self._keep = keep
        self._fits = matcher(wanted)
        self._decoder = _decoder(settings, store)
        self._shown: dict[bytes, None] = {}
        self._follower = Follower(settings)
        self._behind = False
        self._due = 0.0

    def history(self) -> list[LogRecordView]:
        """Return the newest `wanted.limit` records, oldest first."""
        last = self._wanted.limit
        if not last:
            return []
        start = ZERO if self._store is None else unsettled_from(snapshot.take(self._settings))
        unsettled = chain.from_iterable(
            map(self._views, self._between(start, self._follower.position))
        )
        found = {uuid.UUID(record.id).bytes: record for record in deque(unsettled, last)}
        if self._store is not None:
            stored = newest(self._store, self._wanted, self._keep)
            found |= {uuid.UUID(record.id).bytes: record for record in stored}
        for record_id in found:
            self._remember(record_id)
        ordered = sorted(found.items(), key=lambda item: (item[1].created_at, item[0]))
        return [record for _, record in ordered[-last:]]

    def live(self, block_ms: int) -> list[LogRecordView]:
        """Return what came since the last call; wait at most `block_ms` for the first."""
        if self._behind or time.monotonic() >= self._due:  # trimming may have been quicker
            self.missed += self._follower.missed()
        entries = self._follower.read(block_ms, PAGE)
        self._behind = len(entries) == PAGE
        self._due = time.monotonic() + LATE_S
        return list(self._views(entries, new=True))

    def _remember(self, record_id: bytes) -> bool:
        """Say whether a record is new here."""
        if record_id in self._shown:
            return False
        self._shown[record_id] = None
        if len(self._shown) > REMEMBERED_IDS:
            del self._shown[next(iter(self._shown))]
        return True

    def _views(self, entries: Sequence[Entry], *, new: bool = False) -> Iterator[LogRecordView]:
        """Yield the records among entries that are wanted, and if `new` only those not shown."""
        there = [entry for entry in entries if not entry.trimmed]
        for row in self._decoder.decode_all(there, [1] * len(there)):
            if not isinstance(row, LogRow):
                self.undecodable += 1
            elif self._fits(row) and (not new or self._remember(row.id)):
                view = view_of(row)
                if self._keep is None or self._keep(view):
                    yield view

    def _between(self, start: StreamID, end: StreamID) -> Iterator[list[Entry]]:
        """Read the entries after `start`, up to and with `end`, a page at a time."""
        with Follower(self._settings, after=start) as earlier:
            while earlier.position < end:
                entries = earlier.read(1, PAGE)
                if not entries:
                    return
                yield [entry for entry in entries if entry.id <= end]

    def close(self) -> None:
        self._follower.close()

    def __enter__(self) -> Tail:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def newest(store: Store, wanted: LogFilter, keep: Keep | None = None) -> list[LogRecordView]:
    """Return the newest `wanted.limit` stored records that are kept, the newest first.

    Where most are not kept, it looks through the newest ten thousand that match, and no further.
    """
    if not wanted.limit:
        return []
    wanted = replace(wanted, order="desc")
    if keep is None:
        return list(store.query(wanted).rows)
    found: list[LogRecordView] = []
    asked = replace(wanted, limit=PAGE)
    for _ in range(MAX_PAGES):
        page = store.query(asked)
        found += filter(keep, page.rows)
        if len(found) >= wanted.limit or page.next_cursor is None:
            break
        asked = replace(asked, cursor=page.next_cursor)
    return found[: wanted.limit]


def unsettled_from(now: StreamSnapshot) -> StreamID:
    """Return a position before every entry that may not be stored yet."""
    group = now.group
    if group.last_delivered_id is None:
        return ZERO
    if group.pending_since_ms is None:
        return group.last_delivered_id
    return min(group.last_delivered_id, StreamID(group.pending_since_ms - 1, 2**64 - 1))


def view_of(row: LogRow) -> LogRecordView:
    """Return a row as it would come back from the store."""
    at = EPOCH + timedelta(microseconds=row.created_at_us)
    return LogRecordView(
        id=str(uuid.UUID(bytes=row.id)),
        created_at=at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        component=row.component,
        level=row.level,
        message=row.message,
        trace_id=row.trace_id,
        data=msgspec.json.decode(row.data, type=dict[str, object]) if row.data else None,
    )


def _decoder(settings: Settings, store: Store | None) -> Decoder:
    if store is None:
        return Decoder(settings.stream, back_s=ANY_TIME_S, ahead_s=ANY_TIME_S)
    window = store.window()
    return Decoder(settings.stream, back_s=window.back_seconds, ahead_s=window.ahead_seconds)
