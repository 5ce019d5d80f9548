"""A connection whose commits last: XACK follows them and cannot be undone.

Half of it is the session's own to ask for, the other half the server's to be refused without.
"""

from __future__ import annotations

from dewey_logs.database import Connection, connect
from dewey_logs.errors import NotDurable
from dewey_logs.patience import PatientConnection, beyond


def connect_to_write(info: str, statement_timeout_ms: int) -> PatientConnection:
    """Open a connection for batches; raises Unavailable or SchemaProblem."""
    return connect(
        info,
        patience_s=beyond(statement_timeout_ms),
        synchronous_commit="on",
        statement_timeout=statement_timeout_ms,
        lock_timeout=min(5_000, statement_timeout_ms),
        idle_in_transaction_session_timeout=30_000,
        jit="off",
    )


def require_durability(connection: Connection) -> None:
    """Refuse a server that may lose what it committed; raises NotDurable."""
    row = connection.execute("SHOW fsync").fetchone()
    if row != ("on",):
        raise NotDurable(
            f"PostgreSQL may lose what it committed: fsync is {row and row[0]}, it must be on"
        )
