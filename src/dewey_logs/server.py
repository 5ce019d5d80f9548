"""Dewey's MCP server: stores batches, answers queries, and keeps the days of the store in order."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from prometheus_client import CollectorRegistry

from dewey_logs import exposition
from dewey_logs.dialogue import QUESTIONS, READ
from dewey_logs.errors import BadFilter, DeweyError, QueryTimeout
from dewey_logs.layout import AS_BEFORE, Layout
from dewey_logs.levels import LevelChange, LevelSetting
from dewey_logs.maintenance import EVERY_S, TEND_EVERY_S, maintain, tend
from dewey_logs.opening import open_store
from dewey_logs.rows import Batch, Window, WriteResult
from dewey_logs.store import Store
from dewey_logs.tools import (
    DEWEY,
    EVERYTHING,
    UNTRUSTED,
    Lookout,
    MeasuredStore,
    Selection,
    StrictServer,
    ToolMetrics,
    Turns,
    allow,
    application,
    bind,
    offer_ask,
    offer_clear,
    offer_compare,
    offer_facets,
    offer_level,
    offer_reading,
    offer_store,
    serve_http,
    serve_stdio,
    url_of,
)
from dewey_logs.tools.presence import log_to_stderr
from dewey_logs.tools.upkeep import ROLE, Upkeep

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

QUERIES_AT_ONCE = 8
WRITES_AT_ONCE = 2  # as many as a store does
CHANGES_AT_ONCE = 4  # other than by batches
CHECK_S = 2.0
INSTRUCTIONS = f"""\
The store of collected logs. Begin with dewey_get_log_stats, then dewey_patterns with level=ERROR,
then dewey_query_logs, dewey_context and dewey_trace. Parts of filters have the same names in every
tool; dewey://help/query explains them. In every answer {UNTRUSTED}."""


