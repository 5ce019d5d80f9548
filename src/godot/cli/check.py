"""PIPELINE: checks for a monitoring system, in its own form and with its own exit codes.

Nagios and everything that speaks its plugins' language read one line and an exit code: 0 ok,
1 warning, 2 critical, 3 unknown. So these commands end with those, and with no other: a question
that cannot be read, or a bug, is `unknown`, too, in the form that was asked for.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from godot.cli._errors import failure_of
from godot.cli._group import Command, Entry, LazyGroup, silence_stdout
from godot.cli._number import Whole
from godot.cli._output import json_text, sanitise, write_line
from godot.cli._times import Span

if TYPE_CHECKING:
    from dewey_logs import Store
    from godot.checks import Verdict
    from godot.settings import Settings

EXIT = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}
FORMATS = ("nagios", "json", "prometheus")


class Percent(click.ParamType[float]):
    """`80%`, or 80."""

    name = "percent"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        try:
            found = float(str(value).removesuffix("%"))
        except ValueError:
            found = math.nan
        if not 0 <= found < math.inf:  # nothing is ever more than what is no number
            self.fail(f"{value!r} is no percentage: write 80%", param, ctx)
        return found


class Checks(LazyGroup):
    """Ends what is no verdict as `unknown`: by other codes it would pass for a warning."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _unknown():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _unknown():
            return super().invoke(ctx)


@contextmanager
def _unknown() -> Iterator[None]:
    try:
        yield
    except click.ClickException as exc:  # a question that cannot be read, or no room for the answer
        exc.exit_code = EXIT["unknown"]  # type: ignore[misc]  # click reads it from the instance
        raise


ENTRIES = (
    Entry("stream", "godot.cli.check", "stream", "Is there room for what comes?", "CHECKS"),
    Entry("group", "godot.cli.check", "group", "Are records stored in time?", "CHECKS"),
    Entry("store", "godot.cli.check", "store", "Does the store answer?", "CHECKS"),
    Entry("heartbeat", "godot.cli.check", "heartbeat", "Does a record arrive?", "CHECKS"),
    Entry("dlq", "godot.cli.check", "dlq", "Are there dead letters?", "CHECKS"),
)


@click.group(
    cls=Checks,
    entries=ENTRIES,
    examples="""
    godot check group --warn 30s --crit 5m    how long the oldest record waits
    godot check heartbeat                     send a record, wait until it is stored
    godot check stream --format prometheus    for a textfile collector
    """,
)
def check() -> None:
    """Check one thing for a monitoring system. [read]

    Exit codes are those of Nagios: 0 ok, 1 warning, 2 critical, 3 unknown.
    """


def _options(
    kind: click.ParamType[Any], warn: str, crit: str
) -> Callable[[Callable[..., Verdict]], Callable[..., Any]]:
    """Add the two limits, and the form in which the verdict that a command returns is written."""

    def add(look: Callable[..., Verdict]) -> Callable[..., Any]:
        @wraps(look)
        def answering(form: str, **limits: Any) -> None:
            _answer(_looked(look, **limits), form)

        command: Callable[..., Any] = answering
        for option in (
            click.option(
                "-o", "--format", "form", type=click.Choice(FORMATS), default="nagios",
                show_default=True, help="What the answer is written for.",
            ),
            click.option(
                "--crit", type=kind, default=crit, show_default=True, help="From here on critical."
            ),
            click.option(
                "--warn", type=kind, default=warn, show_default=True, help="From here on a warning."
            ),
        ):  # fmt: skip
            command = option(command)
        return command

    return add


@click.command(
    cls=Command,
    examples="""
    godot check stream                        by the share of its limit that is not stored
    godot check stream --warn 30% --crit 60%
    godot check stream --format json
    """,
)
@_options(Percent(), "50%", "80%")
def stream(warn: float, crit: float) -> Verdict:
    """Check how full the stream is of what is not stored yet; critical when loss is near. [read]"""
    from godot import checks

    return checks.stream(_settings(), warn, crit)


@click.command(
    cls=Command,
    examples="""
    godot check group                         by the age of the oldest record that waits
    godot check group --warn 10s --crit 1m
    godot check group --format prometheus
    """,
)
@_options(Span(), "30s", "5m")
def group(warn: int, crit: int) -> Verdict:
    """Check how long records wait to be stored; critical when stalled or nobody reads. [read]"""
    from godot import checks

    return checks.group(_settings(), warn / 1000, crit / 1000)


