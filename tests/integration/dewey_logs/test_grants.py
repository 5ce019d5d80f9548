"""Roles are made by whoever may, once for all databases; who may not goes on alone and says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from dewey_logs import SchemaProblem, open_store
from dewey_logs.migrations import available, check, migrate
from godot.embedded.postgres import Postgres
from tests.conftest import logged_in
from tests.integration.dewey_logs import deeds
from tests.integration.dewey_logs.conftest import eventually
from tests.integration.dewey_logs.servers import Servers

ROLES = ("dewey_owner", "dewey_writer", "dewey_reader")
LOGINS = ("maker", "keeper", '"Old keeper"', "worker", "analyst")


class Cluster:
    """A server without any role of ours; `run` is the superuser's hand."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self.url = server.url()
        self._connection = psycopg.connect(server.url(), autocommit=True)
        self._names: list[str] = []

    def run(self, statements: str) -> None:
        self._connection.execute(statements)

    def database(self, name: str, owner: str = "godot") -> str:
        self._names.append(name)
        self.run(f"CREATE DATABASE {name} OWNER {owner}")
        return self._server.url(name)

    def owners(self, url: str) -> set[str]:
        """Return who owns tables and functions there."""
        with psycopg.connect(url) as connection:
            return {
                name
                for (name,) in connection.execute(
                    """SELECT relowner::regrole::text FROM pg_class
                       WHERE relnamespace = current_schema()::regnamespace
                       UNION SELECT proowner::regrole::text FROM pg_proc
                       WHERE pronamespace = current_schema()::regnamespace"""
                )
            }

    def clean(self) -> None:
        for name in self._names:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")
        for role in (*LOGINS, *ROLES):
            self.run(f"DROP ROLE IF EXISTS {role}")
        self._connection.close()


@pytest.fixture(scope="session")
def bare_servers(server_folder) -> Iterator[Servers]:
    (server_folder / "bare").mkdir(mode=0o711)
    found = Servers(server_folder / "bare")
    yield found
    found.close()


@pytest.fixture
def cluster(bare_servers: Servers, version: int) -> Iterator[Cluster]:
    found = Cluster(bare_servers[version])
    yield found
    found.clean()


def remarks(url: str) -> list[str]:
    """Migrate; return what was said about it."""
    said: list[str] = []
    migrate(url, remark=said.append)
    return said


def test_a_login_that_may_create_roles_makes_them_and_stays_in_charge(cluster):
    cluster.run("CREATE ROLE maker LOGIN CREATEROLE; CREATE ROLE worker LOGIN")
    url = cluster.database("one", "maker")
    assert remarks(logged_in(url, "maker")) == []
    assert cluster.owners(url) == {"dewey_owner"}
    cluster.run("GRANT dewey_writer TO worker")
    deeds.work(logged_in(url, "worker"))
    deeds.keep_house(logged_in(url, "maker"))


def test_who_may_not_create_roles_goes_on_alone_and_catches_up_later(cluster):
    cluster.run("CREATE ROLE keeper LOGIN; CREATE ROLE worker LOGIN")
    url = cluster.database("one", "keeper")
    keeper = logged_in(url, "keeper")
    (line,) = remarks(keeper)
    assert line.startswith(f"keeper may not create the roles {', '.join(ROLES)}: ")
    assert "\n" not in line
    assert check(keeper) == []
    assert cluster.owners(url) == {"keeper"}
    deeds.work(keeper)

    cluster.run(";".join(f"CREATE ROLE {role}" for role in ROLES))
    (line,) = remarks(keeper)
    assert line == "keeper may not hand over to dewey_owner: only keeper can migrate and maintain"
    cluster.run("GRANT dewey_writer TO worker")
    deeds.work(logged_in(url, "worker"), producer=78)

    cluster.run("GRANT dewey_owner TO keeper")
    assert remarks(keeper) == []
    assert cluster.owners(url) == {"dewey_owner"}
    deeds.work(logged_in(url, "worker"), producer=79)
    deeds.keep_house(keeper)


def test_a_superuser_who_migrates_takes_nothing_from_whoever_did_before(cluster):
    cluster.run('CREATE ROLE "Old keeper" LOGIN')
    url = cluster.database("one", '"Old keeper"')
    keeper = logged_in(url, "Old%20keeper")
    remarks(keeper)
    assert remarks(url) == []
    assert cluster.owners(url) == {"dewey_owner"}
    deeds.work(keeper)
    deeds.keep_house(keeper)


