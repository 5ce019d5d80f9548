"""Find the rows that PostgreSQL refuses, and store their neighbours.

COPY says no to a whole batch for one bad row. Halving finds one bad row among a thousand in about
twenty attempts, which together send twice the batch; when every row is bad it takes two attempts a
row. The line number in the error's context would be quicker for one bad row and quadratic for many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from dewey_logs.copydata import RowRefused

Item = TypeVar("Item")
Stored = TypeVar("Stored")


def isolate(
    items: Sequence[Item], attempt: Callable[[Sequence[Item]], Sequence[Stored]]
) -> tuple[list[Stored], list[tuple[Item, RowRefused]]]:
    """Attempt everything in halves; return what was stored, and each refused item with its reason.

    `attempt` stores all the items it is given, or raises RowRefused and leaves nothing behind.
    """
    stored: list[Stored] = []
    refused: list[tuple[Item, RowRefused]] = []
    waiting = [items] if items else []
    while waiting:
        part = waiting.pop()
        try:
            stored.extend(attempt(part))
        except RowRefused as exc:
            if len(part) == 1:
                refused.append((part[0], exc))
            else:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]  # the first half is next
    return stored, refused
