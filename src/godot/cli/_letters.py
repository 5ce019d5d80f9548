"""Which dead letters a command means."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dewey_logs import DeadLetterFilter


def selection(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the ways of saying which letters: IDs or --reason."""
    reason = click.option("--reason", metavar="TEXT", help="Those whose reason holds this text.")
    return click.argument("ids", nargs=-1, metavar="[ID]...")(reason(command))


def wanted_letters(ids: tuple[str, ...], reason: str | None, state: str) -> DeadLetterFilter:
    """Return what `selection` was given as a filter; `state` may be `all`."""
    from dewey_logs import DeadLetterFilter

    return DeadLetterFilter(
        ids=ids,
        reason=reason,
        state=None if state == "all" else state,  # type: ignore[arg-type]  # click checked it
    )
