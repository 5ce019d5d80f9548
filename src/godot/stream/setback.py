"""Whether the stream still stands by what its counter said, or came back in an older state.

Redis may lose the end of its log, a replica that lagged may take over, a dump be restored: then the
stream counts less than the ledger knows, and only an entry that is missing tells so. Hence every
reading of the counter is held against the stream after a later one was committed, and so is the
one that it found in the ledger, whose worker may be dead. That costs a look at one id a batch: not
at an entry, for one larger than our memory would kill us.
"""

from __future__ import annotations

from collections.abc import Callable

from dewey_logs import Batch, Checkpoint, DeweyError, SetBack, WriteResult
from godot.stream.group import Consumer
from godot.stream.ids import StreamID
from godot.stream.outline import PAGE, entry_ids


class Readings:
    """What the counter said and nobody has looked at since; `tell` is Store.set_back."""

    def __init__(self, consumer: Consumer, tell: Callable[[SetBack], bool]) -> None:
        self._consumer = consumer
        self._tell = tell
        self._newest: Checkpoint | None = None
        self._due: dict[tuple[int, int], Checkpoint] = {}

    def committed(self, batch: Batch, result: WriteResult) -> None:
        """Note what a batch was read with, and the checkpoint that it found."""
        if batch.entries_added is None or batch.last_generated is None:
            return
        ms, seq = batch.last_generated
        now, last = Checkpoint(batch.entries_added, (ms, seq)), self._newest
        for one in (last, result.checkpoint):
            if one is not None and one.last != now.last:
                self._due[one.last] = one
        if last is not None and now.last < last.last:  # read ahead, and committed later
            self._due[now.last] = now
        self._newest = now

    def check(self) -> None:
        """Look at what is due; where nothing came afterwards yet, look again the next time.

        Safe to repeat, so what the store cannot be told now stays due. Raises StreamUnavailable.
        """
        for one in list(self._due.values()):
            if not self._stands(one):
                after = self._after(one)
                if not after:
                    continue
                found = self._set_back(one, after)
                if found is not None:
                    try:
                        self._tell(found)
                    except DeweyError:
                        return
            del self._due[one.last]

    def _stands(self, known: Checkpoint) -> bool:
        """Say whether its last entry is there, or nothing older is: then it was trimmed."""
        below = self._below(known)
        return below is None or below == known.last

    def _below(self, known: Checkpoint) -> StreamID | None:
        """Return the newest entry that is no later than a reading."""
        found = self._range("XREVRANGE", str(StreamID(*known.last)), "-", 1)
        return found[0] if found else None

    def _after(self, known: Checkpoint) -> list[StreamID]:
        return self._range("XRANGE", f"({StreamID(*known.last)}", "+", 1)

    def _set_back(self, known: Checkpoint, after: list[StreamID]) -> SetBack | None:
        """Count what came after a reading; the rest of the counter is what it counts up to there.

        None: the last entry was only deleted, or all there was of then is trimmed by now.
        """
        progress = self._consumer.progress()
        if progress is None:
            return None
        last = known.last
        since = 0
        while page := self._range("XRANGE", f"({StreamID(*last)}", str(progress.last_generated)):
            since += len(page)
            last = page[-1]
        low = self._below(known)  # while it is there nothing that was counted can have been trimmed
        added = progress.added - since
        if low is None or added >= known.added:
            return None
        now = Checkpoint(progress.added, progress.last_generated)
        return SetBack(self._consumer.stream, known, low, after[0], added, now)

    def _range(self, command: str, start: str, end: str, count: int = PAGE) -> list[StreamID]:
        return entry_ids(self._consumer.client, command, self._consumer.stream, start, end, count)
