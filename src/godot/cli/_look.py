"""What is shown of log records, as options, and what those mean for one record."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from dewey_logs import LogRecordView

COLUMNS = ("created_at", "level", "component", "message", "trace_id", "data", "id")


class Look(NamedTuple):
    """What is shown of each record, and what stands out in it.

    `fields` and `hide` name columns, or places in data as `order` or `http.method`. On a terminal
    `fields` are those shown behind the message, elsewhere they are all there is.
    """

    fields: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()
    highlight: re.Pattern[str] | None = None
    ids: bool = False
    zone: tzinfo | None = None  # None: the local one


PLAIN = Look()


def look_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what says how records are shown; the command receives it as `look`."""

    @wraps(command)
    def looking(
        *args: Any,
        fields: tuple[str, ...],
        hide: tuple[str, ...],
        highlight: re.Pattern[str] | None,
        ids: bool,
        utc: bool,
        **others: Any,
    ) -> Any:
        look = Look(fields, hide, highlight, ids, UTC if utc else None)
        return command(*args, look=look, **others)

    made: Callable[..., Any] = looking
    for option in reversed(
        (
            click.option(
                "--fields", callback=_names, metavar="A,B",
                help="Show these only: columns, or keys of data as order or http.method.",
            ),
            click.option("--hide", callback=_names, metavar="A,B", help="Show all but these."),
            click.option(
                "-H", "--highlight", type=Regex(), help="What shall stand out; hides nothing."
            ),
            click.option("--id", "ids", is_flag=True, help="Show ids, which godot show takes."),
            click.option("--utc", is_flag=True, help="Times in UTC; else they are local."),
        )
    ):  # fmt: skip
        made = option(made)
    return made


def _names(_: click.Context, __: click.Parameter, given: str | None) -> tuple[str, ...]:
    names = tuple(name.strip() for name in (given or "").split(",") if name.strip())
    if given and not names:
        raise click.BadParameter(f"{given!r} names nothing: write level,message,data.order")
    return names


class Regex(click.ParamType[re.Pattern[str]]):
    """A regular expression of Python's."""

    name = "re"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> re.Pattern[str]:
        if isinstance(value, re.Pattern):
            return value
        try:
            return re.compile(str(value))
        except re.error as exc:
            self.fail(f"{value!r} is no regular expression: {exc}", param, ctx)


def exclude_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --exclude; the command receives `exclude`, for `kept`."""
    return click.option(
        "-x", "--exclude", type=Regex(), multiple=True,
        help="Leave out messages in which this is found; may be repeated.",
    )(command)  # fmt: skip


def kept(exclude: tuple[re.Pattern[str], ...]) -> Callable[[LogRecordView], bool] | None:
    """Return what says whether a record stays; None when all of them do."""
    if not exclude:
        return None
    return lambda record: not any(pattern.search(record.message) for pattern in exclude)


def value_at(record: LogRecordView, name: str) -> object:
    """Return a column, or what lies at a place in data: a key may have dots itself."""
    if name in COLUMNS:
        return getattr(record, name)
    name = name.removeprefix("data.")
    data: object = record.data or {}
    if isinstance(data, Mapping) and name in data:
        return data[name]
    for key in name.split("."):
        if not isinstance(data, Mapping) or key not in data:
            return None
        data = data[key]
    return data
