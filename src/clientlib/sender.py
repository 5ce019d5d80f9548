"""The one thread that talks to Redis: it takes, numbers, packs, sends, and answers for the rest.

What becomes of a record
- It is taken from the intake within 20 ms (at once when there is much), given the next sequence
  number and its id, redacted, cleaned and packed. From then on its bytes never change.
- It stays in the outbox until Redis has answered its XADD. A broken connection, a missing answer
  and any error answer (full, read-only, no right, wrong type …) leave it there, and it is sent
  again as it is: the id makes a second arrival harmless.
- The first failure begins an outage: one warning on stderr, and every record that waits or comes is
  printed on stdout, once. Delivery is tried again after 0.1 s, doubling up to 5 s, with jitter. The
  outage ends when a whole batch was taken: one notice on stderr; what still waits is sent.
- During an outage the outbox keeps the newest records, within GODOT_BUFFER_RECORDS and
  GODOT_BUFFER_BYTES; older ones are dropped. The intake in front has the same bounds, so for a
  moment twice as much can be held; it fills only when the thread itself is held up (waiting up to
  2 s for an answer), and then refuses the newest: those are counted but not printed.
- Whatever is dropped is counted by reason, and its numbers stand in a receipt that is sent before
  the next record. A receipt that is lost is told again.

One thread, no lock shared with callers. Nothing here is called by a caller except `flush`, `close`
and `stats`.
"""

from __future__ import annotations

import _thread
import os
import random
import socket
import threading
import time
from collections.abc import Callable

import msgspec

from clientlib.buffer import SHUTDOWN, UNREADABLE, Drops, Intake
from clientlib.fallback import Printer, say
from clientlib.framing import Framer, Parcel, Snapshot, Source, bulk
from clientlib.identity import Producer
from clientlib.outbox import NO_REPLY, Outbox, Receipt
from clientlib.record import timestamp
from clientlib.transport import Transport

LINGER_S = 0.02
MAX_TAKEN = 500
MAX_RANGES = 500  # in one receipt: about 12 KB
FIRST_RETRY_S, LAST_RETRY_S = 0.1, 5.0
HURRIED_RETRY_S = 0.25  # while somebody waits in flush
LAST_WORDS_S = 0.4  # beyond the deadline, to print what was not sent
FAILURES_AT_EXIT = 2
VERSION = "0.1.0"


class SenderSettings(msgspec.Struct, frozen=True):
    """What makes two loggers share one sender."""

    redis_url: str
    stream: str
    maxlen: int
    buffer_records: int
    buffer_bytes: int


class ClientStats(msgspec.Struct, frozen=True):
    """What one process's client did so far.

    `state` is idle (nothing logged yet), delivering or outage. `queued` and `waiting` are records
    on their way; `dropped` counts by reason.
    """

    state: str
    producer: str
    queued: int
    waiting: int
    sent: int
    printed: int
    redacted: int
    outages: int
    dropped: dict[str, int]


class Backoff:
    """Waiting times that double, with jitter so that a fleet does not return at once."""

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self._jitter = jitter
        self.failures = 0

    def next_s(self) -> float:
        delay_s = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(self.failures, 10))
        self.failures += 1
        return delay_s * (0.5 + self._jitter() / 2)


class Mark:
    """A caller's wish to know when everything logged before it is settled."""

    def __init__(self, slots_before: int, dropped_before: int, max_failures: int) -> None:
        self.slots_before = slots_before
        self.dropped_before = dropped_before
        self.failures_left = max_failures
        self.position: int | None = None  # in the outbox, once the intake is taken that far
        self.delivered = False
        self.done = threading.Event()


