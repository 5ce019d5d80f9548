"""Answers that fit: a model's context is filled by bytes, whatever the number of rows.

A row too large for an answer of its own is cut, never left out: paging must not stop at it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from dewey_logs.tools.answer import written

ANSWER_BYTES = 16_000  # about 4,000 tokens
MAX_ANSWER_BYTES = 60_000
LEAST_CHARS = 20

Payload = dict[str, Any]


def size_of(payload: Payload) -> int:
    """Return the bytes of an answer."""
    return len(written(payload).encode())


async def fitting(
    build: Callable[[int, int], Awaitable[Payload]], rows: int, chars: int, max_bytes: int
) -> Payload:
    """Return what `build` makes of as many rows, and characters of each text, as fit.

    `build(rows, chars)` is asked again with fewer rows, and once one is left, with shorter texts.
    """
    payload = await build(rows, chars)
    while (size := size_of(payload)) > max_bytes and (rows > 1 or chars > LEAST_CHARS):
        if rows > 1:
            rows = max(1, min(rows - 1, rows * max_bytes // size))
        else:
            chars = max(LEAST_CHARS, min(chars - 1, chars * max_bytes // size))
        payload = await build(rows, chars)
    return payload
