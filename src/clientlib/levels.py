"""Which records are made at all: one gate per logger, read on every call.

A gate is one attribute, so the check costs a compare, and a change is seen at once by children and
by methods that were stored away. The order of what decides: a level set from outside for the
component, one for all components (`*`), the logger's own.
"""

from __future__ import annotations

import weakref

from clientlib.record import Level

ALL = "*"
OFF = 1_000  # above every level: logging is disabled

_gates: weakref.WeakSet[Gate] = weakref.WeakSet()
_pushed: dict[str, Level] = {}


class Gate:
    """The lowest level that passes, as a number; shared by a logger and its children."""

    __slots__ = ("__weakref__", "_own", "component", "enabled", "level")

    def __init__(self, component: str, level: Level, enabled: bool = True) -> None:
        self.component = component
        self.enabled = enabled
        self._own = level
        self.level = OFF
        self.refresh()
        _gates.add(self)

    def set(self, level: Level) -> None:
        """Change the logger's own level; a level set from outside still wins."""
        self._own = level
        self.refresh()

    def refresh(self) -> None:
        decided = _pushed.get(self.component, _pushed.get(ALL, self._own))
        self.level = int(decided) if self.enabled else OFF


def push(levels: dict[str, Level]) -> None:
    """Take over the levels set from outside: component or `*` to level; all that are in force."""
    _pushed.clear()
    _pushed.update(levels)
    for gate in list(_gates):
        gate.refresh()