@click.command(
    cls=Command,
    examples="""
    godot check store                         whether it takes records, and how soon it answers
    godot check store --warn 200ms --crit 2s
    godot check store --format json
    """,
)
@_options(Span(), "1s", "5s")
def store(warn: int, crit: int) -> Verdict:
    """Check that the store can be written to, and how soon it answers. [read]"""
    from godot import checks

    with _store(_settings()) as opened:
        return checks.store(opened, warn / 1000, crit / 1000)


@click.command(
    cls=Command,
    examples="""
    godot check heartbeat                     send a record, wait until it is stored
    godot check heartbeat --warn 2s --crit 10s
    godot check heartbeat --format json
    """,
)
@_options(Span(), "5s", "30s")
def heartbeat(warn: int, crit: int) -> Verdict:
    """Check the whole path by a record that is sent, and looked for in the store. [write]"""
    from godot import checks

    settings = _settings()
    with _store(settings) as opened:
        return checks.heartbeat(settings, opened, warn / 1000, crit / 1000)


@click.command(
    cls=Command,
    examples="""
    godot check dlq                           a warning from the first one on
    godot check dlq --warn 10 --crit 1000
    godot check dlq --format json
    """,
)
@_options(Whole(0), "1", "100")
def dlq(warn: int, crit: int) -> Verdict:
    """Check how many dead letters wait for a person. [read]"""
    from godot import checks

    with _store(_settings()) as opened:
        return checks.dead_letters(opened, warn, crit)


def _settings() -> Settings:
    from godot.settings import load

    return load()


def _store(settings: Settings) -> Store:
    from godot.cli._store import opened

    return opened(settings)


def _looked(look: Callable[..., Verdict], **limits: Any) -> Verdict:
    """Return what a check finds; of one that could not end, that nobody knows and why."""
    from godot.checks import Verdict

    try:
        return look(**limits)
    except Exception as exc:  # noqa: BLE001  # whatever it is, the answer is that nobody knows
        failure = failure_of(exc)
        if failure is not None:
            return Verdict(look.__name__, "unknown", f"{failure.code} {failure.message}")
        traceback.print_exc()
        return Verdict(look.__name__, "unknown", f"a bug: {type(exc).__name__}: {exc}")


def _answer(found: Verdict, form: str) -> None:
    """Write the verdict and end with its exit code, which stands without a reader, too."""
    if form == "json":
        import msgspec

        document = {"schema": "godot.check/1", **msgspec.to_builtins(found)}
        text = json_text(document, indent=2)
    else:
        text = "\n".join(_exposition(found)) if form == "prometheus" else _nagios(found)
    try:
        write_line(text)
    except BrokenPipeError:
        silence_stdout()
    raise click.exceptions.Exit(EXIT[found.level])


def _nagios(found: Verdict) -> str:
    text = f"GODOT {found.check.upper()} {found.level.upper()} - {_one_line(found.text)}"
    perf = [
        f"{name}={_number(value)}" for name, value in found.figures.items() if value is not None
    ]
    if found.value is not None:
        limits = f";{_number(found.warn)};{_number(found.crit)};0"
        perf.insert(0, f"{found.check}={_number(found.value)}{found.unit}{limits}")
    return f"{text} | {' '.join(perf)}" if perf else text


def _exposition(found: Verdict) -> list[str]:
    labels = f'{{check="{found.check}"}}'
    lines = [
        "# HELP godot_check_status What a check found: 0 ok, 1 warning, 2 critical, 3 unknown.",
        "# TYPE godot_check_status gauge",
        f"godot_check_status{labels} {EXIT[found.level]}",
    ]
    if found.value is not None:
        lines += [
            "# HELP godot_check_value What was held against the limits, in seconds or percent.",
            "# TYPE godot_check_value gauge",
            f"godot_check_value{labels} {_number(found.value)}",
        ]
    return lines


def _number(value: float | None) -> str:
    """Return a number without an exponent, which plugins may not have."""
    return "" if value is None else f"{value:.6f}".rstrip("0").rstrip(".")


def _one_line(text: str) -> str:
    """Return text that cannot pass for figures or for another line."""
    return sanitise(" ".join(text.split())).replace("|", "/")
