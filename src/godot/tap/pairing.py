"""Which request a message belongs to, and which trace: one trace id for each client request.

The tap is the one place that makes trace ids: where a request brings none, its answer, its progress
and its cancellation could not be found together otherwise.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from clientlib import normal_trace_id, trace_id_from
from godot.tap.feed import Kind
from godot.tap.jsonrpc import Envelope, Form

MAX_OPEN = 10_000  # requests that nobody answers are forgotten beyond that, the oldest first

_OTHER_WAY = {Kind.TO_SERVER: Kind.TO_CLIENT, Kind.TO_CLIENT: Kind.TO_SERVER}


class Place(NamedTuple):
    """Where a message passed: over stdio all in one place, over HTTP each exchange is one.

    `session` is what the client's headers call it. Clients number their requests alike, so an id
    means one request only within an exchange, or within a session.
    """

    channel: int = 0
    session: str | None = None


_Key = tuple[Kind, Place, str]


class Asked(NamedTuple):
    """A request that waits for its answer."""

    method: str
    tool: str | None
    trace_id: str
    at_ns: int
    progress: object
    number: int


class Link(NamedTuple):
    """What a message belongs to; `asked` is the request that it answers or speaks of.

    A request is `reused` when its id is that of another one that is still open.
    """

    trace_id: str | None
    asked: Asked | None = None
    reused: bool = False


class Pairing:
    """The open requests of both directions; ids are told apart by type, as JSON-RPC does.

    Requests with one id, as a relay makes them that hands on those of two clients, are taken to be
    answered in the order in which they were asked.
    """

    def __init__(self) -> None:
        self._open: dict[_Key, deque[Asked]] = {}
        self.unanswered = 0

    def link(
        self,
        direction: Kind,
        place: Place,
        at_ns: int,
        message: Envelope,
        number: int,
        given: str | None = None,
    ) -> Link:
        """Return what a message belongs to, and remember it if it is a request.

        `number` is the message's own, for what will belong to it; `given` is the trace id of the
        HTTP exchange that it came in.
        """
        if message.form is Form.REQUEST:
            asked = _asked(message, at_ns, number, given)
            if self.unanswered >= MAX_OPEN:
                self._answered(next(iter(self._open)))
            waiting = self._open.setdefault((direction, place, _named(message.id)), deque())
            waiting.append(asked)
            self.unanswered += 1
            return Link(asked.trace_id, reused=len(waiting) > 1)
        if message.form in (Form.RESPONSE, Form.ERROR):
            way, named = _OTHER_WAY[direction], _named(message.id)
            key: _Key | None = (way, place, named)
            if key not in self._open:
                key = self._nearest(place, lambda key, _: key[0] == way and key[2] == named)
            if key is None and message.id is None and place.channel:  # refused before it was read
                key = next((key for key in self._open if key[:2] == (way, place)), None)
            found = None if key is None else self._answered(key)
        else:
            key = self._spoken_of(direction, place, message)
            found = None if key is None else self._open[key][-1]
        return Link(trace_id_from(message.meta) or (found.trace_id if found else given), found)

    def open_in(self, channel: int) -> list[Asked]:
        """Return what the client asked in an HTTP exchange and was not answered so far."""
        return [
            asked
            for (way, place, _), waiting in self._open.items()
            if way is Kind.TO_SERVER and place.channel == channel
            for asked in waiting
        ]

    def _answered(self, key: _Key) -> Asked:
        waiting = self._open[key]
        asked = waiting.popleft()
        self.unanswered -= 1
        if not waiting:
            del self._open[key]
        return asked

    def _spoken_of(self, direction: Kind, place: Place, message: Envelope) -> _Key | None:
        """Return the request that a notification speaks of, by its id or progress."""
        cancelled = message.params.get("requestId")
        progress = message.params.get("progressToken")
        if cancelled is not None:
            named = _named(cancelled)
            return self._nearest(place, lambda key, _: key[0] == direction and key[2] == named)
        if progress is not None:
            named = _named(progress)
            return self._nearest(
                place,
                lambda key, asked: key[0] != direction and _named(asked.progress) == named,
            )
        return None

    def _nearest(self, place: Place, fits: Callable[[_Key, Asked], bool]) -> _Key | None:
        """Return an open request of the same exchange, else of the session, the newest first.

        Of another session none is meant; without sessions it is the newest of all.
        """
        found = [key for key, waiting in self._open.items() if fits(key, waiting[-1])]
        for key in reversed(found):
            if key[1].channel == place.channel:
                return key
        for key in reversed(found):
            if key[1].session == place.session:
                return key
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


def _named(token: object) -> str:
    """Return an id so that equal ones are equal: `1` and `1.0` are, `1`, `"1"` and `true` not."""
    if isinstance(token, float) and token.is_integer():
        token = int(token)
    return repr(token)
