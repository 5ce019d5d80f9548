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

Between batches the thread looks for levels set from outside; for their sake it runs from the first
logger on, and connects when the process is a second old.

One thread, no lock shared with callers. Nothing here is called by a caller except `flush`, `close`
and `stats`.
"""

from __future__ import annotations

import math
import threading
import time
import weakref
from _thread import get_ident, start_new_thread
from collections.abc import Callable

from clientlib.buffer import Intake
from clientlib.dispatch import MAX_TAKEN, UNNAMED, Dispatch
from clientlib.fallback import say
from clientlib.flush import Mark
from clientlib.framing import Source
from clientlib.levels import Levels
from clientlib.settings import Destination
from clientlib.stats import ClientStats
from clientlib.watch import Watch

threads: set[int] = set()  # of all senders: what these log must not be logged

LINGER_S = 0.02
ENDING_S = 0.05  # for a thread that was given its time already
LAST_WORDS_S = 0.4  # beyond the deadline, to print what was not sent
FAILURES_AT_EXIT = 2
STUMBLE_S = 0.1


class Sender:
    """One process's way to one stream; shared by all loggers with the same settings."""

    def __init__(self, destination: Destination, on_start: Callable[[], None]) -> None:
        self._destination = destination
        self._on_start = on_start
        self._starting = threading.Lock()
        self._component = UNNAMED
        self._open: weakref.WeakSet[object] = weakref.WeakSet()  # loggers that are not closed
        self._watching = False
        self.levels = Levels()
        self.intake = Intake(destination.buffer_records, destination.buffer_bytes, self._start)
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Set everything up that belongs to one process: at construction and after a fork."""
        self._dispatch = Dispatch(self._destination, self.intake, self._component)
        transport = self._dispatch.shipping.transport
        self._watch = Watch(self._destination.stream, transport, self.levels)
        self.thread_id = 0
        self._running = False
        self._used = False  # something was logged, or somebody waited
        self._stopping = False
        self._stumbled = False
        self._given_up_at: int | None = None  # how much was sent when time was up, if it ever was
        self._ended = False  # another thread speaks the last words
        self._late = False  # and has: what comes now is sent or printed by whoever logs it
        self._send_until = 0.0  # and until when it is sent: everything was until then

    def forked(self) -> None:
        """Become a new producer with an empty buffer: called in a child, before anything else."""
        self._starting = threading.Lock()
        self.levels.forked()
        self.intake.clear()
        self._begin_anew()
        if self._watching:
            self._start_thread()

    # -- called by callers ------------------------------------------------------------------

    def flush(self, timeout_s: float, *, max_failures: int = 1_000_000) -> bool:
        """Wait until everything logged so far is in Redis; False when it is not in time.

        After `max_failures` failed attempts the answer is False at once: at exit nobody should wait
        for a server that is not there.
        """
        if not self._dispatch and not (self._running and self._used):
            return True
        if get_ident() == self.thread_id:  # a `__del__` run by our own thread cannot wait
            return False
        slots = len(self.intake.queue) + self.intake.taken
        mark = Mark(slots, self._dispatch.shipping.drops.total, max_failures)
        self._dispatch.marks.add(mark)
        self.intake.wake()
        if not self._running:  # no thread can be started any more: its work is done here
            self._work_until(time.monotonic() + timeout_s, mark)
        return mark.done.wait(min(timeout_s, threading.TIMEOUT_MAX)) and mark.delivered

    def finish(self, timeout_s: float, *, last: bool = False) -> bool:
        """Flush because the process ends: what is not sent in time is printed and named.

        `last` says that nothing comes after it: the thread ends, and the caller prints what it did
        not send, also if it is held up by something that heeds no deadline (importing redis on a
        busy machine).
        """
        # `logging` closes its handlers before, or after: then it had its time already
        again = bool(self._dispatch) and self._given_up_at == self._dispatch.shipping.sent
        if again:
            timeout_s = 0.0
        self._dispatch.deadline = time.monotonic() + timeout_s
        try:
            delivered = not (again and not self.intake.queue) and self.flush(
                timeout_s + LAST_WORDS_S, max_failures=FAILURES_AT_EXIT
            )
            self._given_up_at = None if delivered else self._dispatch.shipping.sent
            if last and get_ident() != self.thread_id:
                # it ends by itself after what it is doing, unless it heeds no deadline
                held_up = delivered or bool(self._dispatch.marks)
                ended = self._end_thread(ENDING_S if held_up else LAST_WORDS_S)
                if not delivered:
                    self._dispatch.print_rest()
                self._send_until = time.monotonic() + timeout_s if delivered else 0.0
                self._ended = self._late = ended or not delivered
                if self._late:
                    self._start_thread()
            return delivered
        except BaseException:  # a second Ctrl-C: nobody waits any longer
            if last:
                self._ended = self._late = True
                self._dispatch.print_rest()
            raise
        finally:
            self._dispatch.deadline = None

    def _end_thread(self, patience_s: float) -> bool:
        self._ended = True
        self.intake.ring()
        until = time.monotonic() + patience_s
        while self._running and time.monotonic() < until:
            time.sleep(0.001)
        return not self._running

    def close(self, logger: object, timeout_s: float) -> bool:
        """Flush; with the last open logger let the thread end, until a later record starts it."""
        self._open.discard(logger)
        if self._open:
            return self.flush(timeout_s, max_failures=FAILURES_AT_EXIT)
        delivered = self.finish(timeout_s)
        self._stopping = True
        if self._running:
            self.intake.wake()
        return delivered

    def open(self, logger: object) -> None:
        """Follow the levels set from outside for a new logger, also before it logs anything."""
        self._open.add(logger)
        self._watching = True
        self._start_thread()

    def greet(self, source: Source) -> None:
        """Learn who logs: the first one names this producer."""
        if self._component == UNNAMED:
            self._component = self._dispatch.component = source.component

    def stats(self) -> ClientStats:
        """Return the counters; read without a lock, so they may be a batch apart."""
        shipping = self._dispatch.shipping
        state = "delivering" if self._dispatch.producer.last else "idle"
        return ClientStats(
            state="outage" if shipping.outage else state,
            producer=self._dispatch.producer.hex,
            queued=len(self.intake.queue),
            waiting=len(shipping.outbox),
            sent=shipping.sent,
            printed=shipping.printer.printed,
            redacted=self._dispatch.framer.redacted,
            outages=shipping.outage.count,
            dropped=dict(shipping.drops.totals),
        )

    # -- the thread ---------------------------------------------------------------------------

    def _start(self) -> None:
        self._used = True
        self._on_start()
        self._start_thread()

    def _start_thread(self) -> None:
        if not (self._late or self._may_start) or not self._starting.acquire(blocking=False):
            return
        spoken = False
        try:
            if self._late:
                spoken = self._speak_late()
            elif self._may_start:
                self._stopping = False
                self._running = True
                if self._watching:
                    self._watch.start()
                # not by threading.Thread, which takes locks that the caller may hold already: a
                # `__del__` may log at any moment
                start_new_thread(self._run, ())
        except RuntimeError:  # the interpreter is shutting down: flush does the work
            self._running = False
            self.intake.idle = True
        except Exception:  # it has: a `__del__` logs, and modules are gone
            if not self._late:
                raise
        finally:
            self._starting.release()
        if spoken and self.intake.queue:  # another caller's, who found us at it
            self._start_thread()

    @property
    def _may_start(self) -> bool:
        return not (self._running or self._ended)

    def _speak_late(self) -> bool:
        """Send what is logged after the last words, or else print it, at once.

        The caller may be the last to run. False when others log on and on, and it went away.
        """
        dispatch = self._dispatch
        until = time.monotonic() + LAST_WORDS_S
        while True:
            while self.intake.queue and not dispatch.shipping.outage:
                if time.monotonic() >= self._send_until:
                    break
                dispatch.deadline = self._send_until
                dispatch.step()
            if self.intake.queue or dispatch.shipping:
                dispatch.print_rest()
            self.intake.idle = True  # the next record comes here, too
            if not self.intake.queue:
                return True
            if time.monotonic() >= until:
                return False

    def _run(self) -> None:
        self.thread_id = get_ident()
        threads.add(self.thread_id)
        own = self._dispatch
        while self._dispatch is own and not self._ended and (not self._stopping or own):
            try:
                self._cycle()
                self._rest()
            except Exception as exc:  # noqa: BLE001  # the outermost loop: a bug here must not end it
                self._stumble(exc)
        if self._dispatch is not own:  # a greenlet that goes on in a child, which has another
            return
        self._watch.stop()
        self._dispatch.shipping.close()
        threads.discard(self.thread_id)
        self.thread_id = 0
        self._running = False
        self.intake.idle = True
        if self._dispatch:
            self._start()
        elif self._open:  # a logger that was made while this thread was about to end
            self._start_thread()

    def _work_until(self, deadline: float, mark: Mark) -> None:
        """Do the thread's work, unless another caller does; no thread is started meanwhile."""
        if not self._starting.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return
        try:
            while not (mark.done.is_set() or self._running) and time.monotonic() < deadline:
                self._cycle()
                if self._dispatch.shipping.outage:
                    time.sleep(STUMBLE_S)
        except Exception as exc:  # noqa: BLE001  # as in the thread
            self._stumble(exc)
        finally:
            self._starting.release()
            self.intake.idle = True
        if self.intake.queue:
            self._start_thread()

    def _cycle(self) -> None:
        self._dispatch.step()
        if not self._dispatch.marks and not self._stopping:  # nobody should wait for it
            self._watch.look(outage=bool(self._dispatch.shipping.outage))

    def _rest(self) -> None:
        """Sleep as long as nothing is to be done; let records gather when there are few."""
        intake, outage = self.intake, self._dispatch.shipping.outage
        if len(intake.queue) >= MAX_TAKEN or (self._dispatch.shipping and not outage):
            return
        if self._dispatch.marks:
            if outage and not intake.queue:
                intake.linger(min(LINGER_S, outage.wait_s))
            return
        if not intake.queue:
            if not outage and self._stopping:
                return
            wait_s = min(outage.wait_s if outage else math.inf, self._watch.wait_s)
            intake.wait(-1 if wait_s == math.inf else wait_s)
        if intake.queue and not self._dispatch.marks and not self._stopping:
            intake.linger(LINGER_S)

    def _stumble(self, exc: Exception) -> None:
        if not self._stumbled and not self._ended:
            self._stumbled = True
            import traceback  # there since `logging` is: nothing is loaded here

            at = traceback.extract_tb(exc.__traceback__)[-1]  # not what it says: that may be secret
            place = f"{at.filename}:{at.lineno}"
            say(f"the sender goes on after {type(exc).__name__} at {place} (this is a bug)")
        time.sleep(STUMBLE_S)