def test_a_role_that_another_database_makes_at_the_same_moment_is_used(cluster):
    url = cluster.database("one")
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.extend(remarks(url)))
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = 'one' AND wait_event_type = 'Lock'"
    with psycopg.connect(cluster.url) as other, psycopg.connect(cluster.url) as eyes:
        eyes.autocommit = True
        other.execute("CREATE ROLE dewey_owner")
        thread.start()
        eventually(lambda: eyes.execute(waiting).fetchone())
        other.commit()
        thread.join(60)
    assert said == []
    assert cluster.owners(url) == {"dewey_owner"}


def test_rights_on_schema_and_database_are_given_where_they_are_missing_or_named(cluster):
    cluster.run("CREATE ROLE keeper LOGIN; CREATE ROLE worker LOGIN; CREATE ROLE analyst LOGIN")
    url = cluster.database("one")
    inside = f"{url}&options=-csearch_path%3D%22De-wey%22"
    cluster.run("REVOKE ALL ON DATABASE one FROM PUBLIC")
    cluster.run("GRANT CONNECT ON DATABASE one TO keeper")
    with psycopg.connect(url) as connection:
        connection.execute(
            'CREATE SCHEMA "De-wey"; GRANT USAGE, CREATE ON SCHEMA "De-wey" TO keeper'
        )
    cluster.run(";".join(f"CREATE ROLE {role}" for role in ROLES))
    said = remarks(logged_in(inside, "keeper"))
    assert 'keeper may not GRANT CREATE ON SCHEMA "De-wey" TO dewey_owner' in said
    assert "keeper may not GRANT TEMPORARY ON DATABASE one TO dewey_writer" in said
    cluster.run("GRANT dewey_writer TO worker; GRANT dewey_reader TO analyst")
    with (
        open_store(logged_in(inside, "worker")) as store,
        pytest.raises(SchemaProblem, match=r'permission denied for database "one" \[42501\]'),
    ):
        store.check()
    assert remarks(inside) == []
    deeds.work(logged_in(inside, "worker"))
    with open_store(logged_in(inside, "analyst")) as store:
        assert deeds.read(store) > 10


def test_migrating_again_gives_back_what_was_taken_and_leaves_what_others_were_given(cluster):
    url = cluster.database("one")
    assert remarks(url) == []
    cluster.run("CREATE ROLE analyst LOGIN")
    with psycopg.connect(url, autocommit=True) as connection:
        before = _rights(connection)
        assert before
        connection.execute("GRANT SELECT ON logs TO PUBLIC; GRANT DELETE ON logs TO dewey_writer")
        connection.execute("REVOKE INSERT ON logs FROM dewey_writer")
        connection.execute("ALTER TABLE logs_rollup OWNER TO godot")
        connection.execute("GRANT EXECUTE ON FUNCTION dewey_epoch TO PUBLIC")
        assert remarks(url) == []
        assert _rights(connection) == before
        connection.execute("GRANT SELECT ON logs TO analyst")
        assert remarks(url) == []
        assert "analyst=r" in _rights(connection)["logs"]


def _rights(connection: psycopg.Connection) -> dict[str, str]:
    query = """
        SELECT relname, relowner::regrole || ' ' || relacl::text
               || coalesce((SELECT string_agg(attname || attacl::text, ' ' ORDER BY attname)
                            FROM pg_attribute WHERE attrelid = c.oid AND attacl IS NOT NULL), '')
        FROM pg_class c WHERE relnamespace = 'public'::regnamespace
        UNION ALL
        SELECT proname, proowner::regrole || ' ' || proacl::text
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    """
    # an access list is a set: its order tells who was granted something last
    return {
        name: " ".join(sorted((text or "").replace("{", ",").replace("}", ",").split(",")))
        for name, text in connection.execute(query)
    }


def test_a_migration_by_somebody_who_owns_nothing_says_who_may(cluster):
    url = cluster.database("one")
    migrate(url)
    cluster.run("CREATE ROLE analyst LOGIN; GRANT dewey_reader TO analyst")
    with pytest.raises(SchemaProblem) as caught:
        migrate(logged_in(url, "analyst"))
    assert str(caught.value) == (
        "analyst, who logs in by DEWEY_OWNER_URL (or DEWEY_URL), lacks a right: permission denied"
        " for schema public [42501]; let the owner of the database log in, or GRANT dewey_owner TO"
        " analyst"
    )
    assert check(logged_in(url, "analyst")) == []
    assert len(available()) > 6
