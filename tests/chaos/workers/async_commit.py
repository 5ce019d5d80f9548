"""A mutant: commits without waiting for the disk, so that a crash of PostgreSQL takes it back."""

from __future__ import annotations

from dewey_logs import database, writer
from godot.__main__ import main


def careless(info: str, **settings: str | int) -> database.Connection:
    return database.connect(info, **{**settings, "synchronous_commit": "off"})


writer.connect = careless  # type: ignore[attr-defined]  # where the writer looks it up
main()
