"""How a `dewey` command ends: an exit code that scripts rely on, and one line for what went wrong.

As `godot/cli/_group.py` has it, without codes: Dewey imports nothing of Godot, and Godot's help
does not wait for Dewey's settings.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from dewey_logs.settings import WrongSetting

FAILURE, USAGE, UNREACHABLE, INTERRUPTED = 1, 2, 3, 130


class Group(click.Group):
    """Ends what goes wrong on purpose in one line and an exit code; a bug keeps its traceback."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        with _one_line(lambda: f"{info_name}"):  # --help writes in here
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _one_line(lambda: f"{ctx.command_path} {ctx.invoked_subcommand}"):
            result = super().invoke(ctx)
            sys.stdout.flush()
        return result


@contextmanager
def _one_line(path: Callable[[], str]) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise click.exceptions.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        _silence_stdout()  # the reader has seen enough
        raise click.exceptions.Exit(0) from None
    except OSError as exc:
        if exc.filename is None:
            _silence_stdout()
        where = f" {exc.filename}" if exc.filename else ""
        _end(f"the system refuses{where}: {exc.strerror or exc}", FAILURE, exc)
    except click.exceptions.NoArgsIsHelpError:
        raise  # it is the help
    except click.UsageError as exc:
        text = " ".join(exc.format_message().split()).removesuffix(".")
        named = path() if exc.ctx is None else exc.ctx.command_path
        _end(f"{text[:1].lower()}{text[1:]} — see: {named} --help", exc.exit_code, exc)
    except Exception as exc:
        from dewey_logs.errors import (
            BadAddress,
            BadChoice,
            BadFilter,
            DeweyError,
            LoginRefused,
            Unavailable,
        )

        if not isinstance(exc, DeweyError):
            raise
        code = FAILURE
        if isinstance(exc, Unavailable | LoginRefused):
            code = UNREACHABLE
        elif isinstance(exc, BadFilter | BadChoice | BadAddress | WrongSetting):
            code = USAGE
        _end(str(exc), code, exc)


def _end(text: str, code: int, cause: BaseException) -> NoReturn:
    click.echo(f"error: {text}", err=True)
    raise click.exceptions.Exit(code) from cause


def _silence_stdout() -> None:
    """Keep what is still buffered from being flushed at exit, to where it is refused."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