class Sender:
    """One process's way to one stream; shared by all loggers with the same settings."""

    def __init__(self, settings: SenderSettings, on_start: Callable[[], None]) -> None:
        self.settings = settings
        self._on_start = on_start
        self._starting = threading.Lock()
        self._source: Source | None = None  # of the last record: a receipt speaks for it
        self._component = "-"
        self.intake = Intake(settings.buffer_records, settings.buffer_bytes, self._start)
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Set everything up that belongs to one process: at construction and after a fork."""
        settings = self.settings
        self.producer = Producer()
        self._drops = Drops()
        self._outbox = Outbox(settings.buffer_records, settings.buffer_bytes, self._drops)
        self._framer = Framer(settings.stream, settings.maxlen)
        self._transport = Transport(settings.redis_url)
        self._printer = Printer()
        self._marks: list[Mark] = []
        self.thread_id = 0
        self._running = False
        self._stopping = False
        self._hurried = False  # one attempt at once for a caller who waits
        self._stumbled = False
        self._deadline: float | None = None
        self._introduction = ""
        self._producers_key = f"{settings.stream}:producers"
        self._started_at = timestamp(time.time_ns() // 1_000)
        self._announce_refused = False
        self._outage_since: float | None = None
        self._retry_at = 0.0
        self._backoff = Backoff()
        self._outages = 0
        self._sent = 0
        self._highest_sent = 0

    def forked(self) -> None:
        """Become a new producer with an empty buffer: called in a child, before anything else."""
        self._starting = threading.Lock()
        self.intake.clear()
        self._begin_anew()

    # -- called by callers ------------------------------------------------------------------

    def flush(self, timeout_s: float, *, max_failures: int = 1_000_000) -> bool:
        """Wait until everything logged so far is in Redis; False when it is not in time.

        After `max_failures` failed attempts the answer is False at once: at exit nobody should wait
        for a server that is not there.
        """
        if not self._running and not self.intake.queue and not self._outbox and not self._drops:
            return True
        slots = len(self.intake.queue) + self.intake.taken
        mark = Mark(slots, self._dropped(), max_failures)
        self._marks.append(mark)
        self.intake.wake()
        if not self._running:  # no thread can be started any more: its work is done here
            self._work_until(time.monotonic() + timeout_s, mark)
        return mark.done.wait(timeout_s) and mark.delivered

    def finish(self, timeout_s: float) -> bool:
        """Flush because the process ends: what is not sent in time is printed and named."""
        self._deadline = time.monotonic() + timeout_s
        try:
            return self.flush(timeout_s + LAST_WORDS_S, max_failures=FAILURES_AT_EXIT)
        finally:
            self._deadline = None

    def stop(self, timeout_s: float) -> bool:
        """Flush, then let the thread end; a later record starts it again."""
        delivered = self.finish(timeout_s)
        self._stopping = True
        if self._running:
            self.intake.wake()
        return delivered

    def greet(self, source: Source) -> None:
        """Learn who logs: the first one names this producer, and receipts until it has logged."""
        if self._source is None:
            self._source = source
            self._component = source.component

    def stats(self) -> ClientStats:
        """Return the counters; read without a lock, so they may be a batch apart."""
        outage = self._outage_since is not None
        idle = self.producer.last == 0
        return ClientStats(
            state="outage" if outage else "idle" if idle else "delivering",
            producer=self.producer.hex,
            queued=len(self.intake.queue),
            waiting=len(self._outbox),
            sent=self._sent,
            printed=self._printer.printed,
            redacted=self._framer.redacted,
            outages=self._outages,
            dropped=dict(self._drops.totals),
        )

    # -- the thread ---------------------------------------------------------------------------

    def _start(self) -> None:
        if self._running or not self._starting.acquire(blocking=False):
            return
        try:
            if not self._running:
                self._stopping = False
                self._running = True
                self._on_start()
                # _thread, because threading.Thread takes locks that the caller may hold already:
                # a `__del__` may log at any moment.
                _thread.start_new_thread(self._run, ())
        except RuntimeError:  # the interpreter is shutting down: flush does the work
            self._running = False
            self.intake.idle = True
        finally:
            self._starting.release()

    def _run(self) -> None:
        self.thread_id = _thread.get_ident()
        while not self._stopping or self._busy():
            try:
                self._cycle()
                self._rest()
            except Exception as exc:  # noqa: BLE001  # the outermost loop: a bug here must not end it
                self._stumble(exc)
        self._transport.close()
        self.thread_id = 0
        self._running = False
        self.intake.idle = True
        if self.intake.queue:
            self._start()

    def _busy(self) -> bool:
        return bool(self.intake.queue or self._outbox or self._marks or self._drops)

    def _work_until(self, deadline: float, mark: Mark) -> None:
        while not mark.done.is_set() and time.monotonic() < deadline:
            self._cycle()
            if self._outage_since is not None:
                time.sleep(0.01)

    def _cycle(self) -> None:
        self._take()
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self._give_up()
        elif self._due():
            self._deliver()
        self._resolve()

    def _rest(self) -> None:
        """Sleep as long as nothing is to be done; let records gather when there are few."""
        if self._marks or len(self.intake.queue) >= MAX_TAKEN:
            if self._outage_since is not None and not self.intake.queue:
                self.intake.linger(min(LINGER_S, max(0.0, self._retry_at - time.monotonic())))
            return
        if not self.intake.queue:
            if self._outage_since is not None:
                self.intake.wait(max(0.0, self._retry_at - time.monotonic()))
            elif self._outbox or self._drops or self._stopping:
                return
            else:
                self.intake.wait(-1)
        if self.intake.queue and not self._marks and not self._stopping:
            self.intake.linger(LINGER_S)

    def _stumble(self, exc: Exception) -> None:
        if not self._stumbled:
            self._stumbled = True
            say(f"the sender goes on after {type(exc).__name__}: {exc} (this is a bug)")
        time.sleep(FIRST_RETRY_S)

    # -- taking -------------------------------------------------------------------------------

    def _take(self) -> None:
        if self._outage_since is None and len(self._outbox) >= MAX_TAKEN:
            return  # large records: sending is slower than taking
        batch = self.intake.take(MAX_TAKEN)
        refused = self.intake.refusals()
        wanted = len(batch) + sum(n for _, n in refused)
        if wanted:
            producer, first = self.producer.claim(wanted)
            self._outbox.add(self._framed(batch, producer, first))
            first += len(batch)
            for reason, n in refused:
                self._drops.add(reason, first, first + n - 1)
                first += n
        if self._outage_since is not None:
            self._print_and_trim()

    def _framed(self, batch: list[Snapshot], producer: int, first: int) -> list[Parcel]:
        if not batch:
            return []
        self._source = batch[-1][2]
        try:
            return self._framer.frame(batch, producer, first)
        except Exception:  # noqa: BLE001  # one record that breaks the framer must not take others along
            return self._framed_singly(batch, producer, first)

    def _framed_singly(self, batch: list[Snapshot], producer: int, first: int) -> list[Parcel]:
        parcels: list[Parcel] = []
        for sequence, snapshot in enumerate(batch, first):
            try:
                parcels += self._framer.frame([snapshot], producer, sequence)
            except Exception:  # noqa: BLE001  # counted and named, as everything that is lost
                self._drops.add(UNREADABLE, sequence, sequence)
        return parcels

    # -- delivering ---------------------------------------------------------------------------

    def _due(self) -> bool:
        if self._outage_since is not None:
            if self._marks and not self._hurried:
                self._hurried = True
                return True
            return time.monotonic() >= self._retry_at
        return bool(self._outbox or self._drops)

    def _deliver(self) -> None:
        patience_s = None
        if self._deadline is not None:
            patience_s = max(0.05, (self._deadline - time.monotonic()) / 2)
        if self._outage_since is not None:
            # Ask first: a receipt is only worth a number when someone may take it.
            answers = self._transport.exchange([_PING], patience_s)
            if answers.broken or answers.replies[0] is not None:
                self._failed(answers.broken or answers.replies[0] or "")
                return
        self._write_receipts()
        parcels = self._outbox.batch()
        highest = max((parcel.sequence for parcel in parcels), default=0)
        self._highest_sent = max(self._highest_sent, highest)
        commands = [parcel.command for parcel in parcels]
        answers = self._transport.exchange([*commands, self._announcement()], patience_s)
        taken = self._outbox.settle(len(parcels), answers.replies)
        self._sent += taken
        refused = [reply for reply in answers.replies[: len(parcels)] if reply is not None]
        if refused or len(answers.replies) < len(parcels):
            self._failed(refused[0] if refused else answers.broken or NO_REPLY)
            return
        if answers.replies[len(parcels) :] not in ([], [None]) and not self._announce_refused:
            self._announce_refused = True
            say(f"this producer cannot be listed: {self._producers_key}: {answers.replies[-1]}")
        self._succeeded()

    def _write_receipts(self) -> None:
        while self._source is not None and (told := self._drops.take(MAX_RANGES)):
            reason, ranges = told
            number, sequence = self.producer.number, 0
            if self._outbox.spare_numbers:
                sequence = self._outbox.spare_numbers.pop()
            else:
                number, sequence = self.producer.claim()
            notes = {
                "dropped": sum(last - first + 1 for first, last in ranges),
                "ranges": ranges,
                "reason": reason,
            }
            parcel = self._framer.receipt(self._source, time.time_ns(), number, sequence, notes)
            self._outbox.receipts.append(Receipt(parcel, reason, ranges))

    def _announcement(self) -> bytes:
        """Tell the producers hash who sends and how far: one HSET a batch."""
        if not self._introduction:
            component = "_".join(self._component.split())
            host = socket.gethostname() or "-"
            self._introduction = f"{component} {host} {os.getpid()} {VERSION} {self._started_at}"
        value = f"{self._highest_sent} {self._introduction} {self._dropped()}"
        parts = (b"HSET", self._producers_key.encode(), self.producer.hex.encode(), value.encode())
        return b"*4\r\n" + b"".join(map(bulk, parts))

    def _succeeded(self) -> None:
        self._backoff.failures = 0
        if self._outage_since is None:
            return
        lasted_s = time.monotonic() - self._outage_since
        self._outage_since = None
        self.intake.yielding = True
        say(
            f"{self._transport.place} takes records again after {lasted_s:.1f} s: "
            f"{self._printer.printed} printed on stdout so far, {len(self._outbox)} still to send, "
            f"{self._dropped()} dropped"
        )

    def _failed(self, reason: str) -> None:
        self._hurried = bool(self._marks)
        delay_s = self._backoff.next_s()
        self._retry_at = time.monotonic() + (
            min(delay_s, HURRIED_RETRY_S) if self._marks else delay_s
        )
        if self._outage_since is None:
            self._outage_since = time.monotonic()
            self._outages += 1
            self.intake.yielding = False
            say(
                f"{self._transport.place} does not take records ({reason}); "
                "they are printed on stdout as JSON until it does"
            )
        self._print_and_trim()
        for mark in self._marks:
            mark.failures_left -= 1

    def _print_and_trim(self) -> None:
        self._printer.print(self._outbox.unprinted())
        self._outbox.trim()

    def _give_up(self) -> None:
        """The process ends now: print what is not sent, and say in the stream what is missing."""
        while self.intake.queue:
            self._take()
        undelivered = len(self._outbox)
        self._printer.print(self._outbox.unprinted())
        self._outbox.drop_all(SHUTDOWN)
        if self._outage_since is None:
            self._deliver()
            if undelivered:
                say(f"ended with {undelivered} records not sent in time; they are on stdout")
        for mark in self._marks:
            mark.failures_left = 0

    def _resolve(self) -> None:
        """Answer the callers that wait for everything logged before their call."""
        for mark in list(self._marks):
            taken = self.intake.taken >= mark.slots_before or not self.intake.queue
            if mark.position is None and taken:
                mark.position = self._outbox.end
            settled = (
                mark.position is not None
                and self._outbox.removed >= mark.position
                and not self._outbox.receipts
                and not self._drops
            )
            if settled or mark.failures_left <= 0:
                mark.delivered = settled and self._dropped() == mark.dropped_before
                self._marks.remove(mark)
                mark.done.set()
        if not self._marks:
            self._hurried = False

    def _dropped(self) -> int:
        return sum(self._drops.totals.values())


_PING = b"*1\r\n$4\r\nPING\r\n"
