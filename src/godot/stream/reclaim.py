"""Taking over what dead workers left, one page at a time.

A page scans at most ten times COUNT pending entries in id order. An empty page is not the end of
them: only the cursor 0-0 is, so the cursor is kept between pages and a failed call does not move
it. Sweeping in every loop by every worker would cost Redis more than the reading does, hence the
timer: a quarter of the idle time, with jitter so that workers do not march in step.

An entry may be why its worker died. The server counts deliveries, but a crash counts against every
neighbour in the batch, so that count alone would condemn the innocent. Pages are therefore claimed
with JUSTID, which leaves the counts as they are; entries below the limit are then delivered
together. An entry that reaches the limit becomes a suspect: its count starts again at SOLO, and it
is delivered alone, so that from there on the count says only how often it died alone. Those that
died alone least come first: one that kills at every start takes no turn from its neighbours.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from godot.stream.connection import ask
from godot.stream.group import Consumer
from godot.stream.ids import ZERO, StreamID
from godot.stream.outline import RECORD_ID
from godot.stream.replies import Entry, claimed, entries

RELEASE_FACTOR = 10
SOLO = 1_000_000  # where a suspect's count starts; no batch is delivered that often

CLAIM_UNREAD = f"""
{RECORD_ID}
local ours = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'JUSTID')
if #ours == 0 then return false end
return record_id(redis.call('XRANGE', KEYS[1], ARGV[4], ARGV[4])[1][2])
"""


class Suspect(msgspec.Struct, frozen=True):
    """An entry that may be what kills workers; `died_alone` times it did so by itself."""

    id: StreamID
    died_alone: int


class Page(msgspec.Struct, frozen=True):
    """What one page brought: entries delivered to us, and suspects.

    Entries without payload are among them: the server has forgotten them, the ledger must not.
    """

    entries: Sequence[Entry]
    suspects: Sequence[Suspect]


def died_alone(deliveries: int) -> int | None:
    """Return how often a suspect died alone, by the server's count; None when it is none.

    Nor is what has a count that only somebody's XCLAIM can have set.
    """
    return deliveries - SOLO if SOLO <= deliveries < 2 * SOLO else None


class Sweep:
    """The state of one worker's sweep: cursor and timer."""

    def __init__(
        self,
        consumer: Consumer,
        *,
        min_idle_ms: int,
        max_deliveries: int,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.consumer = consumer
        self.min_idle_ms = min_idle_ms
        self.max_deliveries = max_deliveries
        self._clock = clock
        self._jitter = jitter
        self._cursor = ZERO
        self._next = clock() + jitter(0.0, min_idle_ms / 4000)

    @property
    def due(self) -> bool:
        return self._clock() >= self._next

    def page(self, count: int) -> Page:
        """Claim one page; the next is due at once until the cursor comes round to 0-0."""
        me = self.consumer
        cursor, ids, purged = claimed(
            ask(
                me.client,
                *("XAUTOCLAIM", me.stream, me.group, me.name, self.min_idle_ms),
                *(str(self._cursor), "COUNT", count, "JUSTID"),
            )
        )
        self._cursor = cursor
        if cursor == ZERO:
            self._next = self._clock() + self.min_idle_ms / 4000 * self._jitter(0.75, 1.25)
        if not ids:
            return Page(_hollow(purged), ())
        counts = me.deliveries(ids)
        alone = {i: n for i in ids if (n := died_alone(counts.get(i, 0))) is not None}
        new = [i for i in ids if counts.get(i, 0) >= self.max_deliveries and i not in alone]
        suspects = [Suspect(i, 0) for i in new]
        for i in ids:
            if i in alone:
                suspects.append(Suspect(i, alone[i]))
                me.release([i], self.min_idle_ms * RELEASE_FACTOR, counts[i])
        me.release(new, self.min_idle_ms * RELEASE_FACTOR, SOLO)
        suspects.sort(key=lambda suspect: suspect.died_alone)
        known = {suspect.id for suspect in suspects}
        normal = [i for i in ids if i not in known]
        delivered = self._claim(normal, 0)
        gone = set(normal).difference(entry.id for entry in delivered).union(purged)
        return Page([*delivered, *_hollow(gone)], suspects)

    def claim_alone(self, suspect: Suspect) -> Entry | None:
        """Have one suspect delivered to us, unless a peer has taken it meanwhile."""
        found = self._claim([suspect.id], self.min_idle_ms)
        return found[0] if found else None

    def claim_unread(self, suspect: Suspect) -> Entry | None:
        """Take one suspect over with no more than its record id, unless a peer has it."""
        return claim_unread(self.consumer, suspect.id, self.min_idle_ms)

    def _claim(self, ids: Sequence[StreamID], min_idle_ms: int) -> list[Entry]:
        if not ids:
            return []
        me = self.consumer
        return entries(
            ask(
                me.client,
                *("XCLAIM", me.stream, me.group, me.name, min_idle_ms),
                *[str(i) for i in ids],
            )
        )


def claim_unread(me: Consumer, one: StreamID, min_idle_ms: int) -> Entry | None:
    """Take an idle entry over with no more than its record id; None when a peer has it.

    For what kills whoever receives it: its payload may be larger than our memory.
    """
    raw = ask(
        me.client,
        *("EVAL", CLAIM_UNREAD, 1, me.stream, me.group, me.name, min_idle_ms, str(one)),
    )
    if raw is None:
        return None
    return Entry(one, (b"id", raw) if raw else ())


def _hollow(ids: Iterable[StreamID]) -> list[Entry]:
    return [Entry(i, ()) for i in sorted(ids)]
