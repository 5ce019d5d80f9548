"""Which records are made at all: one gate per logger, read on every call.

A gate is one attribute, so the check costs a compare, and a change is seen at once by children and
by methods that were stored away. The order of what decides: a level set from outside for the
component, one for all components (`*`), the logger's own.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping

from clientlib.errors import RecordError
from clientlib.record import Level, parse_level

ALL = "*"
OFF = 1_000  # above every level: logging is disabled


class Levels:
    """The gates of one stream's loggers, and what was set from outside."""

    def __init__(self) -> None:
        self._gates: list[weakref.ref[Gate]] = []
        self._texts: Mapping[str, str] = {}
        self._pushed: dict[str, Level] = {}
        self._lapses_ms = float("inf")
        self.forked()

    def forked(self) -> None:
        """Forget who held the lock: called in a child, before anything else."""
        self._lock = threading.RLock()  # a `__del__` may make a logger at any moment

    def gate(self, component: str, level: Level, enabled: bool = True) -> Gate:
        """Make the gate of a new logger."""
        gate = Gate(self, component, level, enabled)
        with self._lock:
            self._gates = [ref for ref in self._gates if ref() is not None]
            self._gates.append(weakref.ref(gate))
            gate.refresh()
        return gate

    def pushed_for(self, component: str) -> Level | None:
        """Return the level set from outside for a component, if any."""
        pushed = self._pushed
        return pushed.get(component, pushed.get(ALL))

    def push(self, texts: Mapping[str, str], now_ms: float) -> None:
        """Take over what is set from outside, all of it: component or `*` to what the hash says.

        That is `LEVEL` or `LEVEL expires_ms`, in Unix milliseconds. What cannot be read counts as
        not set; what expires returns with the next `lapse`.
        """
        pushed: dict[str, Level] = {}
        lapses_ms = float("inf")
        for component, text in texts.items():
            name, _, expires = text.partition(" ")
            try:
                expires_ms = float(expires) if expires else float("inf")
                level = parse_level(name)[0]
            except (ValueError, RecordError):
                continue
            if expires_ms > now_ms:
                pushed[component] = level
                lapses_ms = min(lapses_ms, expires_ms)
        with self._lock:
            self._texts, self._pushed, self._lapses_ms = texts, pushed, lapses_ms
            for ref in self._gates:
                if gate := ref():
                    gate.refresh()

    def lapse(self, now_ms: float) -> None:
        """Take back what has expired by now."""
        if now_ms >= self._lapses_ms:
            self.push(self._texts, now_ms)


class Gate:
    """The lowest level that passes, as a number; shared by a logger and its children."""

    __slots__ = ("__weakref__", "_levels", "component", "enabled", "level", "own")

    def __init__(self, levels: Levels, component: str, level: Level, enabled: bool) -> None:
        self._levels = levels
        self.component = component
        self.enabled = enabled
        self.own = level
        self.level = OFF

    def set(self, level: Level) -> None:
        """Change the logger's own level; a level set from outside still wins."""
        self.own = level
        self.refresh()

    def refresh(self) -> None:
        pushed = self._levels.pushed_for(self.component)
        decided = self.own if pushed is None else pushed
        self.level = int(decided) if self.enabled else OFF
