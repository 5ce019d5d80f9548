"""Levels set from outside: kept in the store, and passed on to where running programs read them.

The store is the source. Whoever changes it passes the whole table on at once, so that programs hear
of it within a second; should that fail, a worker does it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from dewey_logs import LevelSetting, Store
from godot.settings import Settings
from godot.stream.connection import close, connect
from godot.stream.keys import stream_key
from godot.stream.levels import mirror

MAX_FOR_MS = 366 * 86_400_000


def set_level(
    settings: Settings, store: Store, component: str, level: str, for_ms: int | None = None
) -> LevelSetting:
    """Set the least level that a component logs, for good or a while, and tell its programs.

    Raises DeweyError when nothing was changed, GodotError when programs could not be told yet.
    """
    setting = store.set_level(component, level, for_ms)
    with _connected(settings) as client:
        pass_on(client, settings, store)
    return setting


def clear_levels(settings: Settings, store: Store, component: str | None = None) -> tuple[str, ...]:
    """Take back a component's level, or every one; return whose. Raises like `set_level`."""
    gone = store.clear_levels(component)
    with _connected(settings) as client:
        pass_on(client, settings, store)
    return gone


def pass_on(client: redis.Redis, settings: Settings, store: Store) -> list[str]:
    """Make programs follow what the store says; return whose level changed for them."""
    wanted = [(one.component, one.level, one.expires_ms) for one in store.levels()]
    return mirror(client, stream_key(settings.stream), wanted)


@contextmanager
def _connected(settings: Settings) -> Iterator[redis.Redis]:
    client = connect(settings)
    try:
        yield client
    finally:
        close(client)
