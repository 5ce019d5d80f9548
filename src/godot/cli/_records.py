"""Log records as lines: for eyes on a terminal, for programs everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from godot.cli._output import cell, emit_rows, sanitise, style, write_line

if TYPE_CHECKING:
    from dewey_logs import LogFilter, LogRecordView

COLUMNS = ("created_at", "level", "component", "message", "trace_id", "data", "id")
SCHEMA = "godot.records/1"
STYLES: dict[str, dict[str, Any]] = {
    "TRACE": {"dim": True},
    "DEBUG": {"dim": True},
    "INFO": {"fg": "green"},
    "WARN": {"fg": "yellow"},
    "ERROR": {"fg": "red", "bold": True},
}
WIDEST_COMPONENT = 24


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the filters that `tail` and `query` share."""
    for option in reversed(
        (
            click.option("-l", "--level", metavar="LEVEL", help="This level and above."),
            click.option(
                "-c", "--component", multiple=True, metavar="NAME",
                help="A component, or api.*; may be repeated.",
            ),
            click.option(
                "-t", "--trace", "trace_id", metavar="ID",
                help="A trace; of a UUID the first 8 digits will do.",
            ),
            click.option(
                "--data", multiple=True, callback=_data, metavar="KEY=VALUE",
                help="What data holds; may be repeated.",
            ),
            click.option(
                "-w", "--where", multiple=True, metavar="TERMS",
                help="Terms as text, e.g. 'data.order>8000 level>=warn'; may be repeated.",
            ),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def search_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the filters that `query` and `clear` share; `search_filter` takes them as they come."""
    for option in reversed(
        (
            click.argument("text", required=False),
            click.option("-s", "--since", metavar="TIME", help="15m, 2h, today, or RFC 3339."),
            click.option("-u", "--until", metavar="TIME", help="Like --since."),
            filter_options,
            click.option(
                "--contains", metavar="TEXT", help="Part of the message, in any case; slower."
            ),
            click.option(
                "--regex", metavar="RE", help="Regular expression over the message; slowest."
            ),
        )
    ):
        command = option(command)
    return command


def search_filter(
    *,
    text: str | None,
    since: str | None,
    until: str | None,
    level: str | None,
    component: tuple[str, ...],
    trace_id: str | None,
    data: dict[str, object],
    where: tuple[str, ...],
    contains: str | None,
    regex: str | None,
    **paging: Any,
) -> LogFilter:
    """Return what `search_options` were given as a filter, with its limit, cursor and order."""
    from dewey_logs import LogFilter, narrowed

    wanted = LogFilter(
        since=with_zone(since),
        until=with_zone(until),
        component=component,
        level=level,
        trace_id=trace_id,
        search=text,
        contains=contains,
        regex=regex,
        data=data or None,
        **paging,
    )
    return narrowed(" ".join(where), wanted)


def _data(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, object]:
    """Read key=value, where the value is JSON if it reads as such; a.b=1 is an object in one."""
    import json

    data: dict[str, object] = {}
    for text in given:
        path, equals, value = text.partition("=")
        if not path or not equals:
            raise click.BadParameter(f"{text!r} is not key=value")
        try:
            read: object = json.loads(value)
        except ValueError:
            read = value
        *outer, key = path.split(".")
        place = data
        for name in outer:
            inner = place.setdefault(name, {})
            if not isinstance(inner, dict):
                raise click.BadParameter(f"{text!r} contradicts another --data")
            place = inner
        place[key] = read
    return data


def with_zone(text: str | None) -> str | None:
    """Give a time typed without a zone the local one: that is how times are shown here too."""
    if text is None:
        return None
    word = text.strip()
    days = {"today": 0, "yesterday": 1}.get(word.lower())
    if days is not None:
        midnight = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
        return (midnight - timedelta(days=days)).astimezone().isoformat()
    try:
        at = datetime.fromisoformat(word)
        return at.astimezone().isoformat() if at.tzinfo is None else text
    except (
        ValueError,
        OverflowError,
    ):  # also at either end of the calendar: the store refuses both
        return text


def show_records(
    records: Iterable[LogRecordView], output: str, *, truncated: bool = False, **about: object
) -> None:
    """Write records one by one, in the form asked for; a JSON document waits for the last."""
    if output == "text":
        lines = TextLines()
        for record in records:
            for line in lines.of(record):
                write_line(line)
        return
    rows = map(row_of, records)
    emit_rows(rows, COLUMNS, output=output, schema=SCHEMA, truncated=truncated, numbers=(), **about)


def row_of(record: LogRecordView) -> Mapping[str, object]:
    """Return a record as columns."""
    return {name: getattr(record, name) for name in COLUMNS}


class TextLines:
    """Lays records out for a terminal: local time under a line with the date, data as key=value.

    f-strings rather than rich, which takes a hundred times as long for a line.
    """

    def __init__(self) -> None:
        self._day = ""
        self._width = 8

    def of(self, record: LogRecordView) -> Iterator[str]:
        """Yield the lines of one record, of a new day also its date."""
        at = datetime.fromisoformat(record.created_at).astimezone()
        day = f"{at:%Y-%m-%d} {_offset(at)}"
        if day != self._day:
            self._day = day
            yield style(day, dim=True)
        component = sanitise(record.component)
        self._width = min(WIDEST_COMPONENT, max(self._width, len(component)))
        first, *more = record.message.split("\n")
        head = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"
        level = style(f"{record.level:<5}", **STYLES.get(record.level, {}))
        rest = "".join(f" {style(key + '=', dim=True)}{value}" for key, value in _extras(record))
        if rest:
            rest = f" {rest}"  # two blanks set data off from the message
        yield f"{head} {level} {component:<{self._width}} {sanitise(first)}{rest}"
        for line in more:
            yield f"    {style('│', dim=True)} {sanitise(line)}"


def _extras(record: LogRecordView) -> Iterator[tuple[str, str]]:
    for key, value in (record.data or {}).items():
        yield sanitise(key), _value(value)
    if record.trace_id:
        yield "trace", sanitise(record.trace_id)


def _value(value: object) -> str:
    """Return a value that cannot be taken for several: quoted where it has blanks or quotes."""
    text = "null" if value is None else cell(value)
    if isinstance(value, str) and (not text or any(c in text for c in ' "=')):
        return '"' + text.replace('"', '\\"') + '"'
    return text


def _offset(at: datetime) -> str:
    zone = f"{at:%z}"
    return f"{zone[:3]}:{zone[3:5]}"
