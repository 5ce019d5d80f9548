"""From each earlier version, with data in every table, to this one; on every PostgreSQL here."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from dewey_logs import LogFilter, SchemaProblem, database, open_store, sealing
from dewey_logs.maintenance import maintain, verify
from dewey_logs.migrations import available, check, migrate
from dewey_logs.statements import folder
from godot.embedded.plan import READER, WRITER
from tests.conftest import copied, logged_in, named
from tests.integration.dewey_logs import deeds
from tests.integration.dewey_logs.conftest import Maker, batch
from tests.integration.dewey_logs.servers import Servers

NAMES = [migration.name for migration in available()]
# a row for each table, in columns that it has had since it was made
ROWS = {
    "logs": "(created_at, pattern, id, level, component, trace_id, message, data)"
    " VALUES (now() - interval '1 minute', 7, '00000000-0000-8000-8000-000000000001', 'WARN',"
    " 'shop', 'trace-00000001', 'from before', '{\"i\": 1}')",
    "logs_moved": "VALUES ('00000000-0000-8000-8000-000000000002', now())",
    "logs_rejected": "(record_id, stream, entry, reason, field_names, field_values, deliveries)"
    " VALUES ('00000000-0000-8000-8000-000000000003', 's', '1-1', 'why', '{a}', '{b}', 1)",
    "logs_ledger": "(producer, kind, seqs) VALUES (5, 'stored', '{[1,2)}')",
    "logs_ledger_entries": "(stream, epoch, delivery, first_ms, first_seq, last_ms, last_seq, n)"
    " VALUES ('s', 1, 'new', 1, 0, 1, 0, 1)",
    "logs_streams": "(stream, entries_added, last_ms) VALUES ('s', 1, 1)",
    "logs_epochs": "(stream, epoch, entries_added, last_ms, last_seq, began_at)"
    " VALUES ('gone', 1, 1, 1, 0, now())",
    "logs_cleared": '(filter) VALUES (\'{"search": "nothing"}\')',
    "logs_ledger_past": "VALUES ('gone', 1, 1, 0, 1, 0, 1)",
    "logs_setbacks": "VALUES ('s', 1, 1, 0, 2, 0, 1, 1)",
    "logs_rollup": "SELECT date_trunc('minute', created_at, 'UTC'), level, component, 1,"
    " octet_length(message) FROM logs",
    "logs_rollup_hour": "SELECT date_trunc('hour', created_at, 'UTC'), level, component, 0, 0"
    " FROM logs",
    "logs_pattern_rollup": "SELECT date_trunc('hour', created_at, 'UTC'), pattern, 1 FROM logs",
    "logs_pattern": "VALUES (7, 'from <*>', now(), '00000000-0000-8000-8000-000000000001')",
    "logs_settings": "VALUES ('colour', 'green')",
    "logger_config": "(component, level) VALUES ('shop', 'DEBUG')",
    "dewey_migrations": "VALUES ('0000_before', 'x')",
    "dewey_rights": "VALUES ('TABLE', 'dewey_migrations', NULL, NULL) ON CONFLICT DO NOTHING",
}


@pytest.fixture
def url(servers: Servers, version: int) -> Iterator[str]:
    """An empty database on each of the servers; the roles of earlier runs are there."""
    server, name = servers[version], f"t_{uuid.uuid4().hex[:12]}"
    servers.migrated(version)
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield server.url(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def files_until(name: str, where: Path) -> Path:
    """Copy the migrations of an earlier version: up to this one."""
    where.mkdir()
    for path in (folder() / "migrations").iterdir():
        if path.stem <= name:
            shutil.copy(path, where)
    return where


@pytest.fixture(scope="module")
def earlier(
    servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[int, str], str]]:
    """Give the name of a database of an earlier version, each made of the one before."""
    made: dict[tuple[int, str], str] = {}
    with ExitStack() as stack:

        def database_of(version: int, name: str) -> str:
            if (version, name) not in made:
                servers.migrated(version)
                before = NAMES[: NAMES.index(name)]
                template = database_of(version, before[-1]) if before else "template1"
                url = stack.enter_context(copied(servers[version], template))
                migrate(url, where=files_until(name, tmp_path_factory.mktemp("until") / name))
                made[version, name] = named(url)
            return made[version, name]

        yield database_of


@pytest.fixture
def earlier_url(
    servers: Servers, version: int, earlier: Callable[[int, str], str], name: str
) -> Iterator[str]:
    with copied(servers[version], earlier(version, name)) as url:
        yield url


def contents(connection: psycopg.Connection) -> dict[str, list[dict]]:
    """Return every row of every table but partitions, as JSON."""
    tables = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
        " AND relnamespace = current_schema()::regnamespace"
    ).fetchall()
    return {
        table: [row for (row,) in connection.execute(f"SELECT to_jsonb(t) FROM {table} t")]
        for (table,) in tables
    }


@pytest.mark.parametrize("name", NAMES[:-1])
def test_every_row_of_an_earlier_version_is_still_there_and_everything_works(earlier_url, name):
    url = earlier_url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT dewey_ensure_partition(now() - interval '1 minute')")
        there = contents(connection)
        assert set(there) <= set(ROWS), "a table that this test has no row for"
        for table, values in ROWS.items():
            if table in there:
                connection.execute(f"INSERT INTO {table} {values}")
        before = contents(connection)
        assert all(before.values()), "a table is empty"
        missing = NAMES[NAMES.index(name) + 1 :]
        assert check(url) == missing
        assert migrate(url) == missing
        after = contents(connection)
    before.pop("dewey_rights", None)  # a migration may grant more than the one before
    for table, rows in before.items():
        for row in rows:
            assert any(row.items() <= found.items() for found in after[table]), (table, row)

    writer, reader = logged_in(url, WRITER), logged_in(url, READER)
    deeds.work(writer)
    with open_store(writer, reader_url=reader) as store:
        assert deeds.read(store) > 10
        assert store.query(LogFilter(search="before")).rows[0].data == {"i": 1}
        store.write(batch(Maker(5).rows(1), maybe_known=True))
    maintain(url, 7)
    # what is older than patterns has none
    assert [found for found in verify(url) if "pattern" not in found.what] == []


def test_parts_of_a_partition_are_indexed_and_their_indexes_used(url, monkeypatch):
    monkeypatch.setattr(sealing, "MANY_ROWS", 500)
    monkeypatch.setattr(sealing, "SETTLE_S", 0)
    migrate(url)
    maker = Maker()
    minute_ago = [maker.row(created_at_us=maker.now_us - 60_000_000 + n) for n in range(2_000)]
    with open_store(url) as store:
        store.write(batch([*minute_ago, maker.row()]))
        built = sealing.seal(url).indexed
        assert [name[-12:-6] for name in built] == ["_data_", "_text_"]
        assert store.query(LogFilter(search="message 77")).returned == 1
    with psycopg.connect(url) as connection:
        connection.execute("SET enable_seqscan = off")
        [(low, high)] = connection.execute(
            "SELECT low, high FROM dewey_stretches() WHERE indexed"
        ).fetchall()
        plan = connection.execute(
            f"EXPLAIN SELECT id FROM logs WHERE created_at >= '{low}' AND created_at < '{high}'"
            " AND to_tsvector('simple', left(message, 8192)) @@ to_tsquery('simple', '77')"
        ).fetchall()
    assert any(f"Bitmap Index Scan on {built[1]}" in line for (line,) in plan), plan


def test_a_server_that_is_too_old_is_refused_before_anything_happens(url, monkeypatch):
    monkeypatch.setattr(database, "OLDEST_SERVER", 990_000)
    for use in (migrate, check):
        with pytest.raises(SchemaProblem, match=r"PostgreSQL 1\d is too old: Dewey needs 99"):
            use(url)
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        )
        assert found.fetchall() == []
