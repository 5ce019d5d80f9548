"""How a command ends: exit codes that scripts rely on, and one line for every error of ours.

Commands raise; nothing is handled where it happens. A bug keeps its traceback.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple, NoReturn

import click

from godot.cli._form import decide_colour
from godot.cli._text import sanitise

OK, FAILURE, USAGE, UNREACHABLE, FOUND, UNCONFIRMED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


class ErrorRule(NamedTuple):
    """How one class of errors is shown: where it is defined, its code, exit code and next step."""

    module: str
    name: str
    code: str
    exit_code: int
    next_step: str


# The first row that fits wins, so leaves stand before their bases. Classes are found by name in
# sys.modules: a module that was never imported cannot have raised, and `--help` stays quick.
ERRORS: tuple[ErrorRule, ...] = (
    ErrorRule("godot.errors", "SettingsError", "GD-1001", USAGE, "correct or unset it"),
    ErrorRule("clientlib.errors", "ConfigError", "GD-1001", USAGE, "correct or unset it"),
    ErrorRule("dewey_logs.errors", "BadFilter", "GD-1002", USAGE, "see --help of this command"),
    ErrorRule("dewey_logs.errors", "BadAddress", "GD-1001", USAGE, "correct DEWEY_URL"),
    ErrorRule("dewey_logs.settings", "WrongSetting", "GD-1001", USAGE, "correct it"),
    ErrorRule("clientlib.errors", "RecordError", "GD-1003", USAGE, "see --help of this command"),
    ErrorRule("godot.errors", "StreamFull", "GD-2002", UNREACHABLE, "see: godot status"),
    ErrorRule(
        "godot.errors",
        "StreamUnavailable",
        "GD-2001",
        UNREACHABLE,
        "start a stack with: godot up, or set GODOT_REDIS_URL",
    ),
    ErrorRule(
        "godot.errors",
        "StoreUnavailable",
        "GD-2003",
        UNREACHABLE,
        "start a stack with: godot up, or set DEWEY_URL",
    ),
    ErrorRule("dewey_logs.errors", "Unclassified", "GD-2003", UNREACHABLE, "mend what it says"),
    ErrorRule(
        "dewey_logs.errors",
        "Unreachable",
        "GD-2003",
        UNREACHABLE,
        "start a stack with: godot up, or set DEWEY_URL",
    ),
    ErrorRule("dewey_logs.errors", "Unavailable", "GD-2003", UNREACHABLE, "see: godot doctor"),
    ErrorRule("dewey_logs.errors", "LoginRefused", "GD-2003", UNREACHABLE, ""),  # it says itself
    ErrorRule("dewey_logs.errors", "CannotListen", "GD-4008", FAILURE, ""),  # it says itself
    ErrorRule("dewey_logs.errors", "NotDurable", "GD-2007", FAILURE, "set it in postgresql.conf"),
    ErrorRule("dewey_logs.errors", "SchemaProblem", "GD-2004", FAILURE, ""),  # it says itself
    ErrorRule("dewey_logs.errors", "QueryTimeout", "GD-2005", FAILURE, "narrow --since or --until"),
    ErrorRule("godot.errors", "StreamLost", "GD-2006", FAILURE, "start a worker: it makes it anew"),
    ErrorRule("godot.errors", "Forbidden", "GD-5013", FAILURE, ""),  # it says itself
    ErrorRule("godot.embedded.process", "ChildFailed", "GD-4001", FAILURE, ""),
    ErrorRule("godot.errors", "GodotError", "GD-1000", FAILURE, ""),
    ErrorRule("dewey_logs.errors", "DeweyError", "GD-2000", FAILURE, ""),
    ErrorRule("clientlib.errors", "ClientError", "GD-1000", FAILURE, ""),
)


class Failure(click.ClickException):
    """An error as a person sees it: code, message, next step; ends the program."""

    def __init__(self, code: str, message: str, next_step: str = "", exit_code: int = FAILURE):
        super().__init__(message)
        self.code = code
        self.next_step = next_step
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: Any = None) -> None:
        # what a server said last may have several lines; indented, none can pass for one of ours
        text = f"{self.code} " + "\n  ".join(map(sanitise, self.message.split("\n")))
        if self.next_step:
            text += f" — {self.next_step}"
        # what is wrong with a command line may be found before anybody has looked at NO_COLOR
        color = decide_colour() if self.show_color is None else self.show_color
        click.echo(f"{click.style('error:', fg='red')} {text}", err=True, color=color)


def failure_of(exc: BaseException) -> Failure | None:
    """Translate an error of ours; None for a bug, which keeps its traceback."""
    for rule in ERRORS:
        known = getattr(sys.modules.get(rule.module), rule.name, None)
        if known is None or not isinstance(exc, known):
            continue
        code = getattr(exc, "code", None) or rule.code
        next_step = getattr(exc, "next_step", None)
        exit_code = rule.exit_code
        if rule.module == "godot.errors":
            exit_code = getattr(exc, "exit_code", exit_code)
        return Failure(
            code, str(exc), rule.next_step if next_step is None else next_step, exit_code
        )
    return None


def misuse_of(exc: click.UsageError, path: str) -> Failure:
    """Translate what click finds wrong with a command line, into one line; `path` is the command's.

    What was most likely meant is click's to say; the help has the rest.
    """
    path = path if exc.ctx is None else exc.ctx.command_path
    text = " ".join(exc.format_message().split()).removesuffix(".")
    return Failure("GD-1009", text[:1].lower() + text[1:], f"see: {path} --help", exc.exit_code)


def fail(code: str, message: str, next_step: str = "", exit_code: int = FAILURE) -> NoReturn:
    """End the command with one line on stderr."""
    raise Failure(code, message, next_step, exit_code)
