"""The filters that commands share, as options."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dewey_logs import LogFilter


_OF_TODAY = re.compile(r"\d\d:\d\d(?::\d\d)?", re.ASCII)
LEVELS = ("trace", "debug", "info", "warn", "error")


def _beginning(_: click.Context, __: click.Parameter, text: str) -> list[str]:
    return [name for name in LEVELS if name.startswith(text.lower())]


def level_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --level, which a shell completes."""
    return click.option(
        "-l", "--level", metavar="LEVEL", shell_complete=_beginning, help="This level and above."
    )(command)


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the filters that `tail` and `query` share."""
    for option in reversed(
        (
            level_option,
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
                help="Terms as text, e.g. 'data.order>8000 level>=warn'; may be repeated. "
                "Times without a zone are UTC there.",
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
            click.option(
                "-s",
                "--since",
                metavar="TIME",
                help="15m, 14:05, today, or RFC 3339; without a zone it is local time.",
            ),
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
            json.dumps(read, allow_nan=False)  # NaN and 1e999 are no JSON, though they read as such
        except (ValueError, RecursionError):
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
    if _OF_TODAY.fullmatch(word):
        word = f"{datetime.now():%Y-%m-%d}T{word}"
    try:
        at = datetime.fromisoformat(word)
        return at.astimezone().isoformat() if at.tzinfo is None else text
    except (
        ValueError,
        OverflowError,
    ):  # also at either end of the calendar: the store refuses both
        return text
