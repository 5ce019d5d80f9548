"""Dead letters read back: what waits for a person, what became of a retry, what was given up.

A letter is never deleted here. Its state says what happened to it, and its raw fields stay, so
that whatever was refused can be sent again once the cause is mended.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, Literal

import msgspec
from psycopg import sql

from dewey_logs.database import Connection
from dewey_logs.errors import BadFilter
from dewey_logs.rejects import reason_text
from dewey_logs.rows import Reject, Retried
from dewey_logs.statements import statement

MAX_LETTERS = 1_000  # a page: raw fields may be large

_ID = re.compile(r"[0-9a-f-]{8,36}")
_GROUPS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))  # of a UUID's digits


class DeadLetter(msgspec.Struct, frozen=True):
    """One record that could not be stored: why, and its fields exactly as they arrived.

    Times are RFC 3339 UTC. `stream` and `entry` name where it came from; a record that came through
    Dewey's own tool has no entry.
    """

    id: str
    stream: str
    entry: str
    reason: str
    sqlstate: str | None
    fields: tuple[tuple[bytes, bytes], ...]
    producer: int | None
    sequence: int | None
    deliveries: int
    state: Literal["open", "retried", "dropped"]
    at: str
    changed_at: str | None


class DeadLetterFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters: all parts narrow. `reason` is a part of it in any case.

    `ids` are record ids or at least 8 characters of their beginning. `after` continues behind the
    last letter of another page (its `at` and `id`), in the same order. Without `payload` the values
    of the fields are left empty: they may be larger than our memory.
    """

    ids: tuple[str, ...] = ()
    reason: str | None = None
    state: Literal["open", "retried", "dropped"] | None = "open"
    after: tuple[str, str] | None = None
    newest_first: bool = False
    payload: bool = True
    limit: int = MAX_LETTERS


class DeadLetterReason(msgspec.Struct, frozen=True):
    """Open letters that share a reason: how many, since when, and one of them."""

    reason: str
    open: int
    oldest: str
    newest: str
    example: str


def read(connection: Connection, wanted: DeadLetterFilter) -> tuple[DeadLetter, ...]:
    """Return one page; raises BadFilter for an id that can be none."""
    following, order = "(at, record_id) >", "at, record_id"
    if wanted.newest_first:
        following, order = "(at, record_id) <", "at DESC, record_id DESC"
    query = sql.SQL(statement("dead_letters")).format(
        following=sql.SQL(following), order=sql.SQL(order)
    )
    after_at, after_id = wanted.after or (None, None)
    parameters = {
        "state": wanted.state,
        "ids": [_beginning(text) for text in wanted.ids] or None,
        "reason": wanted.reason,
        "after_at": after_at,
        "after_id": after_id,
        "payload": wanted.payload,
        "rows": min(wanted.limit, MAX_LETTERS),
    }
    return tuple(_letter(*row) for row in connection.execute(query, parameters))


def _letter(*row: Any) -> DeadLetter:
    names, values = row[5:7]
    return DeadLetter(*row[:5], tuple(zip(names, values, strict=True)), *row[7:])  # type: ignore[call-arg]  # see dead_letters


def reasons(connection: Connection) -> tuple[DeadLetterReason, ...]:
    """Return the open letters by reason, the most frequent first."""
    return tuple(
        DeadLetterReason(*row) for row in connection.execute(statement("dead_letter_reasons"))
    )


def drop(connection: Connection, ids: Sequence[str]) -> int:
    """Give open letters up, in a transaction of their own; return how many were open.

    The ledger is not touched: their numbers stay rejected.
    """
    with connection.transaction():
        return connection.execute(statement("drop_dead_letters"), {"ids": list(ids)}).rowcount


def settle_retried(
    connection: Connection,
    retried: Sequence[Retried],
    rejects: Sequence[Reject],
    expired: Collection[bytes],
) -> None:
    """Note, in the running transaction, what became of the letters that the batch tried again.

    One whose record is stored now, or was already, is retried. One that failed stays open with the
    reason of this attempt.
    """
    if not retried:
        return
    why = {reject.id: (reason_text(reject.reason), reject.sqlstate) for reject in rejects}
    why |= dict.fromkeys(expired, ("the record is past retention by now", None))
    failed = [(item.letter, *why[item.record]) for item in retried if item.record in why]
    done = [item.letter for item in retried if item.record not in why]
    connection.execute(statement("dead_letters_retried"), {"ids": [key.hex() for key in done]})
    if failed:
        ids, texts, states = zip(*failed, strict=True)
        connection.execute(
            statement("dead_letters_failed"),
            {"ids": [key.hex() for key in ids], "reasons": list(texts), "states": list(states)},
        )


def _beginning(text: str) -> str:
    """Return an id, or its beginning, as PostgreSQL writes it."""
    lower = text.strip().lower()
    if not _ID.fullmatch(lower):
        raise BadFilter(
            f"{text!r:.60} is no record id: give the UUID, or 8 characters or more of its beginning"
        )
    digits = lower.replace("-", "")
    return "-".join(filter(None, (digits[a:b] for a, b in _GROUPS)))