def serve(
    *,
    url: str,
    reader_url: str | None,
    owner_url: str | None,
    host: str,
    port: int,
    stdio: bool,
    metrics_port: int,
    metrics_host: str | None = None,
    retention_days: int,
    tokens_file: Path | None = None,
    allowed_hosts: tuple[str, ...] = (),
    retention_bytes: int | None = None,
    layout: Layout = AS_BEFORE,
    offered: Selection = EVERYTHING,
    data_dir: Path | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, or over stdio until the client hangs up.

    Where its metrics are is told in `data_dir`, if that exists. Raises CannotListen for an address
    that is taken or not allowed, BadTokens for the file. Over stdio nothing listens and nothing is
    maintained: such a process comes and goes with its client.
    """
    registry = CollectorRegistry()
    open_backend = partial(Backend, url, reader_url, owner_url, retention_days)
    if stdio:
        log_to_stderr()
        with open_backend() as backend:
            serve_stdio(build(backend, registry, offered), backend.close)
        return
    access = allow(host, tokens_file, allowed_hosts, prefix="DEWEY")
    with bind(host, port, prefix="DEWEY") as bound:
        log_to_stderr()  # before the server is made: the SDK would configure root logging itself
        with open_backend() as backend:
            measured = MeasuredStore(backend.store)
            with (
                Maintenance(owner_url or url, retention_days, retention_bytes, layout, registry),
                Lookout(registry, [measured], (DeweyError,)),
                exposition.serve(
                    port=metrics_port,
                    host=host,
                    exposed_at=metrics_host,
                    role=ROLE,
                    registry=registry,
                    ready=lambda: {"postgres": measured.up},
                    data_dir=data_dir,
                    mcp_url=url_of(bound),
                ),
            ):
                log.info("serving", extra={"action": "start", "mcp_url": url_of(bound)})
                app = application(build(backend, registry, offered), backend.checks, access)
                serve_http(app, bound)
    log.info("stopped", extra={"action": "stop"})


def build(
    backend: Backend, registry: CollectorRegistry, offered: Selection = EVERYTHING
) -> StrictServer:
    """Return the server with the tools that are wanted."""
    server = StrictServer(
        "dewey",
        version=version("godot-logs"),
        instructions=INSTRUCTIONS,
        metrics=ToolMetrics(registry),
        callers_errors=(BadFilter, QueryTimeout),
        other_errors=(DeweyError,),
        offered=offered,
    )
    offer_store(server, "dewey_store_logs_batch", backend.write, backend.window)
    offer_reading(server, DEWEY, backend.ask)
    offer_compare(server, DEWEY, backend.ask)
    offer_facets(server, DEWEY, backend.ask)
    offer_clear(server, DEWEY, backend.ask, backend.do)
    offer_level(server, DEWEY, backend.ask, backend.set_level, backend.clear_level)
    offer_ask(server, backend.answer)
    return server


class Backend:
    """The store, asked on threads: two that write at a time, several that read."""

    def __init__(
        self, url: str, reader_url: str | None, owner_url: str | None, retention_days: int
    ) -> None:
        self.store: Store = open_store(
            url,
            reader_url=reader_url,
            owner_url=owner_url,
            application_name="dewey-mcp",
            retention_days=retention_days,
        )
        self._writing = anyio.CapacityLimiter(WRITES_AT_ONCE)
        self._changing = anyio.CapacityLimiter(CHANGES_AT_ONCE)
        self._reading = Turns(QUERIES_AT_ONCE)
        self._checking = anyio.CapacityLimiter(1)

    async def write(self, batch: Batch) -> WriteResult:
        """Store one batch; a caller who hangs up does not undo it."""
        return await anyio.to_thread.run_sync(self.store.write, batch, limiter=self._writing)

    async def ask(self, question: Callable[[Store], Answer]) -> Answer:
        """Ask the store; a caller who hangs up cancels what is being asked."""
        return await self._reading.ask(partial(question, self.store))

    async def do(self, deed: Callable[[Store], Answer]) -> Answer:
        """Have the store do something to its end, also when the caller hangs up."""
        return await anyio.to_thread.run_sync(deed, self.store, limiter=self._changing)

    async def set_level(
        self, component: str, level: str, for_ms: int | None, change: LevelChange
    ) -> LevelSetting:
        """Set a level; a Godot beside this store makes its programs follow."""
        return await self.do(lambda store: store.set_level(component, level, for_ms, change=change))

    async def clear_level(self, component: str, change: LevelChange) -> tuple[str, ...]:
        """Take a level back."""
        return await self.do(lambda store: store.clear_levels(component, change=change))

    async def answer(self, question: str, arguments: Mapping[str, Any]) -> Any:
        """Answer one of the store's own questions; one that changes something is not given up."""
        method = partial(getattr(self.store, question), **arguments)
        if READ in QUESTIONS[question].scopes:
            return await self._reading.ask(method)
        return await anyio.to_thread.run_sync(method, limiter=self._changing)

    async def window(self) -> Window:
        """Return the accepted window, which the store asks for once."""
        return await anyio.to_thread.run_sync(self.store.window, limiter=self._reading.threads)

    async def checks(self) -> dict[str, bool]:
        """Ask whether the store answers; what does not answer in time is away."""
        with anyio.move_on_after(CHECK_S), suppress(DeweyError):
            await anyio.to_thread.run_sync(
                self.store.ping, limiter=self._checking, abandon_on_cancel=True
            )
            return {"postgres": True}
        return {"postgres": False}

    def close(self) -> None:
        self.store.close()

    def __enter__(self) -> Backend:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Maintenance:
    """Once an hour everything, once a minute what cannot wait; on a thread while it is entered.

    Every Dewey runs it; an advisory lock inside leaves one of them the work.
    """

    def __init__(
        self,
        owner_url: str,
        retention_days: int,
        retention_bytes: int | None,
        layout: Layout,
        registry: CollectorRegistry,
    ) -> None:
        self._owner_url = owner_url
        self._retention_days = retention_days
        self._retention_bytes = retention_bytes
        self._layout = layout
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="maintenance", daemon=True)
        self._upkeep = Upkeep(registry)

    def run_once(self, *, tending: bool = False) -> bool:
        """Do what is due; return False, and say why in the log, when the store did not let us."""
        try:
            done = (
                tend(self._owner_url)
                if tending
                else maintain(
                    self._owner_url, self._retention_days, self._retention_bytes, self._layout
                )
            )
        except DeweyError as exc:
            self._upkeep.failed()
            log.warning("maintenance failed", extra={"action": "maintain", "reason": str(exc)})
            return False
        if not tending:
            self._upkeep.succeeded()
        if not tending or any(done):
            log.info("maintained", extra={"action": "maintain", **done._asdict()})
        return True

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            everything = time.monotonic() >= due
            if self.run_once(tending=not everything) and everything:
                due = time.monotonic() + EVERY_S
            self._stop.wait(TEND_EVERY_S)

    def __enter__(self) -> Maintenance:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5.0)
