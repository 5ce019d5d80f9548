"""Tables and bars for a terminal: numbers to the right, nothing wider than the screen.

What is cut ends in `…`; in a pipe, and in every other form of output, nothing is cut.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence

import click

from godot.cli._text import width

UNCUT = 1 << 20
EIGHTHS = " ▏▎▍▌▋▊▉"
LEVELS = "▁▂▃▄▅▆▇█"


def screen_width() -> int:
    """Return how many columns a line may take."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else UNCUT


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: frozenset[str] = frozenset(),
    columns: int | None = None,
) -> Iterator[str]:
    """Yield a line a row; the last column takes what is left, and is cut there.

    Cells are safe to print already and may be styled, the last one not.
    """
    columns_of = zip(heads, *rows, strict=True)
    *wide, last = (max(width(click.unstyle(cell)) for cell in column) for column in columns_of)
    taken = sum(wide) + 2 * len(wide)
    room = max(8, (screen_width() if columns is None else columns) - taken)
    wide.append(min(last, room))
    for row in (heads, *rows):
        cells = [*row[:-1], cut(row[-1], room)]
        yield "  ".join(
            _padded(cell, columns_wide, to_the_right=head in right)
            for head, cell, columns_wide in zip(heads, cells, wide, strict=True)
        ).rstrip()


def _padded(cell: str, columns: int, *, to_the_right: bool) -> str:
    blanks = " " * (columns - width(click.unstyle(cell)))
    return blanks + cell if to_the_right else cell + blanks


def cut(text: str, columns: int) -> str:
    """Return a text in so many columns at most; one that is cut says so."""
    if len(text) <= columns // 2 or width(text) <= columns:
        return text
    kept, taken = [], 1
    for character in text:
        taken += width(character)
        if taken > columns:
            break
        kept.append(character)
    return "".join(kept) + "…"


def bar(part: float, whole: float, columns: int) -> str:
    """Return a bar as long as the part is of the whole, to an eighth of a column."""
    eighths = 0 if whole <= 0 else round(part / whole * columns * 8)
    if part > 0:
        eighths = max(eighths, 1)
    full, rest = divmod(eighths, 8)
    return "█" * full + (EIGHTHS[rest] if rest else "")


def sparkline(values: Sequence[float | None], columns: int) -> str:
    """Return the last values as columns, the highest of them full; a gap where one is unknown."""
    shown = list(values)[-columns:]
    highest = max((value for value in shown if value is not None), default=0.0)
    text = "".join(
        " " if value is None else LEVELS[min(7, int(value / highest * 7.999)) if highest > 0 else 0]
        for value in shown
    )
    return text.rjust(columns)
