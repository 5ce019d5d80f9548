"""Migrate and seal where the disk fills, in a process of its own: it makes itself a file system.

full_disk.py FOLDER prints one JSON object; without the right to mount anything, why.
"""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path

import psycopg

from dewey_logs import open_store
from dewey_logs.errors import DeweyError
from dewey_logs.migrations import migrate
from dewey_logs.sealing import seal
from dewey_logs.statements import folder
from godot.embedded.postgres import Postgres
from tests.chaos import volumes
from tests.integration.dewey_logs.conftest import DAY_US, Maker, batch

STEP = 65_536


def said_by(url: str, where: Path) -> str:
    """Migrate; return the names of what was applied, or the error and its kind."""
    try:
        return " ".join(migrate(url, where=where)) or "nothing"
    except DeweyError as exc:
        return f"{type(exc).__name__}: {exc}"


def main(place: Path) -> None:
    place.chmod(0o711)
    server = Postgres(place / "pg", options=("shared_buffers=32MB",))
    made = volumes.make(place / "volumes", server)
    if isinstance(made, str):
        print(json.dumps({"impossible": made}))
        return
    server.start()
    try:
        server.create_database("dewey")
        made.settle(server, "dewey")
        url = server.url("dewey")
        attempts = []
        for spare in range(0, 64 * STEP, STEP):  # the schema takes about ten of them
            made.data.fill(spare)
            said = said_by(url, folder() / "migrations")
            made.data.free()
            attempts.append({"said": said, "left": left_by(url)})
            if ":" not in said:
                break
        migrate(url)
        print(json.dumps({"attempts": attempts, "sealing": sealing(url, made.data)}))
    finally:
        server.stop()
        made.close()


def sealing(url: str, data: volumes.Volume) -> dict[str, object]:
    """Seal while the indexes find no room; return what is said, what is left, and the next run."""
    maker = Maker()
    with open_store(url) as store:
        for n in range(5):
            at = maker.now_us - DAY_US + n
            messages = [str(uuid.uuid4()) for _ in range(1_000)]
            store.write(batch([maker.row(created_at_us=at, message=text) for text in messages]))
        data.fill(4 * STEP)
        try:
            said = str(seal(url))
        except DeweyError as exc:
            said = f"{type(exc).__name__}: {exc}"
        with psycopg.connect(url) as connection:
            broken = connection.execute("SELECT FROM pg_index WHERE NOT indisvalid").fetchall()
        stored = store.write(batch(maker.rows(5))).stored
        data.free()
    return {"said": said, "broken": len(broken), "stored": stored, "then": seal(url)}


def left_by(url: str) -> list[str]:
    """Return what migrations have left: their names, tables and functions."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relname !~ '^dewey_migrations'"
            " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        ).fetchall()
        names = connection.execute("SELECT to_regclass('dewey_migrations')").fetchall()
        if names != [(None,)]:
            names = connection.execute("SELECT name FROM dewey_migrations").fetchall()
    return sorted(name for (name,) in (*tables, *names) if name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
