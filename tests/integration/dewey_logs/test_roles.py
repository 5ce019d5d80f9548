"""Each role does what it must, on every PostgreSQL here, and fails at what it must not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import psycopg
import pytest

from dewey_logs import open_store
from godot.embedded.plan import READER, WRITER
from tests.conftest import copied, logged_in
from tests.integration.dewey_logs import deeds
from tests.integration.dewey_logs.servers import Servers

INSERT = (
    "INSERT INTO logs (created_at, id, level, component, message)"
    " VALUES (now(), gen_random_uuid(), 'INFO', 'c', 'm')"
)
# what neither of them may do
NOBODY = (
    "UPDATE logs SET message = ''",
    "UPDATE logs SET created_at = created_at",
    "DELETE FROM logs",
    "TRUNCATE logs",
    "BEGIN; LOCK TABLE logs IN ACCESS EXCLUSIVE MODE",
    "DROP TABLE logs",
    "ALTER TABLE logs ADD COLUMN more text",
    "ALTER TABLE logs DETACH PARTITION {day} CONCURRENTLY",
    "DROP TABLE {day}",
    "SELECT * FROM {day}",
    "INSERT INTO {day} SELECT * FROM {day}",
    "CREATE INDEX ON logs (message)",
    "CREATE TABLE mine (n int)",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA mine",
    "CREATE TRIGGER mine AFTER INSERT ON logs EXECUTE FUNCTION tsvector_update_trigger()",
    "ALTER FUNCTION dewey_epoch SECURITY INVOKER",
    "ALTER TYPE log_level ADD VALUE 'FATAL'",
    "DELETE FROM logs_ledger",
    "UPDATE logs_ledger SET seqs = '{{}}'",
    "DELETE FROM logs_ledger_entries",
    "UPDATE logs_ledger_entries SET n = 1",
    "INSERT INTO logs_ledger_past VALUES ('s', 1, 0, 0, 1, 0)",
    "DELETE FROM logs_rejected",
    "UPDATE logs_rejected SET field_values = '{{}}'",
    "DELETE FROM logs_moved",
    "UPDATE logs_moved SET created_at = now()",
    "INSERT INTO logs_streams (stream) VALUES ('s')",
    "UPDATE logs_streams SET entries_added = 0",
    "DELETE FROM logs_epochs",
    "UPDATE logs_rollup SET n = 0",
    "DELETE FROM logs_rollup",
    "DELETE FROM logs_pattern_rollup",
    "UPDATE logs_pattern SET template = ''",
    "DELETE FROM logs_pattern",
    "INSERT INTO logs_cleared (filter) VALUES ('{{}}')",
    "DELETE FROM logs_cleared",
    "INSERT INTO logger_config VALUES ('*', 'ERROR')",
    "UPDATE logs_settings SET value = 'live'",
    "INSERT INTO dewey_migrations VALUES ('9999_mine', 'x')",
    "DELETE FROM dewey_migrations",
    "UPDATE dewey_rights SET writer = 'ALL'",
    "SELECT dewey_grant()",
    "SELECT dewey_merge_numbers()",
    "SELECT dewey_merge_entries('s')",
    "SELECT dewey_merge_rollups()",
    "SET ROLE dewey_owner",
    "SET ROLE godot",
    "SET SESSION AUTHORIZATION godot",
    "GRANT dewey_owner TO CURRENT_USER",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "CREATE ROLE mine",
    "ALTER SYSTEM SET fsync = off",
    "ALTER DATABASE {database} SET synchronous_commit = off",
    "DROP DATABASE dewey_roles",
    "COPY logs TO PROGRAM 'true'",
    "COPY logs_moved FROM PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/godot-test-copied'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT pg_reload_conf()",
    "SELECT pg_switch_wal()",
    "SELECT pg_terminate_backend({superusers_session})",
    "SELECT rolpassword FROM pg_authid",
    "SELECT * FROM pg_statistic",
)
READER_MAY_NOT = (
    INSERT,
    "COPY logs (created_at, id) FROM STDIN",
    "INSERT INTO logs_rejected (record_id) VALUES (gen_random_uuid())",
    "UPDATE logs_rejected SET state = 'dropped'",
    "INSERT INTO logs_moved VALUES (gen_random_uuid(), now())",
    "INSERT INTO logs_ledger (producer, kind, seqs) VALUES (1, 'stored', '{{}}')",
    "INSERT INTO logs_rollup VALUES (now(), 'INFO', 'c', 1, 1)",
    "INSERT INTO logs_pattern_rollup VALUES (now(), 1, 1)",
    "INSERT INTO logs_pattern VALUES (1, '', now(), gen_random_uuid())",
    "SELECT dewey_epoch('s', 1, 1, 1)",
    "SELECT dewey_ensure_partition(now())",
    "SELECT dewey_known_under('{{}}', '{{}}')",
    "SET ROLE dewey_writer",
    f"SET ROLE {WRITER}",
)
WRITER_MAY_NOT = (
    "SELECT * FROM logs",
    "SELECT message FROM logs",
    "SELECT data FROM logs",
    "SELECT component FROM logs",
    "SELECT trace_id FROM logs",
    "SELECT pattern FROM logs",
    f"{INSERT} RETURNING message",
    f"{INSERT} ON CONFLICT (created_at, id) DO UPDATE SET message = 'forged'",
    "COPY logs TO STDOUT",
    "SELECT reason FROM logs_rejected",
    "SELECT field_names FROM logs_rejected",
    "SELECT field_values FROM logs_rejected",
    "UPDATE logs_rejected SET record_id = gen_random_uuid()",
    "UPDATE logs_rejected SET state = 'open' RETURNING field_values",
    "SELECT created_at FROM logs_moved",
    "SELECT kind FROM logs_ledger",
    "SELECT settled FROM logs_ledger_past",
    "SELECT * FROM logs_streams",
    "SELECT * FROM logs_epochs",
    "SELECT * FROM logs_rollup",
    "SELECT * FROM logs_pattern_rollup",
    "SELECT template FROM logs_pattern",
    "SELECT * FROM logger_config",
    "SELECT * FROM logs_settings",
    "SELECT dewey_settled('s', 1, 1, 1)",
    "SET ROLE dewey_reader",
    f"SET ROLE {READER}",
)
ATTEMPTS = [
    *((READER, attempt) for attempt in (*NOBODY, *READER_MAY_NOT)),
    *((WRITER, attempt) for attempt in (*NOBODY, *WRITER_MAY_NOT)),
]


@pytest.fixture
def url(servers: Servers, version: int) -> Iterator[str]:
    """A migrated database of the test's own on each of the servers."""
    with copied(servers[version], servers.migrated(version)) as found:
        yield found


