"""PostgreSQL goes away at every moment of a write: the batch sent again is stored exactly once."""

from __future__ import annotations

import os
import re
import resource
import threading
import time
from collections.abc import Iterator
from urllib.parse import quote

import psycopg
import pytest

from dewey_logs import (
    Batch,
    LogFilter,
    SchemaProblem,
    Store,
    TooSlow,
    Unanswered,
    Unavailable,
    Unreachable,
    open_store,
)
from dewey_logs.migrations import migrate
from dewey_logs.readers import MAX_CONNECTIONS
from godot.embedded.postgres import Postgres
from tests.folders import server_folder
from tests.integration.dewey_logs.conftest import Database, Maker, batch, eventually, reject
from tests.proxy import Proxy


@pytest.fixture(scope="module")
def own_server() -> Iterator[Postgres]:
    """A server that the tests of this file may kill."""
    with server_folder() as folder:
        folder.chmod(0o711)
        server = Postgres(folder / "pg", options=("fsync=on", "shared_buffers=32MB"))
        server.start()
        migrate(server.url())
        yield server
        server.stop()


@pytest.fixture
def url(own_server: Postgres) -> str:
    with psycopg.connect(own_server.url(), autocommit=True) as connection:
        connection.execute("TRUNCATE logs, logs_moved, logs_ledger, logs_ledger_entries")
    return own_server.url()


@pytest.fixture
def eyes(url: str) -> Iterator[Database]:
    look = Database(url)
    yield look
    look.connection.close()


def write_until_stored(store: Store, made: Batch, timeout_s: float = 90.0) -> int:
    """Send a batch as the worker does; return how often PostgreSQL was away."""
    failures = 0
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            store.write(made)
        except Unavailable:
            failures += 1
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return failures


