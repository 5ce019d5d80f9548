"""Log records as lines for eyes on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

from godot.cli._form import style
from godot.cli._look import PLAIN, Look, value_at
from godot.cli._table import UNCUT, screen_width
from godot.cli._text import cell, sanitise, width
from godot.cli._times import offset
from godot.wording import count

if TYPE_CHECKING:
    from dewey_logs import LogRecordView

STYLES: dict[str, dict[str, Any]] = {
    "TRACE": {"dim": True},
    "DEBUG": {"dim": True},
    "INFO": {"fg": "green"},
    "WARN": {"fg": "yellow"},
    "ERROR": {"fg": "red", "bold": True},
}
WIDEST_COMPONENT = 24
UUID_CHARS, SHOWN_TRACE = 36, 8  # of a UUID the first 8 digits will do wherever one is asked for
TRACEBACK = "Traceback (most recent call last)"  # the error itself is its last line
ALWAYS = ("created_at", "level", "component", "message")  # on a terminal
NO_TIME = " " * len("14:05:31.114 ")


class TextLines:
    """Lays records out for a terminal: local time under a line with the date, data as key=value.

    What a record lacks (lines from elsewhere may have no time, level or component) leaves a gap
    only once another had it. Data that the screen has no room for goes on below the message.
    f-strings rather than rich, which takes a hundred times as long.
    """

    def __init__(self, look: Look = PLAIN, columns: int | None = None) -> None:
        self._look = look
        self._columns = screen_width() if columns is None else columns
        self._day = ""
        self._width = 0
        self._levels = False

    def of(self, record: LogRecordView) -> Iterator[str]:
        """Yield the lines of one record, of a new day also its date."""
        head = ""
        if record.created_at:
            at = _local(record.created_at, self._look.zone)
            day = f"{at:%Y-%m-%d} {offset(at)}"
            if day != self._day:
                self._day = day
                yield style(day, dim=True)
            head = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d} "
        elif self._day:
            head = NO_TIME
        origin, indent = self._origin(record)
        first, *more = record.message.split("\n")
        message = sanitise(first)
        pairs, below = self._extras(record)
        yield from self._filled(
            f"{head}{origin}{self._marked(message)}", len(head) + indent, message, pairs
        )
        for line in more:
            yield f"    {style('│', dim=True)} {self._marked(sanitise(line))}"
        yield from below

    def _origin(self, record: LogRecordView) -> tuple[str, int]:
        """Return level and component, as wide as those before, and how wide that is."""
        text, taken = "", 0
        if record.level or self._levels:
            self._levels = True
            text = style(f"{record.level:<5}", **STYLES.get(record.level, {})) + " "
            taken = 6
        if record.component or self._width:
            name = sanitise(record.component)
            self._width = min(WIDEST_COMPONENT, max(self._width, len(name), 8))
            text += f"{name:<{self._width}} "
            taken += max(len(name), self._width) + 1
        return text, taken

    def _filled(
        self, line: str, indent: int, message: str, pairs: list[tuple[str, str]]
    ) -> Iterator[str]:
        """Yield a message with what is said behind it; as many lines as it takes."""
        if self._columns >= UNCUT:
            told = " ".join(f"{style(key, dim=True)}{self._marked(value)}" for key, value in pairs)
            yield f"{line}  {told}" if pairs else line.rstrip()
            return
        used = indent + width(message)
        gap = "  "  # two blanks set data off from the message
        for key, value in pairs:
            wide = width(key) + width(value)
            shown = f"{style(key, dim=True)}{self._marked(value)}"
            if used > indent and used + len(gap) + wide > self._columns:
                yield line
                line, used = " " * indent + shown, indent + wide
            else:
                line, used = f"{line}{gap}{shown}", used + len(gap) + wide
            gap = " "
        yield line.rstrip()

    def _extras(self, record: LogRecordView) -> tuple[list[tuple[str, str]], list[str]]:
        """Return data as `key=` and value, and the lines below for values that have several."""
        pairs, below = [], []
        for key, value in _shown(record, self._look):
            if isinstance(value, str) and "\n" in value:
                below.append(self._summed_up(record, key, value))
            else:
                pairs.append((sanitise(key) + "=", _value(value)))
        return pairs, below

    def _summed_up(self, record: LogRecordView, key: str, text: str) -> str:
        """Return the one line of a stack trace, or of any other long text, that says most."""
        lines = [line for line in text.split("\n") if line.strip()] or [""]
        telling = lines[-1] if lines[0].startswith(TRACEBACK) else lines[0]
        more = ""
        if len(lines) > 1:
            where = f", godot show {record.id}" if record.id else ""
            more = style(f"  (+{count(len(lines) - 1, 'line')}{where})", dim=True)
        name = style(f"    ╰ {sanitise(key)}:", dim=True)
        return f"{name} {self._marked(sanitise(telling.strip()))}{more}"

    def _marked(self, text: str) -> str:
        pattern = self._look.highlight
        if pattern is None:
            return text
        return pattern.sub(lambda m: style(m[0], fg="black", bg="yellow") if m[0] else "", text)


def _local(text: str, zone: tzinfo | None) -> datetime:
    at = datetime.fromisoformat(text)
    try:
        return at.astimezone(zone)
    except OverflowError:  # a line from elsewhere, of the first or the last day of the calendar
        return at


def _shown(record: LogRecordView, look: Look) -> Iterator[tuple[str, object]]:
    """Yield what stands behind a message: data, the trace, and the id for those who want it."""
    if look.fields:
        named = (name for name in look.fields if name not in ALWAYS)
        found = ((name, value_at(record, name)) for name in named)
        yield from ((name, value) for name, value in found if value is not None)
    else:
        for key, value in (record.data or {}).items():
            if not look.hide or (key not in look.hide and f"data.{key}" not in look.hide):
                yield key, value
        if record.trace_id and "trace_id" not in look.hide:
            yield "trace", short_trace(record.trace_id)
    if look.ids and "id" not in look.fields:
        yield "id", record.id


def short_trace(trace_id: str) -> str:
    """Return the beginning of a UUID, which is enough to ask for it; another id is meant whole."""
    is_uuid = len(trace_id) == UUID_CHARS and trace_id[SHOWN_TRACE] == "-"
    return trace_id[:SHOWN_TRACE] if is_uuid else trace_id


def _value(value: object) -> str:
    """Return a value that cannot be taken for several: quoted where it has blanks or quotes."""
    text = "null" if value is None else cell(value)
    if isinstance(value, str) and (not text or any(c in text for c in ' "=')):
        return '"' + text.replace('"', '\\"') + '"'
    return text
