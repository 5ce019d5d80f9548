"""OPERATE: which records running programs make at all."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from godot.cli._group import Command, Entry, LazyGroup
from godot.cli._output import emit_document, emit_rows, note, output_options, sanitise
from godot.cli._times import Span

if TYPE_CHECKING:
    from dewey_logs import LevelSetting

SCHEMA = "godot.level/1"
COLUMNS = ("component", "level", "expires_at")
MAX_COMPONENT_CHARS = 128

ENTRIES = (
    Entry("show", "godot.cli.level", "show", "List the levels set.", "LEVELS"),
    Entry("set", "godot.cli.level", "set_", "Set a component's level.", "LEVELS"),
    Entry("clear", "godot.cli.level", "clear", "Let programs decide again.", "LEVELS"),
)


class Name(click.ParamType[str]):
    """A component, or `*` for every one that has no level of its own."""

    name = "component"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not text.strip() or "\0" in text or len(text) > MAX_COMPONENT_CHARS:
            self.fail("a component has 1 to 128 characters, or is `*`", param, ctx)
        return text


class LevelName(click.ParamType[str]):
    """One of the five levels, in any case; WARNING, CRITICAL and FATAL are understood."""

    name = "level"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from clientlib import RecordError, parse_level

        try:
            return parse_level(str(value))[0].name
        except RecordError:
            self.fail(f"{value!r} is no level: TRACE, DEBUG, INFO, WARN or ERROR", param, ctx)


@click.group(
    cls=LazyGroup,
    entries=ENTRIES,
    invoke_without_command=True,
    examples="""
    godot level                               what is set
    godot level set billing debug --for 10m   more of one program, for ten minutes
    godot level set "*" warn                  less of all others, until it is cleared
    godot level clear billing                 let it decide again
    """,
)
@output_options
@click.pass_context
def level(context: click.Context, output: str) -> None:
    """Say from outside which records running programs make. Alone: what is set. [read]

    Programs hear of it within two seconds. A component's own level wins over that of `*`.
    """
    if context.invoked_subcommand is None:
        _show(output)


@click.command(
    cls=Command,
    examples="""
    godot level show                          what is set, and until when
    godot level show -o json                  for a script
    godot level show -o plain | cut -f1       whose level is set
    """,
)
@output_options
def show(output: str) -> None:
    """List the levels set from outside, as far as they have not expired. [read]"""
    _show(output)


@click.command(
    cls=Command,
    examples="""
    godot level set billing debug --for 10m   returns by itself
    godot level set billing error             stays until it is cleared
    godot level set "*" info                  every component without a level of its own
    """,
)
@click.argument("component", type=Name())
@click.argument("least", metavar="LEVEL", type=LevelName())
@click.option("--for", "for_ms", type=Span(), help="How long, as 90s, 10m, 2h; default: for good.")
@output_options
def set_(component: str, least: str, for_ms: int | None, output: str) -> None:
    """Set the least level that a component's programs log. [write]"""
    from dewey_logs import LevelChange
    from godot.cli._store import myself, opened
    from godot.levels import MAX_FOR_MS, set_level
    from godot.settings import load

    if for_ms is not None and not 1_000 <= for_ms <= MAX_FOR_MS:
        raise click.BadParameter("from 1s to 366d", param_hint="--for")
    settings = load()
    with opened(settings) as store:
        change = LevelChange(myself("godot level set"))
        setting = set_level(settings, store, component, least, for_ms, change=change)
    emit_document(_row(setting), [_line(setting)], output=output, schema=SCHEMA)


@click.command(
    cls=Command,
    examples="""
    godot level clear billing                 one component
    godot level clear "*"                     what was set for all others
    godot level clear --all                   everything
    """,
)
@click.argument("component", type=Name(), required=False)
@click.option("--all", "everything", is_flag=True, help="Every level that is set.")
@output_options
def clear(component: str | None, everything: bool, output: str) -> None:
    """Take levels back: programs log again what they are set up for. [write]"""
    from dewey_logs import LevelChange
    from godot.cli._store import myself, opened
    from godot.levels import clear_levels
    from godot.settings import load

    if (component is None) != everything:
        raise click.UsageError("say which: either a component, or --all")
    settings = load()
    with opened(settings) as store:
        change = LevelChange(myself("godot level clear"))
        gone = clear_levels(settings, store, component, change=change)
    shown = [f"cleared: {sanitise(name)}" for name in sorted(gone)] or ["nothing was set"]
    emit_document({"cleared": sorted(gone)}, shown, output=output, schema=SCHEMA)


def _show(output: str) -> None:
    from godot.cli._store import opened
    from godot.settings import load

    with opened(load()) as store:
        rows = [_row(setting) for setting in store.levels()]
    if output == "text":
        left = [{**row, "ends_in": _left(row["expires_at"])} for row in rows]
        emit_rows(left, ("component", "level", "ends_in"), output=output)
    else:
        emit_rows(rows, COLUMNS, output=output, schema=SCHEMA)
    if not rows:
        note("no level is set: every program logs what it is set up for")


def _left(expires_at: object) -> str:
    """Return for how long a level is still set, by the clock here."""
    from godot.wording import until

    return "-" if expires_at is None else until(str(expires_at))


def _row(setting: LevelSetting) -> dict[str, object]:
    return {name: getattr(setting, name) for name in COLUMNS}


def _line(setting: LevelSetting) -> str:
    end = ""
    if setting.expires_at is not None:
        at = datetime.fromisoformat(setting.expires_at).astimezone()
        end = f" until {at.isoformat(' ', 'seconds')}"
    return f"{sanitise(setting.component)} logs {setting.level} and above{end}"
