"""Dead letters: what was refused, why, and its bytes exactly as they arrived."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

import msgspec
import psycopg

from dewey_logs.copydata import RowRefused
from dewey_logs.database import Connection
from dewey_logs.rows import LogRow, Reject
from dewey_logs.statements import statement

MAX_REASON_CHARS = 500
MOST_DELIVERIES = 2**31 - 1  # that the column holds; XCLAIM sets a count to whatever it is told

_CONSTRAINTS = {
    "logs_component_length": "component is empty or longer than 128 characters",
    "logs_trace_id_length": "trace_id is longer than 128 characters",
    "logs_data_object": "data is not a JSON object",
}


def reason_of(error: psycopg.Error) -> str:
    """Return why PostgreSQL refuses a row, in words for a person and without the row's content."""
    diag = error.diag
    known = _CONSTRAINTS.get(diag.constraint_name or "")
    if known is not None:
        return known
    text = diag.message_primary or str(error).strip() or type(error).__name__
    if (error.sqlstate or "").startswith("22") and diag.message_detail:
        text = f"{text}: {diag.message_detail}"
    if diag.constraint_name and diag.constraint_name not in text:
        text = f"{text} ({diag.constraint_name})"
    return text


def reject_of(row: LogRow, why: RowRefused) -> Reject:
    """Return the dead letter of a row that could not be stored."""
    return Reject(
        id=row.id,
        reason=why.reason,
        source=row.source,
        sqlstate=why.sqlstate,
        producer=row.producer,
        sequence=row.sequence,
    )


def store_rejects(
    connection: Connection, rejects: Sequence[Reject], stream: str
) -> Collection[bytes]:
    """Insert dead letters into the running transaction; one that is known already stays as it is.

    In the order of their ids, so that two workers with the same ones cannot deadlock. Return the
    ids of those that a trigger of a user's keeps out in silence: nothing is left of them.
    """
    if not rejects:
        return ()
    ordered = sorted(rejects, key=lambda reject: reject.id)
    inserting = connection.cursor()
    inserting.executemany(
        statement("store_reject"), [_parameters(reject, stream) for reject in ordered]
    )
    if inserting.rowcount == len(ordered):
        return ()
    ids = {"ids": [reject.id.hex() for reject in ordered]}
    return {key.bytes for (key,) in connection.execute(statement("unkept"), ids)}


def unkept_letter(reject: Reject) -> Reject:
    """Return a reject that says of itself that no dead letter is left of it."""
    reason = f"lost, because a trigger on logs_rejected keeps it out; {reject.reason}"
    return msgspec.structs.replace(reject, reason=reason)


def _parameters(reject: Reject, stream: str) -> dict[str, object]:
    source = reject.source
    return {
        "id": UUID(bytes=reject.id),
        "stream": _storable(stream),
        "entry": _storable(source.entry),
        "reason": reason_text(reject.reason),
        "sqlstate": reject.sqlstate,
        "names": list(source.raw[::2]),
        "values": list(source.raw[1::2]),
        "producer": reject.producer,
        "sequence": reject.sequence,
        "deliveries": max(-MOST_DELIVERIES, min(source.deliveries, MOST_DELIVERIES)),
    }


def reason_text(reason: str) -> str:
    """Return a reason as it is kept."""
    return _storable(reason[:MAX_REASON_CHARS])


def _storable(text: str) -> str:
    """Return the text without what PostgreSQL refuses: a dead letter must never be refused."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
