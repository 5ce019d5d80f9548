"""Settling by hand what workers left: `claim` takes over idle entries, `ack` gives entries up.

Both look first and do then, so that a person sees a plan. Neither acknowledges anything that is
not committed: what `claim` takes over goes the worker's way, and what `ack` strikes off is a dead
letter before.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from dewey_logs import Batch, DeweyError, EntryRun, Store
from godot.errors import GodotError
from godot.settings import Settings
from godot.stream.connection import close, connect, translated
from godot.stream.group import Consumer
from godot.stream.ids import StreamID
from godot.stream.keys import stream_key
from godot.stream.outline import present
from godot.stream.pending import Pending, payloads, pending, pending_among, take_over
from godot.stream.reclaim import RELEASE_FACTOR, SOLO, claim_unread
from godot.stream.replies import Entry
from godot.stream.setback import Readings
from godot.worker.assemble import Tally, pipeline
from godot.worker.batch import Pipeline
from godot.worker.decode import Decoder
from godot.worker.intake import Read
from godot.worker.loop import SOLO_DEATHS, UNREAD_DEATHS


class ClaimPlan(msgspec.Struct, frozen=True):
    """Idle entries by what is to be done with them: settled together, one by one, named as lost."""

    settle: tuple[StreamID, ...]
    suspects: tuple[Pending, ...]
    without_payload: tuple[StreamID, ...]

    @property
    def total(self) -> int:
        return len(self.settle) + len(self.suspects) + len(self.without_payload)


class AckPlan(msgspec.Struct, frozen=True):
    """What a person named: entries to be given up, those without payload, those not pending."""

    entries: tuple[Pending, ...]
    without_payload: tuple[StreamID, ...]
    not_pending: tuple[StreamID, ...]


class Claimed(msgspec.Struct, frozen=True):
    """What a claim did: entries settled, and what their records became."""

    entries: int
    condemned: int
    without_payload: int
    tally: Tally


class Repair:
    """A connection to the stream for the length of one command."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = connect(settings)
        self._stream = stream_key(settings.stream)

    def pending(self, min_idle_ms: int = 0) -> Iterator[Pending]:
        """Yield what is delivered and not acknowledged, oldest first."""
        return pending(self._client, self._stream, self._settings.group, min_idle_ms=min_idle_ms)

    def now_ms(self) -> int:
        """Return the server's time, which is in the ids of entries: ours may differ."""
        with translated(self._client):
            seconds, micros = self._client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def payloads(self, ids: Sequence[StreamID]) -> dict[StreamID, Entry]:
        """Return those of the entries that the stream still holds."""
        return payloads(self._client, self._stream, ids)

    def plan_claim(self, min_idle_ms: int) -> ClaimPlan:
        """Look for entries that nobody has touched for so long."""
        found = list(self.pending(min_idle_ms))
        there = present(self._client, self._stream, [item.id for item in found])
        return ClaimPlan(
            tuple(i.id for i in found if i.id in there and not self.suspected(i)),
            # one that kills at every try takes no turn from its neighbours
            tuple(
                sorted((i for i in found if i.id in there and self.suspected(i)), key=_died_alone)
            ),
            tuple(i.id for i in found if i.id not in there),
        )

    def suspected(self, item: Pending) -> bool:
        """Say whether an entry has been delivered so often that it may be what kills workers."""
        return item.died_alone is not None or item.deliveries >= self._settings.max_deliveries

    def claim(
        self,
        plan: ClaimPlan,
        store: Store,
        min_idle_ms: int,
        progress: Callable[[int], None] = lambda entries: None,
    ) -> Claimed:
        """Carry the plan out; entries that a worker was quicker with are left to it.

        A suspect goes alone, and one that has crashed everybody who had it alone becomes a dead
        letter, by the worker's own rule. Raises what the store raises: whatever is not committed
        is given back then, to be claimed again at once.
        """
        tally = Tally()
        done = condemned = 0
        with (
            self._consumer() as consumer,
            pipeline(self._settings, consumer, store, tally) as settling,
        ):
            for ids in _portions(plan.without_payload, self._settings.batch_size):
                settling.settle([Read([Entry(one, ()) for one in ids], again=True)])
                progress(len(ids))
            for ids in _portions(plan.settle, self._settings.batch_size):
                entries = take_over(consumer, ids, min_idle_ms)
                if entries:
                    settling.settle([Read(entries, again=True)])
                done += len(entries)
                progress(len(ids))
            for suspect in plan.suspects:
                entry = _taken(consumer, suspect, min_idle_ms)
                if entry is not None:
                    condemned += self._settle_suspect(settling, entry, suspect)
                    done += 1
                progress(1)
        return Claimed(done, condemned, len(plan.without_payload), tally)

    def _settle_suspect(self, settling: Pipeline, entry: Entry, suspect: Pending) -> bool:
        before = self._deliveries(suspect)
        if _died_alone(suspect) >= SOLO_DEATHS:
            settling.condemn(entry, before, unread=_kills_unread(suspect))
            return True
        settling.settle([Read([entry], again=True, deliveries=before + 1)])
        return False

    def _deliveries(self, item: Pending) -> int:
        """Return how often an entry was delivered, the times before it was suspected included."""
        if item.died_alone is None:
            return item.deliveries
        return self._settings.max_deliveries + item.died_alone

    def plan_ack(self, ids: Sequence[StreamID]) -> AckPlan:
        """Look at the entries a person named."""
        wanted = sorted(set(ids))
        found = pending_among(self._client, self._stream, self._settings.group, wanted)
        there = present(self._client, self._stream, list(found))
        return AckPlan(
            tuple(found[one] for one in wanted if one in there),
            tuple(one for one in wanted if one in found and one not in there),
            tuple(one for one in wanted if one not in found),
        )

    def acknowledge(self, plan: AckPlan, store: Store, reason: str) -> int:
        """Make a dead letter of each entry, commit, then acknowledge; return how many were pending.

        An entry without payload has nothing to keep: it is entered as vanished, which is a loss.
        """
        there = self.payloads([item.id for item in plan.entries])
        decoder = _decoder(self._stream, store)
        rejects = [
            decoder.reject(
                there[item.id], f"acknowledged by hand: {reason}", self._deliveries(item)
            )
            for item in plan.entries
            if item.id in there
        ]
        vanished = [*plan.without_payload, *(i.id for i in plan.entries if i.id not in there)]
        consumer = Consumer(self._client, self._stream, self._settings.group, _name())
        progress = consumer.progress()
        batch = Batch(
            stream=self._stream,
            rejects=tuple(rejects),
            runs=(
                *(EntryRun(one, one, 1, "again") for one in there),
                *(EntryRun(one, one, 1, "vanished") for one in vanished),
            ),
            maybe_known=True,
            entries_added=progress.added if progress else None,
            last_generated=progress.last_generated if progress else None,
            first_entry=progress.first if progress else None,
            entries_present=progress.present if progress else None,
        )
        readings = Readings(consumer, store.set_back)
        readings.committed(batch, store.write(batch))
        acknowledged = consumer.acknowledge([*there, *vanished])
        readings.check()
        return acknowledged

    @contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        """Give a consumer that leaves no trace: what it still holds is free for others at once."""
        consumer = Consumer(self._client, self._stream, self._settings.group, _name())
        # that we give up is no evidence against anything: their counts start again
        deliveries: int | None = 0
        try:
            yield consumer
        except (GodotError, DeweyError, KeyboardInterrupt):
            raise
        except BaseException:
            deliveries = None
            raise
        finally:
            held = consumer.held(10_000)
            consumer.release(held, self._settings.reclaim_idle_ms * RELEASE_FACTOR, deliveries)
            if not held:
                consumer.leave()

    def prune(self, group: str, min_idle_ms: int) -> int:
        """Delete a group's consumers that hold nothing and were silent so long; return how many."""
        return Consumer(self._client, self._stream, group, _name()).bury(min_idle_ms)

    def close(self) -> None:
        close(self._client)

    def __enter__(self) -> Repair:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _name() -> str:
    return f"repair:{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def _died_alone(suspect: Pending) -> int:
    return suspect.died_alone or 0


def _kills_unread(suspect: Pending) -> bool:
    return _died_alone(suspect) >= UNREAD_DEATHS


def _taken(consumer: Consumer, suspect: Pending, min_idle_ms: int) -> Entry | None:
    """Take a suspect over, unread where it kills whoever receives it; a peer may be quicker.

    Should it kill us, too, it did so alone.
    """
    if _kills_unread(suspect):
        return claim_unread(consumer, suspect.id, min_idle_ms)
    alone = SOLO + _died_alone(suspect) + 1
    return next(iter(take_over(consumer, [suspect.id], min_idle_ms, alone)), None)


def _portions(ids: Sequence[StreamID], size: int) -> Iterator[Sequence[StreamID]]:
    for at in range(0, len(ids), size):
        yield ids[at : at + size]


def _decoder(stream: str, store: Store) -> Decoder:
    window = store.window()
    return Decoder(stream, back_s=window.back_seconds, ahead_s=window.ahead_seconds)
