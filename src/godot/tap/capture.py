"""What taps recorded, read back: messages, and requests with what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from dewey_logs import LogRecordView


class Message(msgspec.Struct, frozen=True):
    """One message as it was recorded; see conversation.py for what each part says."""

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
    body: object = None

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
        if self.result.get("isError") is True:
            content = self.result.get("content")
            first = content[0] if isinstance(content, list) and content else None
            return str(_object(first).get("text", "isError"))
        return None


class Exchange(msgspec.Struct):
    """A request, its answer, and what was said about it meanwhile."""

    request: Message
    answer: Message | None = None
    progress: int = 0
    cancelled: bool = False


class Capture(msgspec.Struct):
    """Everything that was recorded of one component, in the order in which it passed."""

    component: str
    runs: int = 0
    messages: list[Message] = []
    exchanges: list[Exchange] = []
    stray: list[Message] = []  # answers to nothing
    unreadable: list[Message] = []  # no JSON-RPC
    stderr: dict[str, int] = {}  # lines by level

    def last_results(self, method: str) -> list[Mapping[str, object]]:
        """Return the results of a method in the newest run that has any: pages of a list."""
        found = [
            exchange.answer
            for exchange in self.exchanges
            if exchange.request.method == method and exchange.answer and exchange.answer.result
        ]
        return [answer.result for answer in found if answer.run == found[-1].run]


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
    by_number: dict[tuple[str, int], Exchange] = {}
    for record in records:
        direction = _object(record.data).get("direction")
        if direction == "stderr":
            capture.stderr[record.level] = capture.stderr.get(record.level, 0) + 1
        elif direction in ("to_server", "to_client"):
            message = _message(record)
            capture.messages.append(message)
            _place(capture, by_number, message)
    return capture


def _place(capture: Capture, by_number: dict[tuple[str, int], Exchange], message: Message) -> None:
    about = by_number.get((message.run, message.of)) if message.of is not None else None
    if message.kind == "request":
        exchange = by_number[message.run, message.number] = Exchange(message)
        capture.exchanges.append(exchange)
    elif message.kind in ("response", "error"):
        if about is None:
            capture.stray.append(message)
        else:
            about.answer = message
    elif message.kind == "notification":
        if about is not None and message.method == "notifications/progress":
            about.progress += 1
        elif about is not None and message.method == "notifications/cancelled":
            about.cancelled = True
    else:
        capture.unreadable.append(message)


def _message(record: LogRecordView) -> Message:
    data = _object(record.data)
    text = {name: _text(data.get(name)) for name in ("method", "tool")}
    of, duration_ms = data.get("of"), data.get("duration_ms")
    return Message(
        record.created_at,
        record.trace_id,
        str(_tap(record)["run"]),
        _number(record),
        str(data.get("direction")),
        str(data.get("kind")),
        id=data.get("id"),
        of=of if isinstance(of, int) else None,
        duration_ms=float(duration_ms) if isinstance(duration_ms, int | float) else None,
        body=data.get("message", data.get("head")),
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
