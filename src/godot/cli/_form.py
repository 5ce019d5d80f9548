"""Form and colour of the output: what options, variables and the terminal make of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

FORMATS = ("text", "json", "jsonl", "csv", "plain")

_F = TypeVar("_F", bound=Callable[..., Any])


def style(text: str, **styles: Any) -> str:
    """Mark text up for a terminal; what writes it strips the marks where colour is off."""
    return click.style(text, **styles)


def decide_colour(choice: str = "auto", environ: Mapping[str, str] | None = None) -> bool | None:
    """Return what `ctx.color` has to be: click itself looks at neither NO_COLOR nor FORCE_COLOR."""
    env = os.environ if environ is None else environ
    if choice != "auto":
        return choice == "always"
    if env.get("NO_COLOR"):
        return False
    if env.get("FORCE_COLOR", "0") not in ("", "0", "false"):
        return True
    return False if env.get("TERM") == "dumb" else None


def colour_allowed() -> bool:
    """Say whether escape codes may go to stdout."""
    context = click.get_current_context(silent=True)
    decided = context.color if context is not None else decide_colour()
    return sys.stdout.isatty() if decided is None else decided


def _set_colour(context: click.Context, _: click.Parameter, choice: str | None) -> None:
    if choice is not None:
        context.color = decide_colour(choice)


def color_option(command: _F) -> _F:
    """Add --color, which beats NO_COLOR and FORCE_COLOR."""
    return click.option(
        "--color",
        type=click.Choice(("auto", "always", "never")),
        expose_value=False,
        callback=_set_colour,
        help="Colour the output; NO_COLOR and FORCE_COLOR are honoured.",
    )(command)


def output_options(command: _F) -> _F:
    """Add -o/--output, --json and --color; the command receives `output`, already resolved."""
    short = click.option(
        "--json",
        "output",
        flag_value="json",
        callback=_resolve,
        help="The same as -o json.",
    )
    named = click.option(
        "-o",
        "--output",
        "output",
        type=click.Choice(FORMATS),
        callback=_resolve,
        help="How to print; default: text on a terminal, plain in a pipe, or GODOT_OUTPUT.",
    )
    return color_option(short(named(command)))


def _resolve(context: click.Context, _: click.Parameter, given: str | None) -> str:
    above = context.parent.params.get("output") if context.parent else None  # godot dlq -o json ls
    return given or above or default_output()


def default_output(environ: Mapping[str, str] | None = None) -> str:
    """Return the form of output for this stdout; raise SettingsError for a wrong GODOT_OUTPUT."""
    wanted = (os.environ if environ is None else environ).get("GODOT_OUTPUT")
    if not wanted:
        return "text" if sys.stdout.isatty() else "plain"
    if wanted not in FORMATS:
        from godot.errors import SettingsError

        raise SettingsError(
            f"GODOT_OUTPUT={wanted!r} is not usable: allowed is {', '.join(FORMATS)}"
        )
    return wanted
