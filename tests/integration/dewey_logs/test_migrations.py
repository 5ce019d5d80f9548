"""Migrations from many hosts, on tables with data, edited ones and broken ones."""

from __future__ import annotations

import shutil
import subprocess
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from dewey_logs import SchemaProblem, Unavailable, open_store
from dewey_logs.migrations import available, check, migrate
from dewey_logs.statements import folder
from tests.integration.dewey_logs.conftest import Database, batch


@pytest.fixture
def bare_url(postgres_server):
    """An empty database."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield postgres_server.url(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def own_files(tmp_path: Path) -> Path:
    """A copy of the migrations that the test may add to and edit."""
    where = tmp_path / "migrations"
    shutil.copytree(folder() / "migrations", where)
    return where


def test_an_empty_database_gets_everything_and_then_nothing(bare_url):
    names = [migration.name for migration in available()]
    assert check(bare_url) == names
    assert migrate(bare_url) == names
    assert check(bare_url) == []
    assert migrate(bare_url) == []


def test_the_days_of_the_window_are_there_after_migrating(database):
    days = database.rows("SELECT relname FROM pg_class WHERE relname ~ '^logs_[0-9]{8}$'")
    assert len(days) == 11  # seven back, today, three ahead
    assert (
        database.one(
            "SELECT count(*) FROM pg_class WHERE pg_get_expr(relpartbound, oid) = 'DEFAULT'"
        )
        == 0
    )


def test_four_processes_at_once_migrate_once(bare_url):
    program = (
        "import sys; from dewey_logs.migrations import migrate; print(len(migrate(sys.argv[1])))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program, bare_url], stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    counts = sorted(int(process.communicate(timeout=60)[0]) for process in processes)
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert counts == [0, 0, 0, len(available())]
    assert check(bare_url) == []


def test_a_new_migration_runs_on_tables_with_data(dewey_url, database, maker, own_files):
    with open_store(dewey_url) as store:
        store.write(batch(maker.rows(100)))
    (own_files / "0099_colour.sql").write_text("ALTER TABLE logs ADD COLUMN colour text;")
    assert check(dewey_url, where=own_files) == ["0099_colour"]
    assert migrate(dewey_url, where=own_files) == ["0099_colour"]
    assert database.rows("SELECT count(*), count(colour) FROM logs") == [(100, 0)]
    with open_store(dewey_url) as store:
        assert store.write(batch(maker.rows(100))).stored == 100


def test_an_edited_migration_is_refused_before_anything_happens(dewey_url, database, own_files):
    first = sorted(own_files.iterdir())[0]
    first.write_text(first.read_text("utf-8") + "\n-- a harmless thought", "utf-8")
    (own_files / "0099_colour.sql").write_text("ALTER TABLE logs ADD COLUMN colour text;")
    for use in (migrate, check):
        with pytest.raises(SchemaProblem, match=f"{first.stem} was edited after it ran"):
            use(dewey_url, where=own_files)
    assert database.one("SELECT count(*) FROM dewey_migrations") == len(available())


def test_line_endings_of_another_system_are_no_edit(dewey_url, own_files):
    first = sorted(own_files.iterdir())[0]
    first.write_bytes(first.read_bytes().replace(b"\n", b"\r\n"))
    assert check(dewey_url, where=own_files) == []


def test_a_migration_that_fails_leaves_nothing_half_done(dewey_url, database, own_files):
    (own_files / "0098_good.sql").write_text("CREATE TABLE good (a int);")
    (own_files / "0099_bad.sql").write_text("CREATE TABLE half (a int); SELECT 1 / 0;")
    with pytest.raises(SchemaProblem, match="0099_bad failed and was undone: division by zero"):
        migrate(dewey_url, where=own_files)
    assert database.rows("SELECT to_regclass('good')::text, to_regclass('half')") == [
        ("good", None)
    ]
    (own_files / "0099_bad.sql").write_text("CREATE TABLE half (a int);")
    assert migrate(dewey_url, where=own_files) == ["0099_bad"]


def test_a_migration_that_cannot_be_recorded_is_undone(dewey_url, database, own_files):
    (own_files / "0099_sly.sql").write_text(
        "CREATE TABLE half (a int);"
        "ALTER TABLE dewey_migrations ADD CONSTRAINT no_more CHECK (name <> '0099_sly');"
    )
    with pytest.raises(SchemaProblem, match=r"0099_sly failed and was undone: .*no_more"):
        migrate(dewey_url, where=own_files)
    assert database.one("SELECT to_regclass('half')") is None
    assert database.one("SELECT count(*) FROM pg_constraint WHERE conname = 'no_more'") == 0


def test_a_database_of_a_newer_dewey_is_left_alone(dewey_url, database):
    database.connection.execute("INSERT INTO dewey_migrations VALUES ('9999_future', 'x')")
    assert check(dewey_url) == []
    assert migrate(dewey_url) == []


def test_a_schema_of_its_own_holds_everything(bare_url):
    with psycopg.connect(bare_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA dewey")
    url = f"{bare_url}&options=-csearch_path%3Ddewey"
    migrate(url)
    eyes = Database(url)
    assert (
        eyes.one("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0
    )
    eyes.connection.execute("SET search_path = public")  # functions know their own schema
    assert eyes.one("SELECT dewey.dewey_ensure_partition(now() + interval '9 days')")
    assert (
        eyes.one("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0
    )
    eyes.connection.close()


def test_a_temporary_table_cannot_stand_in_for_one_of_ours(dewey_url, database):
    database.connection.execute("CREATE TEMPORARY TABLE logs_streams (stream text)")
    assert database.one("SELECT dewey_epoch('s', 1, 1, 1)") == 1
    assert database.one("SELECT count(*) FROM public.logs_streams") == 1


def test_a_search_path_without_a_schema_says_so(bare_url):
    with pytest.raises(SchemaProblem, match="search_path names no schema"):
        migrate(f"{bare_url}&options=-csearch_path%3Dnowhere")


def test_a_schema_that_comes_before_the_stores_own_gets_no_second_store(bare_url):
    migrate(bare_url)
    with psycopg.connect(bare_url, autocommit=True) as connection:
        connection.execute('CREATE SCHEMA "godot"')  # of the login's name: first in search_path
    with pytest.raises(SchemaProblem, match=r"the store is in the schema public, but .* godot"):
        migrate(bare_url)
    assert migrate(f"{bare_url}&options=-csearch_path%3Dpublic") == []


@contextmanager
def beside(url, how):
    """Another database, made as this says."""
    with psycopg.connect(url, autocommit=True) as connection:
        name = f"t_{uuid.uuid4().hex[:12]}"
        connection.execute(f"CREATE DATABASE {name} {how} LOCALE 'C' TEMPLATE template0")
        yield url.replace(connection.info.dbname, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_database_that_cannot_hold_every_text_is_refused(bare_url):
    with (
        beside(bare_url, "ENCODING 'LATIN1'") as url,
        pytest.raises(SchemaProblem, match="encoding is LATIN1"),
    ):
        migrate(url)


def test_a_database_that_tells_no_capitals_beyond_ascii_is_remarked_on(bare_url):
    said: list[str] = []
    with beside(bare_url, "ENCODING 'UTF8'") as url:
        migrate(url, remark=said.append)
    migrate(bare_url, remark=said.append)
    assert len(said) == 1
    assert "whose locale is C, a search for Ä does not find ä" in said[0]


def test_a_right_that_is_missing_is_one_clear_line(dewey_url, database, bare_url):
    database.connection.execute("DROP ROLE IF EXISTS passer_by; CREATE ROLE passer_by LOGIN")
    with pytest.raises(SchemaProblem, match="permission denied"):
        migrate(bare_url.replace("user=godot", "user=passer_by"))
    database.connection.execute("DROP ROLE passer_by")


def test_no_server_is_an_outage():
    for use in (migrate, check):
        with pytest.raises(Unavailable, match="cannot be reached"):
            use("postgresql:///x?host=/nonexistent")
