"""The size of a store that is asked for nothing else, over a connection of its own.

A command that shows it and ends needs no pool, nothing that writes, and none of the other questions
with their modules: that is one login instead of two, and a third of what opening a store imports.
"""

from __future__ import annotations

from dewey_logs.database import connect, conninfo, errors_translated
from dewey_logs.logins import READER
from dewey_logs.opening import REMOTE, open_store
from dewey_logs.patience import beyond
from dewey_logs.rows import StoreTotals
from dewey_logs.totals import totals

TIMEOUT_MS = 5_000


def store_totals(
    url: str, *, reader_url: str | None = None, token: str | None = None
) -> StoreTotals:
    """Return the totals of the store behind a URL; takes and raises what `open_store` does."""
    if url.startswith(REMOTE):
        with open_store(url, token=token) as store:
            return store.totals()
    settings: dict[str, str | int] = {
        "default_transaction_read_only": "on",
        "statement_timeout": TIMEOUT_MS,
        "lock_timeout": 1_000,
        "jit": "off",
    }
    info = conninfo(reader_url or url, "godot")
    with (
        connect(info, patience_s=beyond(TIMEOUT_MS), **settings) as connection,
        errors_translated(connection, READER),
    ):
        return totals(connection)
