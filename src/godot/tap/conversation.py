"""Turns what passed into records: one for each message, one for each line of stderr.

    data  tap        {"run": …, "n": …}: which tap, and the order in which things passed
          direction  to_server or to_client
          kind       request, notification, response, error, or not JSON-RPC
          method, id, tool, progress   as far as the message or its request has them
          bytes      the size of the message as it passed
          of         the `n` of the request that it answers, cancels, or reports progress of
          duration_ms                  of an answer, since its request passed
          unasked    true for an answer to nothing, and for what speaks of no open request
          reused     true for a request with the id of one that is still open
          is_error   true for a result that says so
          version    of the protocol, where the headers say it
          batch      true for one of several in a list
          message    the message itself; `head`, its beginning, where it is too large to keep
          parts      how many records follow with the items of a large list
          part, part_of                such items (kind part), the `n` of the message they are from
          asked, answered              of an HTTP exchange (direction http): status and headers,
                                       `left` when it was the client who ended it
          open       the `n` of requests in it that were not answered by its end
          lost, bytes                  what passed unrecorded: the direction, how much

A key that sounds like a secret is masked by the client wherever it stands, so `progressToken` is
repeated as `progress`, which does not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from clientlib import ICCMLogger, Level, parse_level, trace_id_from
from godot.ingest import Parser
from godot.tap.feed import Kind, Piece, lost
from godot.tap.jsonrpc import OF_REQUESTS, Envelope, Form, read
from godot.tap.lines import Line, Lines
from godot.tap.pairing import Link, Pairing, Place

DIRECTIONS = {Kind.TO_SERVER: "to_server", Kind.TO_CLIENT: "to_client", Kind.STDERR: "stderr"}


class _Exchange(msgspec.Struct):
    """An HTTP exchange that is not over: what it began with, and what its headers say."""

    asked: dict[str, object]
    place: Place
    trace_id: str | None
    version: str | None


class Conversation:
    """What passes one tap; `run` tells it from every other run of the same component."""

    def __init__(self, logger: ICCMLogger, run: str) -> None:
        self._logger = logger
        self._run = run
        self._count = 0
        self._pairing = Pairing()
        self._lines: dict[tuple[Kind, int], Lines] = {}
        self._exchanges: dict[int, _Exchange] = {}
        self._stderr = Parser(logger.component)

    def take(self, piece: Piece) -> None:
        """Record what this piece completes."""
        if piece.kind is Kind.LOST:
            kind, count = lost(piece)
            self._lines_of(kind, piece.channel).lose(count)
            data = {"lost": DIRECTIONS[kind], "bytes": count}
            self._log(piece.at_ns, Level.WARN, "bytes passed unrecorded", data)
        elif piece.kind is Kind.ABOUT:
            about = msgspec.json.decode(piece.payload)
            if "ended" in about:
                self._end_exchange(piece.channel, piece.at_ns, about["ended"])
            else:
                self._begin_exchange(piece.channel, about)
        else:
            for line in self._lines_of(piece.kind, piece.channel).add(piece.payload):
                self._line(piece.kind, piece.channel, piece.at_ns, line)

    def say(self, at_ns: int, message: str, data: Mapping[str, object]) -> None:
        """Record something about the tap itself."""
        self._log(at_ns, Level.INFO, message, data)

    def end(self, at_ns: int, about: Mapping[str, object]) -> None:
        """Record what has no end yet, and that it is over."""
        for channel in list(self._exchanges):
            self._end_exchange(channel, at_ns, {"failed": "the tap ended"})
        for kind, channel in list(self._lines):
            self._rest(kind, channel, at_ns)
        self.say(at_ns, "tap ended", {**about, "unanswered": self._pairing.unanswered})

    def _begin_exchange(self, channel: int, asked: dict[str, Any]) -> None:
        headers = {name.lower(): value for name, value in asked["headers"].items()}
        place = Place(channel, headers.get("mcp-session-id"))
        version = headers.get("mcp-protocol-version")
        self._exchanges[channel] = _Exchange(asked, place, trace_id_from(headers), version)

    def _end_exchange(self, channel: int, at_ns: int, ended: Mapping[str, object]) -> None:
        for kind in (Kind.TO_SERVER, Kind.TO_CLIENT):
            self._rest(kind, channel, at_ns)
        exchange = self._exchanges.pop(channel)
        asked = exchange.asked
        title = f"{asked['method']} {asked['path']} {ended.get('status', 'failed')}"
        data: dict[str, object] = {"direction": "http", "asked": asked, "answered": ended}
        if unanswered := self._pairing.open_in(channel):
            data["open"] = [each.number for each in unanswered]
        self._log(at_ns, Level.TRACE, title, data, exchange.trace_id)

    def _rest(self, kind: Kind, channel: int, at_ns: int) -> None:
        """Record the line that came last without an end."""
        if lines := self._lines.pop((kind, channel), None):
            for line in lines.rest():
                self._line(kind, channel, at_ns, line)

    def _lines_of(self, kind: Kind, channel: int) -> Lines:
        return self._lines.setdefault((kind, channel), Lines())

    def _line(self, kind: Kind, channel: int, at_ns: int, line: Line) -> None:
        if kind is Kind.STDERR:
            self._stderr_line(at_ns, line)
        elif line.text.strip():
            self.message(kind, channel, at_ns, line)

    def message(self, kind: Kind, channel: int, at_ns: int, line: Line) -> None:
        """Record the messages of one line or body."""
        exchange = self._exchanges.get(channel)
        place, given = (exchange.place, exchange.trace_id) if exchange else (Place(channel), None)
        for found in read(line.text, whole=line.whole):
            link = self._pairing.link(kind, place, at_ns, found, self._count + 1, given)
            if exchange and kind is Kind.TO_SERVER:
                exchange.trace_id = link.trace_id or given
            data = dict(_told(kind, at_ns, line, found, link))
            if exchange and exchange.version:
                data["version"] = exchange.version
            title = f"{found.form} {data.get('method') or ''}".rstrip()
            self._log(at_ns, Level.TRACE, title, data, link.trace_id)
            about = {"direction": DIRECTIONS[kind], "kind": "part", "part_of": self._count}
            for part in found.parts:
                told = {**about, "part": part}
                self._log(at_ns, Level.TRACE, f"part of {title}", told, link.trace_id)

    def _stderr_line(self, at_ns: int, line: Line) -> None:
        read_line = self._stderr.parse(line.text.decode("utf-8", "replace"))
        level = parse_level(read_line.level or "INFO")[0]
        data = {**(read_line.data or {}), "direction": "stderr"}
        if line.size > len(line.text) + 1:
            data["bytes"] = line.size
        self._log(at_ns, level, read_line.message, data, read_line.trace_id)

    def _log(
        self,
        at_ns: int,
        level: Level,
        message: str,
        data: Mapping[str, object],
        trace_id: str | None = None,
    ) -> None:
        self._count += 1
        if not self._logger.is_enabled(level):
            return
        now_ns = time.time_ns() - (time.monotonic_ns() - at_ns)
        whole = {**data, "tap": {"run": self._run, "n": self._count}}
        self._logger.emit_at(now_ns, level, message, whole, trace_id)


def _told(
    kind: Kind, at_ns: int, line: Line, found: Envelope, link: Link
) -> Iterator[tuple[str, object]]:
    yield "direction", DIRECTIONS[kind]
    yield "kind", found.form
    asked = link.asked
    method = found.method or (asked.method if asked else None)
    if method:
        yield "method", method
    if found.id is not None:
        yield "id", found.id
    tool = asked.tool if asked else found.params.get("name")
    if method == "tools/call" and tool is not None:
        yield "tool", tool
    progress = found.params.get("progressToken", None)
    if progress is None and isinstance(found.meta, dict):
        progress = found.meta.get("progressToken")
    if progress is not None:
        yield "progress", progress
    yield "bytes", line.size
    marks = {"batch": found.batch, "is_error": found.is_error, "reused": link.reused}
    marks["incomplete"] = not line.whole
    yield from ((name, True) for name, is_so in marks.items() if is_so)
    is_answer = found.form in (Form.RESPONSE, Form.ERROR)
    if asked:
        yield "of", asked.number
        if is_answer:
            yield "duration_ms", round((at_ns - asked.at_ns) / 1e6, 3)
    elif is_answer or found.method in OF_REQUESTS:
        yield "unasked", True
    if found.parts:
        yield "parts", len(found.parts)
    yield ("head" if found.is_head else "message"), found.shown
