"""What taps recorded, read back: messages, and requests with what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from dewey_logs import LogRecordView
from godot.tap.jsonrpc import OF_REQUESTS

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"


class Message(msgspec.Struct, frozen=True):
    """One message as it was recorded; see conversation.py for what each part says.

    `body` is the message itself, or its beginning as text where it was too large to keep.
    """

    at: str
    trace_id: str | None
    run: str
    number: int
    direction: str
    kind: str
    method: str | None = None
    id: object = None
    tool: str | None = None
    of: int | None = None
    duration_ms: float | None = None
    version: str | None = None
    is_error: bool = False
    batch: bool = False
    reused: bool = False
    body: object = None

    @property
    def params(self) -> Mapping[str, object]:
        """Return the parameters of a request or notification, or nothing."""
        return _object(_object(self.body).get("params"))

    @property
    def result(self) -> Mapping[str, object]:
        """Return the result of a response, or nothing."""
        return _object(_object(self.body).get("result"))

    @property
    def failure(self) -> str | None:
        """Return why an answer is none: its error, or the text of a result that says `isError`."""
        if self.kind == "error":
            error = _object(_object(self.body).get("error"))
            return f"{error.get('code')}: {error.get('message')}"
        if self.is_error or self.result.get("isError") is True:
            content = self.result.get("content")
            first = content[0] if isinstance(content, list) and content else None
            return str(_object(first).get("text", "isError"))
        return None


class Exchange(msgspec.Struct):
    """A request, its answer, and what was said about it meanwhile.

    Of one whose HTTP exchange ended without an answer there is the `status` of that, and whether it
    was the client who `left`.
    """

    request: Message
    answer: Message | None = None
    progress: list[Message] = []
    cancelled: Message | None = None
    status: object = None
    left: bool = False

    @property
    def given_up(self) -> bool:
        """Say whether the client waits for an answer no more."""
        return self.cancelled is not None or (self.left and self.answer is None)

    @property
    def unanswered(self) -> bool:
        """Say whether an answer is missing that the client did not give up."""
        return self.answer is None and not self.given_up


class Capture(msgspec.Struct):
    """Everything that was recorded of one component, in the order in which it passed."""

    component: str
    runs: int = 0
    messages: list[Message] = []
    exchanges: list[Exchange] = []
    stray: list[Message] = []  # answers to nothing, and what speaks of no open request
    unreadable: list[Message] = []  # no JSON-RPC
    stderr: dict[str, int] = {}  # lines by level
    lost_bytes: int = 0  # that passed unrecorded

    def unkept(self, method: str) -> int:
        """Return how many results to a method were too large to be kept."""
        answers = [each.answer for each in self.exchanges if each.request.method == method]
        return sum(
            answer is not None
            and answer.kind == "response"
            and not isinstance(answer.body, Mapping)
            for answer in answers
        )

    def last_results(self, method: str) -> list[Message]:
        """Return the newest answers to a method that are results: all pages of a list."""
        found: list[Message] = []
        for exchange in self.exchanges:
            if exchange.request.method == method and exchange.answer and exchange.answer.result:
                if exchange.request.params.get("cursor") is None:
                    found = []
                found.append(exchange.answer)
        return found


def captures(records: Iterable[LogRecordView]) -> list[Capture]:
    """Sort records of taps by component, and pair what belongs together."""
    found: dict[str, list[LogRecordView]] = {}
    for record in records:
        if isinstance(_object(_object(record.data).get("tap")).get("n"), int):
            found.setdefault(record.component, []).append(record)
    return [_capture(component, rows) for component, rows in sorted(found.items())]


def _capture(component: str, records: list[LogRecordView]) -> Capture:
    capture = Capture(component)
    started: dict[str, str] = {}
    for record in records:
        run = str(_tap(record)["run"])
        started[run] = min(started.get(run, record.created_at), record.created_at)
    capture.runs = len(started)
    records.sort(key=lambda record: (started[str(_tap(record)["run"])], _number(record)))
    parts: dict[tuple[str, object], list[Mapping[str, object]]] = {}
    for record in records:
        data = _object(record.data)
        if data.get("kind") == "part":
            about = (str(_tap(record)["run"]), data.get("part_of"))
            parts.setdefault(about, []).append(_object(data.get("part")))
    by_number: dict[tuple[str, int], Exchange] = {}
    agreed: dict[str, str] = {}  # the version of each run's newest handshake
    for record in records:
        data = _object(record.data)
        direction = data.get("direction")
        if data.get("kind") == "part":
            continue
        if direction == "stderr":
            capture.stderr[record.level] = capture.stderr.get(record.level, 0) + 1
        elif direction in ("to_server", "to_client"):
            message = _message(record, parts)
            request = by_number.get((message.run, message.of)) if message.of is not None else None
            message = _with_version(message, request, agreed)
            capture.messages.append(message)
            _place(capture, by_number, message, request)
        elif direction == "http":
            _end(by_number, str(_tap(record)["run"]), data)
        elif isinstance(lost := data.get("bytes"), int) and "lost" in data:
            capture.lost_bytes += lost
    return capture


def _place(
    capture: Capture,
    by_number: dict[tuple[str, int], Exchange],
    message: Message,
    request: Exchange | None,
) -> None:
    """Put a message where it belongs; one whose request lies outside the time asked for nowhere."""
    if message.kind == "request":
        exchange = by_number[message.run, message.number] = Exchange(message)
        capture.exchanges.append(exchange)
    elif message.kind in ("response", "error"):
        if request is not None:
            request.answer = message
        elif message.of is None:
            capture.stray.append(message)
    elif message.kind == "notification":
        if message.method not in OF_REQUESTS:
            return
        if request is not None and message.method == "notifications/cancelled":
            request.cancelled = message
        elif request is not None:
            request.progress.append(message)
        elif message.of is None:
            capture.stray.append(message)
    else:
        capture.unreadable.append(message)


def _end(by_number: dict[tuple[str, int], Exchange], run: str, data: Mapping[str, object]) -> None:
    """Note how an HTTP exchange ended for the requests in it that were not answered."""
    answered, unanswered = _object(data.get("answered")), data.get("open")
    for number in unanswered if isinstance(unanswered, list) else []:
        if exchange := by_number.get((run, number)):
            exchange.status = answered.get("status")
            exchange.left = answered.get("left") is True


def _with_version(message: Message, request: Exchange | None, agreed: dict[str, str]) -> Message:
    """Return a message with the version of the protocol that it is written in, if that is known.

    Since 2026-07-28 each request says it; before, a handshake agrees on one, and over HTTP the
    headers of what follows repeat it.
    """
    if message.method == "initialize":
        said = message.result if message.kind == "response" else message.params
        version = _text(said.get("protocolVersion"))
    else:
        version = _text(_object(message.params.get("_meta")).get(VERSION_KEY))
    if version is None and request is not None:
        version = request.request.version
    version = version or message.version or agreed.get(message.run)
    if version is not None and message.kind == "response":
        agreed[message.run] = version
    return msgspec.structs.replace(message, version=version)


def _whole(data: Mapping[str, object], parts: Sequence[Mapping[str, object]]) -> object:
    """Return a message as it passed, or its beginning where it was not kept."""
    if not data.get("parts"):
        return data.get("message", data.get("head"))
    if len(parts) != data["parts"]:
        return None  # some are not stored
    body = _object(data.get("message"))
    lists: dict[str, list[object]] = {}
    for part in parts:
        for name, items in part.items():
            lists.setdefault(name, []).extend(items if isinstance(items, list) else [])
    return {**body, "result": {**_object(body.get("result")), **lists}}


def _message(
    record: LogRecordView, parts: Mapping[tuple[str, object], Sequence[Mapping[str, object]]]
) -> Message:
    data = _object(record.data)
    text = {name: _text(data.get(name)) for name in ("method", "tool", "version")}
    of, duration_ms = data.get("of"), data.get("duration_ms")
    run, number = str(_tap(record)["run"]), _number(record)
    return Message(
        record.created_at,
        record.trace_id,
        run,
        number,
        str(data.get("direction")),
        str(data.get("kind")),
        id=data.get("id"),
        of=of if isinstance(of, int) else None,
        duration_ms=float(duration_ms) if isinstance(duration_ms, int | float) else None,
        is_error=data.get("is_error") is True,
        batch=data.get("batch") is True,
        reused=data.get("reused") is True,
        body=_whole(data, parts.get((run, number), ())),
        **text,
    )


def _tap(record: LogRecordView) -> Mapping[str, object]:
    return {"run": "", **_object(_object(record.data).get("tap"))}


def _number(record: LogRecordView) -> int:
    number = _tap(record)["n"]
    assert isinstance(number, int)
    return number


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
