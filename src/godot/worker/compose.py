"""What becomes one batch: entries decoded, told in runs, and the stream's counters.

A reading of the counters goes into the transaction of the records that were read with it: whoever
audits later compares what was ever added with what was settled until then. Every batch has one, so
that what is settled is counted, too, even if the stream comes back in an older state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from msgspec.structs import replace

from dewey_logs import Batch, EntryRun, LogRow, Reject
from godot.errors import StreamLost
from godot.stream.group import Consumer, Progress
from godot.stream.ids import StreamID
from godot.stream.replies import Entry
from godot.worker.decode import Decoder, receipt
from godot.worker.intake import Read


class Composer:
    """Makes batches of what was read."""

    def __init__(self, consumer: Consumer, decoder: Decoder, max_bytes: int) -> None:
        self._consumer = consumer
        self._decoder = decoder
        self._max_bytes = max_bytes
        self._another_stream = False

    def parts(self, reads: Sequence[Read]) -> Iterator[list[Read]]:
        """Cut what was read into transactions of bounded size; one large entry stands alone."""
        if sum(entry.size for read in reads for entry in read.entries) <= self._max_bytes:
            if reads:
                yield list(reads)
            return
        part: list[Read] = []
        room = self._max_bytes
        for read in reads:
            taken: list[Entry] = []
            for entry in read.entries:
                size = entry.size
                if size > room and (taken or part):
                    if taken:
                        part.append(replace(read, entries=taken))
                    yield part
                    part, taken, room = [], [], self._max_bytes
                taken.append(entry)
                room -= size
            if taken:
                part.append(replace(read, entries=taken))
        if part:
            yield part

    def batch(self, reads: Sequence[Read]) -> Batch:
        """Decode what was read into one transaction's worth."""
        rows: list[LogRow] = []
        rejects: list[Reject] = []
        runs: list[EntryRun] = []
        for read in reads:
            present = [entry for entry in read.entries if entry.raw]
            counts = self._deliveries(read, present)
            deliveries = [counts.get(e.id, 1) for e in present] if counts else [1] * len(present)
            for decoded in self._decoder.decode_all(present, deliveries):
                if isinstance(decoded, LogRow):
                    rows.append(decoded)
                else:
                    rejects.append(decoded)
            runs.extend(_runs(present, read.again))
            if len(present) < len(read.entries):
                runs.extend(EntryRun(e.id, e.id, 1, "vanished") for e in read.entries if e.trimmed)
        progress = self._progress(reads)
        holds = progress.present if progress and not self._another_stream else None
        if progress:
            self._another_stream = False
        again = any(read.again for read in reads)
        return Batch(
            stream=self._consumer.stream,
            rows=tuple(rows),
            rejects=tuple(rejects),
            dropped=tuple(found for row in rows if (found := receipt(row)) is not None),
            runs=tuple(runs),
            maybe_known=again,
            heed_clears=again,  # what was stored and removed since must not come back
            entries_added=progress.added if progress else None,
            last_generated=progress.last_generated if progress else None,
            first_entry=progress.first if progress else None,
            entries_present=holds,
            floor=progress.floor if progress else None,
        )

    def expect_another_stream(self) -> None:
        """Say with the next batch that the stream was found gone: it may be another one now."""
        self._another_stream = True

    def _progress(self, reads: Sequence[Read]) -> Progress | None:
        """Return what the stream counts, as late as it plainly is the one that was read from.

        We may have been stopped with entries in hand while another one was made. That one does not
        go on from what was counted before, or never had anything removed and no entry of ours.
        """
        before, now = reads[0].progress, reads[-1].progress or self._consumer.progress()
        if now is None:
            return None
        if before is not None and not now.goes_on_from(before):
            return before
        is_whole = now.added == now.present
        if is_whole and (now.first is None or reads[0].entries[0].id < now.first):
            return None
        return now

    def _deliveries(self, read: Read, present: Sequence[Entry]) -> Mapping[StreamID, int]:
        """Return how often entries were delivered, for the dead letters that some may become.

        New ones are not asked about. For the others it is one question, and nothing is pending for
        us when they are replayed or read without a group.
        """
        ids = [entry.id for entry in present] if read.again else []
        if read.deliveries is not None:
            return dict.fromkeys(ids, read.deliveries)
        with suppress(StreamLost):
            return self._consumer.deliveries(ids) if ids else {}
        return {}


def _runs(entries: Sequence[Entry], again: bool) -> Iterator[EntryRun]:
    if again:
        for entry in entries:
            yield EntryRun(entry.id, entry.id, 1, "again")
    elif entries:
        yield EntryRun(entries[0].id, entries[-1].id, len(entries))
