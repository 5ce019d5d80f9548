"""The whole terminal for a while, given back as it was, however the command ends."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterable

import click

from godot.cli._output import colour_allowed
from godot.cli._table import cut
from godot.cli._text import width

BEGIN, END = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # another page, without a cursor
HOME, LINE_END, BELOW = "\x1b[H", "\x1b[K\r\n", "\x1b[J"


def is_possible() -> bool:
    """Say whether there is a terminal to draw on, and one to press keys at."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


class Screen:
    """A page of the terminal; use it in `with`."""

    def __enter__(self) -> Screen:
        self._keys = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._keys)
        # ended by `timeout` or `kill`, it leaves a terminal that can be used
        self._terminated = signal.signal(signal.SIGTERM, signal.default_int_handler)
        tty.setcbreak(self._keys)
        self._write(BEGIN)
        return self

    def draw(self, lines: Iterable[str]) -> None:
        """Show these lines, as far as there is room; what is too wide ends in `…`."""
        columns, rows = shutil.get_terminal_size()
        shown = [fitting(line, columns) for line in lines][: rows - 1]
        if not colour_allowed():
            shown = [click.unstyle(line) for line in shown]
        self._write(HOME + "".join(line + LINE_END for line in shown) + BELOW)

    def key(self, seconds: float) -> str:
        """Return the key that is pressed within so long, else nothing."""
        if not select.select([self._keys], [], [], max(0.0, seconds))[0]:
            return ""
        return os.read(self._keys, 1).decode("ascii", "replace")

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def __exit__(self, *_: object) -> None:
        self._write(END)
        termios.tcsetattr(self._keys, termios.TCSADRAIN, self._before)
        signal.signal(signal.SIGTERM, self._terminated)


def fitting(line: str, columns: int) -> str:
    """Return a line in so many columns at most; one that is cut loses its colours."""
    plain = click.unstyle(line)
    return line if width(plain) <= columns else cut(plain, columns)
