"""Starts processes in order, keeps them running, stops them in order.

One thread: PR_SET_PDEATHSIG ends a child together with the thread that started it, so all are
started here, and what has to happen in parallel is a matter of polling. It sleeps in select() and
wakes at once for a signal or a child's end; idle, it costs two wake-ups a second.
"""

from __future__ import annotations

import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from godot.embedded.process import Child, ChildFailed
from godot.errors import GodotError

STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TICK_S = 0.5
STARTING_TICK_S = 0.02
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
HURRIED_S = 1.0
CALM_S = 60.0  # a process that lived this long starts over with the shortest delay


class Service(Protocol):
    """A process the supervisor can start.

    `about` is a few words for a person; `stop_rank` says when it is stopped, lowest first.
    """

    name: str
    about: str
    stop_rank: int
    stop_timeout_s: float

    @property
    def child(self) -> Child | None:
        """The process that was launched last."""

    def launch(self) -> None:
        """Start the process and return at once; raise GodotError when that is impossible."""

    def ready(self) -> bool:
        """Say whether it does its work; may be asked many times a second while it starts."""


class Interrupted(Exception):
    """A signal asked for the end while something was starting."""


class _Watched:
    """What the supervisor remembers of one service."""

    def __init__(self, service: Service, delay_s: float) -> None:
        self.service = service
        self.is_ready = False
        self.launched_at = 0.0
        self.delay_s = delay_s
        self.again_at: float | None = None  # when the dead process is started again

    @property
    def child(self) -> Child:
        assert self.service.child is not None, f"{self.service.name} was never launched"
        return self.service.child

    def launch(self, now: float) -> None:
        self.is_ready = False
        self.launched_at = now
        self.again_at = None
        self.service.launch()


class Supervisor:
    """Runs services until a signal; a context manager whose end stops every one of them.

    `say` receives lines for a person; `changed` is called whenever processes came or went;
    `each_tick` is called while watching, for what has to be looked at now and then.
    """

    def __init__(
        self,
        *,
        say: Callable[[str], None],
        changed: Callable[[], None] = lambda: None,
        each_tick: Callable[[], None] = lambda: None,
        first_delay_s: float = FIRST_DELAY_S,
    ) -> None:
        self.stop_signal: signal.Signals | None = None
        self._say = say
        self._changed = changed
        self._each_tick = each_tick
        self._first_delay_s = first_delay_s
        self._watched: list[_Watched] = []
        self._hurry = False
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)

    @property
    def children(self) -> dict[str, int]:
        """Return the id of every running process by name."""
        return {
            watched.service.name: watched.service.child.pid
            for watched in self._watched
            if watched.service.child is not None and watched.service.child.running
        }

    def start(self, services: Sequence[Service], deadline: float) -> None:
        """Launch all of them, then wait until each is ready; `deadline` is on the monotonic clock.

        Raises ChildFailed with the last words of one that ended or was not ready in time, and
        Interrupted when a signal came first.
        """
        started = [_Watched(service, self._first_delay_s) for service in services]
        for watched in started:
            self._check_signal()
            self._watched.append(watched)
            watched.launch(time.monotonic())
            self._changed()
        waiting = started
        while waiting:
            for watched in waiting:
                watched.is_ready = watched.child.running and watched.service.ready()
                if watched.is_ready:
                    took_s = time.monotonic() - watched.launched_at
                    service = watched.service
                    self._say(f"  ✓ {service.name:<11} {service.about:<36} {took_s:.1f} s")
                elif not watched.child.running:
                    raise ChildFailed(_failure(watched, "ended while it started"))
            waiting = [watched for watched in waiting if not watched.is_ready]
            if waiting and time.monotonic() > deadline:
                waited_s = time.monotonic() - waiting[0].launched_at
                raise ChildFailed(_failure(waiting[0], f"was not ready after {waited_s:.0f} s"))
            if waiting:
                self._sleep(STARTING_TICK_S)
                self._check_signal()

    def watch(self) -> signal.Signals:
        """Keep everything running until a signal asks for the end; return that signal."""
        while self.stop_signal is None:
            for watched in self._watched:
                self._look_after(watched)
            self._each_tick()
            if self.stop_signal is None:
                self._sleep(TICK_S)
        return self.stop_signal

    def _look_after(self, watched: _Watched) -> None:
        now = time.monotonic()
        if watched.again_at is not None:
            if now >= watched.again_at:
                self._relaunch(watched, now)
        elif not watched.child.running:
            if now - watched.launched_at > CALM_S:
                watched.delay_s = self._first_delay_s
            watched.again_at = now + watched.delay_s
            self._say(
                f"{watched.service.name} ended ({_ending(watched.child)}); "
                f"starting it again in {watched.delay_s:g} s{_last_line(watched.child)}"
            )
            watched.delay_s = min(watched.delay_s * 2, LONGEST_DELAY_S)
            self._changed()
        elif not watched.is_ready and watched.service.ready():
            watched.is_ready = True
            self._say(f"{watched.service.name} is ready again")
            self._changed()

    def _relaunch(self, watched: _Watched, now: float) -> None:
        try:
            watched.launch(now)
        except (GodotError, OSError) as exc:
            watched.again_at = now + watched.delay_s
            self._say(f"{watched.service.name} cannot be started: {exc}")
            watched.delay_s = min(watched.delay_s * 2, LONGEST_DELAY_S)
        else:
            self._changed()

    def close(self) -> None:
        """Stop everything, by rank; a second signal shortens the waiting to a second each."""
        for rank in sorted({watched.service.stop_rank for watched in self._watched}):
            group = [w for w in self._watched if w.service.stop_rank == rank]
            for watched in group:
                if watched.service.child is not None:
                    watched.child.ask_to_stop()
            self._await_end([watched for watched in group if watched.service.child is not None])
        self._watched.clear()
        self._wake.close()
        self._woken.close()

    def _await_end(self, group: Sequence[_Watched]) -> None:
        asked_at = time.monotonic()
        for watched in group:
            while watched.child.running:
                limit_s = watched.service.stop_timeout_s
                if time.monotonic() - asked_at > (
                    min(limit_s, HURRIED_S) if self._hurry else limit_s
                ):
                    watched.child.kill()
                    self._say(f"{watched.service.name} did not stop in time and was killed")
                else:
                    self._sleep(STARTING_TICK_S)

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Take over SIGINT, SIGTERM and SIGHUP, and wake up for SIGCHLD."""
        numbers = [*STOPPING_SIGNALS, signal.SIGCHLD]
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # started by nohup
            numbers.remove(signal.SIGHUP)
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        descriptor = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(descriptor)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _: object) -> None:
        if number == signal.SIGCHLD:
            return
        if self.stop_signal is None:
            self.stop_signal = signal.Signals(number)
        else:
            self._hurry = True

    def _check_signal(self) -> None:
        if self.stop_signal is not None:
            raise Interrupted

    def _sleep(self, seconds: float) -> None:
        ready, _, _ = select.select([self._woken], [], [], seconds)
        if ready:
            self._woken.recv(4096)


def _failure(watched: _Watched, what: str) -> str:
    words = watched.child.last_words()
    ending = "" if watched.child.running else f" ({_ending(watched.child)})"
    return f"{watched.service.name} {what}{ending}" + (f":\n{words}" if words else "")


def _ending(child: Child) -> str:
    code = child.popen.returncode
    return f"signal {signal.Signals(-code).name}" if code and code < 0 else f"exit code {code}"


def _last_line(child: Child) -> str:
    words = child.last_words().splitlines()
    return f": {words[-1]}" if words else ""