def test_a_connection_that_died_unnoticed_answers_no_check(url, eyes):
    with open_store(url) as store:
        store.check()
        eyes.rows(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        with pytest.raises(Unavailable):
            store.check()
        store.check()


def test_a_server_killed_during_writes_has_every_record_once_afterwards(
    own_server, url, eyes, maker
):
    batches = [batch(maker.rows(200)) for _ in range(150)]
    failures: list[int] = []

    def work() -> None:
        with open_store(url) as store:
            failures.extend(write_until_stored(store, made) for made in batches)

    thread = threading.Thread(target=work)
    thread.start()
    for crash in range(3):
        enough = 15 + 40 * crash
        eventually(lambda: len(failures) > enough)  # noqa: B023  # used up in this round
        own_server.kill()
        own_server.start()
    thread.join(60)
    assert len(failures) == len(batches)
    assert sum(failures) >= 3
    look = Database(url)  # the fixture's session ended with the server
    assert look.rows("SELECT count(*), count(DISTINCT id) FROM logs") == [(30_000, 30_000)]
    assert look.ledger() == {(77, "stored"): set(range(1, 30_001))}
    look.connection.close()


def test_a_stopped_server_is_unavailable_in_one_clear_line(own_server, url, maker):
    with open_store(url) as store:
        store.write(batch(maker.rows(1)))
        own_server.stop()
        for use in (lambda: store.write(batch(maker.rows(1))), store.ping):
            with pytest.raises(Unavailable) as caught:
                use()
            assert "\n" not in str(caught.value)
            assert "PostgreSQL" in str(caught.value)
        own_server.start()
        assert store.write(batch(maker.rows(1))).stored == 1
        store.ping()
        assert store.query(LogFilter()).returned == 2


@pytest.mark.parametrize("maybe_known", [False, True])
def test_a_commit_whose_answer_is_lost_is_found_stored_by_the_retry(
    own_server, url, eyes, maker, maybe_known
):
    rows = maker.rows(100)
    with Proxy(own_server.sockets / ".s.PGSQL.5432") as proxy:
        through = (
            f"postgresql://godot@127.0.0.1:{proxy.port}/postgres?sslmode=disable&gssencmode=disable"
        )
        with open_store(through) as store:
            store.write(batch(maker.rows(1)))
            # a trigger at commit is the last thing before the answer: from here on nothing comes
            eyes.connection.execute(
                "CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END $$;"
                "CREATE CONSTRAINT TRIGGER pause AFTER INSERT ON logs_ledger"
                " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pause()"
            )
            eyes.connection.execute("SELECT pg_advisory_lock(4711)")
            caught = []

            def write() -> None:
                try:
                    store.write(batch(rows))
                except Unavailable as exc:
                    caught.append(exc)

            thread = threading.Thread(target=write)
            thread.start()
            eventually(
                lambda: eyes.one(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
                )
            )
            proxy.swallow_replies = True
            eyes.connection.execute("SELECT pg_advisory_unlock(4711)")
            eventually(lambda: eyes.one("SELECT count(*) FROM logs") == 101)
            proxy.cut()
            proxy.swallow_replies = False
            thread.join(60)
            assert len(caught) == 1
            eyes.connection.execute("DROP FUNCTION pause CASCADE")
            again = store.write(batch(rows, maybe_known=maybe_known))
            assert (again.stored, again.duplicates) == (0, 100)
        assert eyes.one("SELECT count(*) FROM logs") == 101


def test_a_terminated_session_is_replaced(url, eyes, maker):
    with open_store(url, application_name="victim") as store:
        store.write(batch(maker.rows(1)))
        store.query(LogFilter())
        eyes.rows(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'victim'"
        )
        with pytest.raises(Unavailable):
            store.write(batch(maker.rows(1)))
        assert store.write(batch(maker.rows(1))).stored == 1
        assert store.query(LogFilter()).returned == 2


def test_a_locked_table_is_an_outage_and_not_a_dead_letter(url, eyes, maker):
    with open_store(url, statement_timeout_s=0.3) as store:
        rows = maker.rows(10)
        with eyes.connection.transaction():
            eyes.connection.execute("LOCK TABLE logs IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(Unavailable, match=r"lock timeout|statement timeout"):
                store.write(batch(rows))
        assert store.write(batch(rows)).stored == 10
    assert eyes.one("SELECT count(*) FROM logs_rejected") == 0


SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON logs FOR EACH ROW EXECUTE FUNCTION slow();
CREATE TRIGGER slow BEFORE INSERT ON logs_rejected FOR EACH ROW EXECUTE FUNCTION slow()
"""


def test_a_batch_that_takes_too_long_may_do_in_parts(dewey_url, maker):
    with open_store(dewey_url, statement_timeout_s=0.3) as store:
        store.write(batch(maker.rows(1)))
        with psycopg.connect(dewey_url, autocommit=True) as connection:
            connection.execute(SLOW)
            with pytest.raises(TooSlow, match=r"a batch of 100: .*\[57014\]") as told:
                store.write(batch(maker.rows(100)))
            assert not isinstance(told.value, Unreachable)
            assert store.write(batch(maker.rows(5))).stored == 5
            letters = [reject(row.id) for row in maker.rows(400)]  # a statement each
            with pytest.raises(Unanswered):
                store.write(Batch(stream="logs", rejects=tuple(letters)))
            assert connection.execute("SELECT count(*) FROM logs_rejected").fetchone() == (0,)


def test_what_a_person_cancels_says_nothing_of_the_batch(dewey_url, maker):
    cancelling = (
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'victim' AND wait_event_type = 'Lock'"
    )
    with (
        open_store(dewey_url, application_name="victim") as store,
        psycopg.connect(dewey_url) as holder,
        psycopg.connect(dewey_url, autocommit=True) as person,
    ):
        holder.execute("LOCK TABLE logs_ledger IN EXCLUSIVE MODE")
        told: list[Exception] = []

        def write() -> None:
            try:
                store.write(batch(maker.rows(10)))
            except Unavailable as exc:
                told.append(exc)

        writing = threading.Thread(target=write)
        writing.start()
        eventually(lambda: person.execute(cancelling).fetchone() == (True,))
        writing.join()
    assert [type(exc) for exc in told] == [Unavailable]


def test_a_read_only_server_is_an_outage(url, eyes, maker):
    eyes.connection.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
    try:
        with open_store(url) as store, pytest.raises(Unavailable, match="25006"):
            store.write(batch(maker.rows(1)))
    finally:
        eyes.connection.execute("SET default_transaction_read_only = off")
        eyes.connection.execute("ALTER DATABASE postgres RESET default_transaction_read_only")


def test_no_free_file_descriptor_is_an_outage(url, maker):
    """With one left the socket is made, and Python finds none to wait for it with."""
    with open_store(url) as store:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        last = os.open(os.devnull, os.O_RDONLY)
        os.close(last)
        resource.setrlimit(resource.RLIMIT_NOFILE, (last + 1, limits[1]))
        try:
            with pytest.raises(Unavailable, match="Too many open files"):
                store.write(batch([maker.row()]))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert store.write(batch([maker.row()])).stored == 1


def test_no_free_connection_is_an_outage(own_server, url, eyes, maker):
    """As an ordinary role: a superuser would get one of the reserved slots."""
    eyes.connection.execute("DROP ROLE IF EXISTS few; CREATE ROLE few LOGIN CONNECTION LIMIT 0;")
    with open_store(own_server.url(user="few")) as store:
        with pytest.raises(Unavailable, match="too many connections"):
            store.write(batch(maker.rows(1)))
        with pytest.raises(Unavailable, match="too many connections"):
            store.ping()
    eyes.connection.execute("DROP ROLE few")


@pytest.mark.parametrize(
    ("database", "user", "words"),
    [
        ("nowhere", "godot", 'database "nowhere" does not exist'),
        ("postgres", "nobody-at-all", 'role "nobody-at-all" does not exist'),
    ],
)
def test_a_database_or_role_that_does_not_exist_is_for_a_person(
    own_server, maker, database, user, words
):
    with (
        open_store(own_server.url(database, quote(user))) as store,
        pytest.raises(SchemaProblem, match=words),
    ):
        store.write(batch(maker.rows(1)))


def test_a_database_that_was_never_migrated_says_so(own_server, maker):
    with psycopg.connect(own_server.url(), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS bare")
        connection.execute("CREATE DATABASE bare")
    with open_store(own_server.url("bare")) as store:
        for use in (lambda: store.write(batch(maker.rows(1))), store.ping, store.window):
            with pytest.raises(SchemaProblem, match="dewey migrate"):
                use()


def test_a_right_that_is_missing_is_named(own_server, url, eyes, maker):
    eyes.connection.execute("DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN")
    with open_store(own_server.url(user="guest")) as store:
        with pytest.raises(SchemaProblem) as writing:
            store.write(batch(maker.rows(1)))
        with pytest.raises(SchemaProblem) as reading:
            store.query(LogFilter())
    assert re.fullmatch(
        "guest, who logs in by DEWEY_URL, lacks a right: permission denied for .*"
        r" \[42501\]; GRANT dewey_writer TO guest",
        str(writing.value),
    )
    assert str(reading.value) == (
        "guest, who logs in by DEWEY_READER_URL (or DEWEY_URL), lacks a right: permission denied"
        " for table logs [42501]; GRANT dewey_reader TO guest"
    )
    eyes.connection.execute("DROP OWNED BY guest; DROP ROLE guest")


def test_connections_stay_the_same_over_many_outages(url, eyes):
    maker = Maker()
    with open_store(url, application_name="steady") as store:
        for _ in range(10):
            store.write(batch(maker.rows(2)))
            store.query(LogFilter())
            eyes.rows(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE application_name = 'steady'"
            )
            with pytest.raises(Unavailable):
                store.write(batch(maker.rows(2)))
        store.write(batch(maker.rows(2)))
        store.query(LogFilter())
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'steady'"
        assert eyes.one(sessions) <= 1 + MAX_CONNECTIONS
    eventually(lambda: eyes.one(sessions) == 0)
