"""Which request a message belongs to, and which trace: one trace id for each client request.

The tap is the one place that makes trace ids: where a request brings none, its answer, its progress
and its cancellation could not be found together otherwise.
"""

from __future__ import annotations

import uuid
from typing import NamedTuple

from clientlib import normal_trace_id, trace_id_from
from godot.tap.feed import Kind
from godot.tap.jsonrpc import Envelope, Form

MAX_OPEN = 10_000  # requests that nobody answers are forgotten beyond that, the oldest first

_OTHER_WAY = {Kind.TO_SERVER: Kind.TO_CLIENT, Kind.TO_CLIENT: Kind.TO_SERVER}


class Asked(NamedTuple):
    """A request that waits for its answer."""

    method: str
    tool: str | None
    trace_id: str
    at_ns: int
    progress: object
    number: int


class Link(NamedTuple):
    """What a message belongs to; `asked` is the request that it answers or speaks of."""

    trace_id: str | None
    asked: Asked | None = None


class Pairing:
    """The open requests of both directions; ids are told apart by type, as JSON-RPC does."""

    def __init__(self) -> None:
        self._open: dict[tuple[Kind, int, str], Asked] = {}

    @property
    def unanswered(self) -> int:
        return len(self._open)

    def link(
        self,
        direction: Kind,
        channel: int,
        at_ns: int,
        message: Envelope,
        number: int,
        given: str | None = None,
    ) -> Link:
        """Return what a message belongs to, and remember it if it is a request.

        `number` is the message's own, for what will belong to it; `given` is the trace id in the
        headers that it came with.
        """
        if message.form is Form.REQUEST:
            asked = _asked(message, at_ns, number, given)
            if len(self._open) >= MAX_OPEN:
                del self._open[next(iter(self._open))]
            self._open[direction, channel, repr(message.id)] = asked
            return Link(asked.trace_id)
        if message.form in (Form.RESPONSE, Form.ERROR):
            found = self._answered(_OTHER_WAY[direction], channel, repr(message.id))
        else:
            found = self._about(direction, message)
        return Link(trace_id_from(message.meta) or (found.trace_id if found else None), found)

    def _answered(self, direction: Kind, channel: int, named: str) -> Asked | None:
        """Take the request out; over HTTP an answer may come in another exchange than its own."""
        if found := self._open.pop((direction, channel, named), None):
            return found
        for key in self._open:
            if key[0] == direction and key[2] == named:
                return self._open.pop(key)
        return None

    def _about(self, direction: Kind, message: Envelope) -> Asked | None:
        """Return the request that a notification speaks of, by its id or progress."""
        cancelled = message.params.get("requestId")
        progress = message.params.get("progressToken")
        for (way, _, named), asked in self._open.items():
            if cancelled is not None and way == direction and named == repr(cancelled):
                return asked
            if progress is not None and way != direction and asked.progress == progress:
                return asked
        return None


def _asked(message: Envelope, at_ns: int, number: int, given: str | None) -> Asked:
    tool = message.params.get("name")
    meta = message.meta
    return Asked(
        message.method or "",
        tool if isinstance(tool, str) else None,
        trace_id_from(meta) or given or normal_trace_id(uuid.uuid4().hex),
        at_ns,
        meta.get("progressToken") if isinstance(meta, dict) else None,
        number,
    )
