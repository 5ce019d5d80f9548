"""The shape of the `godot` command: commands by section, imported only when one is run.

Help and completion read a table and import click alone, which keeps them under 150 ms. This is
also where errors end: one line and an exit code for what we raise on purpose, a traceback for the
rest, silence for a reader that closed the pipe.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from godot.cli._errors import INTERRUPTED, OK, Failure, failure_of, misuse_of

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Entry(NamedTuple):
    """A command before it is imported: what `--help` shows, and where it comes from."""

    name: str
    module: str
    attribute: str
    help: str
    section: str


class Command(click.Command):
    """A command whose help shows examples before options, and that takes no empty values.

    What comes from an unset variable of a script would widen a filter, or mean the current folder.
    Nor does it take what is no Unicode, except as a file's name. Arguments of the type UNPROCESSED
    are not ours to judge.
    """

    def __init__(self, *args: Any, examples: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        typed, _, _ = self.make_parser(ctx).parse_args(list(args))
        rest = super().parse_args(ctx, args)
        for parameter in self.params:
            value = typed.get(parameter.name)
            texts = [one for one in _each(value) if isinstance(one, str)]
            if parameter.type is click.UNPROCESSED:
                continue
            if "" in texts:
                instead = "" if parameter.required else ": leave it out instead"
                raise click.BadParameter(f"it is empty{instead}", ctx, parameter)
            if not isinstance(parameter.type, click.Path) and not all(map(_is_unicode, texts)):
                raise click.BadParameter("it is no valid UTF-8", ctx, parameter)
        return rest

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_help_text(ctx, formatter)
        write_examples(formatter, self.examples)


def _each(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


class LazyGroup(click.Group):
    """A group over a table of entries."""

    def __init__(
        self, *args: Any, entries: Sequence[Entry] = (), examples: str = "", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.entries = {entry.name: entry for entry in entries}
        self.examples = examples

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        command = getattr(import_module(entry.module), entry.attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as exc:  # click knows of none that are not imported
            raise click.NoSuchCommand(
                exc.command_name, possibilities=self.entries, ctx=ctx
            ) from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[Any]]:
        """Complete commands by the table: click would import every one that fits."""
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(entry.name, help=entry.help)
            for entry in self.entries.values()
            if entry.name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_help_text(ctx, formatter)
        write_examples(formatter, self.examples)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(len(name) for name in self.entries)
        for section in dict.fromkeys(entry.section for entry in self.entries.values()):
            rows = [
                (entry.name.ljust(width), entry.help)
                for entry in self.entries.values()
                if entry.section == section
            ]
            with formatter.section(section):
                formatter.write_dl(rows)

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        path = f"{parent.command_path} {info_name}" if parent else f"{info_name}"
        with _ending(lambda: path):  # --help writes in here, and wrong options are found
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _ending(lambda: f"{ctx.command_path} {ctx.invoked_subcommand}"):
            result = super().invoke(ctx)
            sys.stdout.flush()
        return result


@contextmanager
def _ending(path: Callable[[], str]) -> Iterator[None]:
    """End what goes wrong as a person or a script expects it; `path` is the command's by then."""
    try:
        yield
    except (KeyboardInterrupt, click.Abort):  # the latter at a question
        raise click.exceptions.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        silence_stdout()  # the reader has seen enough
        raise click.exceptions.Exit(OK) from None
    except OSError as exc:
        if exc.filename is None:
            silence_stdout()
        where = f" {exc.filename}" if exc.filename else ""
        raise Failure("GD-4010", f"the system refuses{where}: {exc.strerror or exc}") from exc
    except click.exceptions.NoArgsIsHelpError:
        raise  # it is the help
    except click.UsageError as exc:
        raise misuse_of(exc, path()) from exc
    except Exception as exc:
        failure = failure_of(exc)
        if failure is None:
            raise
        raise failure from exc


def silence_stdout() -> None:
    """Keep what is still buffered from being flushed at exit, to where it is refused."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_examples(formatter: click.HelpFormatter, examples: str) -> None:
    """Write a section of examples: commands as they stand, with their remarks beside or below."""
    if not examples:
        return
    with formatter.section("Examples"):
        blanks = " " * formatter.current_indent
        for line in examples.strip().splitlines():
            command, *remark = re.split(r"\s{2,}", line.strip(), maxsplit=1)
            if remark and len(blanks) + len(line.strip()) > formatter.width:
                formatter.write(f"{blanks}{command}\n{blanks}    {remark[0]}\n")
            else:
                formatter.write(f"{blanks}{line.strip()}\n")