class Sessions:
    """One session of each login in one database: what is refused changes neither of them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._superuser = psycopg.connect(url, autocommit=True)
        self._open: dict[str, psycopg.Connection] = {}
        day, database = self._superuser.execute(
            "SELECT max(name), current_database() FROM dewey_partitions()"
        ).fetchone() or (None, None)
        self._names = {
            "day": day,
            "database": database,
            "superusers_session": self._superuser.info.backend_pid,
        }

    def attempt(self, login: str, statement: str) -> None:
        """Try a statement as this login."""
        # out of the dictionary until it was refused: what was allowed may have changed the session
        connection = self._open.pop(login, None)
        if connection is None:
            connection = psycopg.connect(logged_in(self._url, login), autocommit=True)
        try:
            connection.execute(statement.format(**self._names))
        except psycopg.errors.InsufficientPrivilege:
            connection.rollback()
            self._open[login] = connection
            raise
        finally:
            if login not in self._open:
                connection.close()

    def close(self) -> None:
        for connection in (self._superuser, *self._open.values()):
            connection.close()


@pytest.fixture(scope="module")
def sessions(servers: Servers) -> Iterator[Callable[[int], Sessions]]:
    """Give the sessions on the server of a version."""
    opened: dict[int, Sessions] = {}
    with ExitStack() as stack:

        def on(version: int) -> Sessions:
            if version not in opened:
                url = stack.enter_context(copied(servers[version], servers.migrated(version)))
                opened[version] = stack.enter_context(closing(Sessions(url)))
            return opened[version]

        yield on


@pytest.mark.parametrize(("login", "statement"), ATTEMPTS)
def test_what_a_role_must_not_do_it_cannot(sessions, version, login, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sessions(version).attempt(login, statement)


def test_what_each_role_must_do_it_can(url):
    with psycopg.connect(url, autocommit=True) as superuser:
        superuser.execute("DROP ROLE IF EXISTS housekeeper; CREATE ROLE housekeeper LOGIN")
        superuser.execute("GRANT dewey_owner TO housekeeper")
    deeds.work(logged_in(url, WRITER))
    with open_store(logged_in(url, READER)) as store:
        assert deeds.read(store) > 10
    deeds.keep_house(logged_in(url, "housekeeper"))
    with psycopg.connect(url, autocommit=True) as superuser:
        superuser.execute("DROP ROLE housekeeper")


def test_a_writer_has_no_right_that_it_could_do_without(url):
    """Take them away one by one: each time something that a worker does fails.

    What failed for one right is tried first for the next: that may be to another column.
    """
    spare = []
    order = list(deeds.WRITING)
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute('INSERT INTO logs_cleared (filter) VALUES (\'{"search": "nothing"}\')')
        rights = owner.execute(
            "SELECT kind, name, writer FROM dewey_rights WHERE writer IS NOT NULL"
        ).fetchall()
        for producer, (right, what) in enumerate(_single(rights), start=100):
            owner.execute(f"REVOKE {right} ON {what} FROM dewey_writer")
            owner.execute(f"DROP TABLE IF EXISTS {deeds.distant_day()}")  # to be made again
            needs_it = deeds.what_lacks_a_right(logged_in(url, WRITER), producer, order)
            if needs_it is None:
                spare.append((right, what))
            else:
                order.sort(key=lambda deed: deed is not needs_it)
            owner.execute(f"GRANT {right} ON {what} TO dewey_writer")
        deeds.work(logged_in(url, WRITER), 99)
    assert spare == []


def _single(rights: list[tuple[str, str, str]]) -> Iterator[tuple[str, str]]:
    """Yield each right alone, that to each column as well."""
    for kind, name, given in rights:
        for right, columns in re.findall(r"(\w+)(?: \(([^)]*)\))?", given):
            for column in columns.split(", "):
                yield f"{right} ({column})" if column else right, f"{kind} {name}"


def test_nobody_else_may_do_anything_and_no_object_was_forgotten(url):
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS guest; CREATE ROLE guest")
        tables, functions, types = (
            {name: bool(may) for name, may in owner.execute(query)}
            for query in (
                """SELECT relname, has_any_column_privilege('guest', oid,
                                                            'SELECT, INSERT, UPDATE, REFERENCES')
                          OR has_table_privilege('guest', oid, 'DELETE, TRUNCATE, TRIGGER')
                   FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S')
                                       AND relnamespace = 'public'::regnamespace""",
                """SELECT proname, has_function_privilege('guest', oid, 'EXECUTE')
                   FROM pg_proc WHERE pronamespace = 'public'::regnamespace""",
                """SELECT typname, has_type_privilege('guest', oid, 'USAGE')
                   FROM pg_type
                   WHERE typtype IN ('e', 'd') AND typnamespace = 'public'::regnamespace""",
            )
        )
        listed = set(owner.execute("SELECT kind, name FROM dewey_rights").fetchall())
        definers = owner.execute(
            "SELECT proname, proconfig FROM pg_proc WHERE prosecdef AND proname ^@ 'dewey_'"
        ).fetchall()
        owners = owner.execute(
            """SELECT DISTINCT relowner::regrole::text FROM pg_class
               WHERE relnamespace = 'public'::regnamespace
               UNION SELECT proowner::regrole::text FROM pg_proc
               WHERE pronamespace = 'public'::regnamespace"""
        ).fetchall()
        owner.execute("DROP ROLE guest")
    found = {**tables, **functions, **types}
    assert [name for name, may in found.items() if may] == []
    assert {("TABLE", name) for name in tables if not re.match(r"logs_\d{8}", name)} == {
        item for item in listed if item[0] == "TABLE"
    }
    assert {("FUNCTION", name) for name in functions} | {("TYPE", name) for name in types} == {
        item for item in listed if item[0] != "TABLE"
    }
    assert len(definers) == 6
    assert {tuple(config) for _, config in definers} == {("search_path=public, pg_temp",)}
    assert owners == [("dewey_owner",)]
