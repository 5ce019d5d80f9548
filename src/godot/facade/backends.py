"""What the tools stand on: the stream to write to, the store to read from.

Both are asked on threads, since their drivers block.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from clientlib import LogRecord
from dewey_logs import DeweyError, LevelChange, LevelSetting, Store, open_store
from dewey_logs.tools import Turns
from godot import levels
from godot import snapshot as whole
from godot.delivery import Delivery
from godot.errors import GodotError, StoreUnavailable
from godot.facade.together import Together
from godot.settings import Settings
from godot.snapshot import Snapshot
from godot.stream import snapshot

Answer = TypeVar("Answer")

QUERIES_AT_ONCE = 8
CHECK_S = 2.0


class Backends:
    """Stream and store, each connected at its first use; a context manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._delivery = Delivery(settings)
        self._store: Store | None = None
        if settings.dewey_url is not None:
            self._store = open_store(
                settings.dewey_url,
                reader_url=settings.dewey_reader_url,
                owner_url=settings.dewey_owner_url,
                token=settings.dewey_token,
                application_name="godot-mcp",
                retention_days=settings.retention_days,
            )
        self._records = Together(self._delivery)
        self._changing = anyio.CapacityLimiter(2)
        self._reading = Turns(QUERIES_AT_ONCE)
        self._checking = anyio.CapacityLimiter(2)

    async def log(
        self,
        component: str,
        message: str,
        level: str,
        data: dict[str, object] | None,
        trace_id: str | None,
    ) -> LogRecord:
        """Append one record; return it once Redis has it."""

        return await self._records.append(component, message, level, data, trace_id)

    async def ask(self, question: Callable[[Store], Answer]) -> Answer:
        """Ask the store; a caller who hangs up cancels what is being asked."""
        return await self._reading.ask(functools.partial(question, self.store))

    async def do(self, deed: Callable[[Store], Answer]) -> Answer:
        """Have the store do something to its end, also when the caller hangs up."""
        return await anyio.to_thread.run_sync(deed, self.store, limiter=self._changing)

    async def set_level(
        self, component: str, level: str, for_ms: int | None, change: LevelChange
    ) -> LevelSetting:
        """Set a level and make running programs follow."""
        set_ = functools.partial(levels.set_level, self._settings)
        return await self.do(lambda store: set_(store, component, level, for_ms, change=change))

    async def clear_level(self, component: str, change: LevelChange) -> tuple[str, ...]:
        """Take a level back and make running programs follow."""
        clear = functools.partial(levels.clear_levels, self._settings)
        return await self.do(lambda store: clear(store, component, change=change))

    async def look(self) -> Snapshot:
        """Look at the whole path; a server that is away is part of the answer."""
        look = functools.partial(whole.take, self._settings, store=self._store)
        return await anyio.to_thread.run_sync(look, limiter=self._reading.threads)

    @property
    def store(self) -> Store:
        """The store; raises StoreUnavailable where there is none."""
        if self._store is None:
            raise StoreUnavailable("there is no store: set DEWEY_URL or start `godot up`")
        return self._store

    def check(self) -> dict[str, bool]:
        """Ask both sides whether they answer; blocks."""
        found = {"redis": False, "group": False, "postgres": False}
        try:
            found["group"] = snapshot.take(self._settings).group.exists
            found["redis"] = True
        except GodotError:
            pass
        try:
            if self._store is not None:
                self._store.ping()
                found["postgres"] = True
        except DeweyError:
            pass
        return found

    async def checks(self) -> dict[str, bool]:
        """`check` for the event loop, with a limit: what does not answer by then is away."""
        with anyio.move_on_after(CHECK_S):
            return await anyio.to_thread.run_sync(
                self.check, limiter=self._checking, abandon_on_cancel=True
            )
        return {"redis": False, "group": False, "postgres": False}

    def close(self) -> None:
        self._delivery.close()
        if self._store is not None:
            self._store.close()

    def __enter__(self) -> Backends:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
