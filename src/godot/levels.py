"""Levels set from outside: kept in the store, and passed on to where running programs read them.

The store is the source. Whoever changes it passes the whole table on at once, so that programs hear
of it within a second; should that fail, a worker does it.
"""

from __future__ import annotations

from contextlib import closing

from dewey_logs import LevelChange, LevelSetting, Store
from godot.settings import Settings
from godot.stream.levels import Board

MAX_FOR_MS = 366 * 86_400_000


def set_level(
    settings: Settings,
    store: Store,
    component: str,
    level: str,
    for_ms: int | None = None,
    *,
    change: LevelChange,
) -> LevelSetting:
    """Set the least level that a component logs, for good or a while, and tell its programs.

    Raises DeweyError when nothing was changed, GodotError when programs could not be told yet.
    """
    setting = store.set_level(component, level, for_ms, change=change)
    with closing(Board(settings)) as board:
        pass_on(store, board)
    return setting


def clear_levels(
    settings: Settings, store: Store, component: str | None = None, *, change: LevelChange
) -> tuple[str, ...]:
    """Take back a component's level, or every one; return whose. Raises like `set_level`."""
    gone = store.clear_levels(component, change=change)
    with closing(Board(settings)) as board:
        pass_on(store, board)
    return gone


def pass_on(store: Store, board: Board) -> list[str]:
    """Make programs follow what the store says; return whose level changed for them."""
    return board.show((one.component, one.level, one.expires_ms) for one in store.levels())
