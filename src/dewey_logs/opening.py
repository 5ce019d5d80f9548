"""Opening the store that a URL names: PostgreSQL itself, or a Dewey that has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dewey_logs.store import Store

REMOTE = ("http://", "https://")


def open_store(
    url: str,
    *,
    reader_url: str | None = None,
    owner_url: str | None = None,
    token: str | None = None,
    application_name: str = "godot",
    retention_days: int = 7,
    statement_timeout_s: float = 20.0,
    query_timeout_s: float = 5.0,
) -> Store:
    """Open the store behind a postgresql:// or http(s)://…/mcp URL; the first use connects.

    `reader_url` and `owner_url` are other logins of PostgreSQL's, `token` is for a Dewey behind
    HTTP, which has retention and query times of its own. Raises BadAddress at once for a URL it
    cannot handle.
    """
    if url.startswith(REMOTE):
        from dewey_logs.remote import RemoteStore

        return RemoteStore(url, token=token, statement_timeout_s=statement_timeout_s)
    from dewey_logs.clearing import Clearing
    from dewey_logs.database import conninfo
    from dewey_logs.levels import LevelTable
    from dewey_logs.postgres import PostgresStore
    from dewey_logs.readers import Readers
    from dewey_logs.writer import Writer

    writer, second = (
        Writer(
            conninfo(url, application_name),
            retention_days=retention_days,
            statement_timeout_s=statement_timeout_s,
        )
        for _ in range(2)
    )
    clearing = Clearing(owner_url or url, writer)
    readers = Readers(
        conninfo(reader_url or url, application_name), query_timeout_s=query_timeout_s
    )
    levels = LevelTable(owner_url or url, writer)
    return PostgresStore(writer, second, readers, clearing, levels)
