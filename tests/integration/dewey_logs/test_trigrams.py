"""Where pg_trgm is an extension of the database, an index finds substrings in what is over."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dewey_logs import LogFilter, Store, open_store
from dewey_logs.migrations import migrate
from dewey_logs.partitions import ensure
from dewey_logs.sealing import seal
from tests.integration.dewey_logs.conftest import DAY_US, Maker, batch, eventually
from tests.integration.dewey_logs.servers import Servers, installations

CONTROL = "/usr/share/postgresql/{}/extension/pg_trgm.control"


@pytest.fixture
def url(servers: Servers) -> Iterator[str]:
    """A database with the extension, on the first server that has it."""
    able = [version for version in installations() if Path(CONTROL.format(version)).exists()]
    if not able:
        pytest.skip("no PostgreSQL with pg_trgm here: the one of the system brings it")
    servers.migrated(able[0])  # makes the roles
    server, name = servers[able[0]], f"t_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        with psycopg.connect(server.url(name), autocommit=True) as inside:
            inside.execute("CREATE SCHEMA extensions")
            inside.execute("CREATE EXTENSION pg_trgm SCHEMA extensions")
        migrate(server.url(name))
        yield server.url(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def store(url: str, maker: Maker) -> Iterator[Store]:
    """Records of two days ago, which are sealed, and of today, which is not."""
    earlier = [
        maker.row(
            message=f"Kilo{n:03} took 50%_of it",
            created_at_us=maker.row().created_at_us - 2 * DAY_US,
        )
        for n in range(300)
    ]
    ensure(url)
    with open_store(url) as opened:
        opened.write(batch([*earlier, maker.row(message="kILO123 took all of it")]))
        seal(url)
        yield opened


def found(store: Store, text: str) -> tuple[list[str], str]:
    page = store.query(LogFilter(contains=text))
    return [row.message for row in page.rows], page.strategy


def test_what_is_over_is_found_by_the_index_and_the_rest_by_reading(store):
    messages, strategy = found(store, "kilo12")
    assert messages[0] == "kILO123 took all of it"
    assert messages[1:] == [f"Kilo{n:03} took 50%_of it" for n in range(129, 119, -1)]
    assert set(strategy.split("+")) == {"scan", "index"}
    assert len(found(store, "0 TOOK 50%_O")[0]) == 30
    assert found(store, "kilo1x3")[0] == []
    assert found(store, "%_")[1] == "scan"  # which has no trigram


def test_it_is_the_index_that_finds_them(store, url):
    used = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname ~ '_trgm$'"
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute(used).fetchall() == [(0,)]
        with open_store(url) as other:  # what it did is told when it ends
            found(other, "kilo12")
        eventually(lambda: connection.execute(used).fetchall() != [(0,)])


def test_an_index_that_was_cut_short_is_built_again(store, url):
    names = "SELECT c.relname FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid WHERE {}"
    with psycopg.connect(url, autocommit=True) as connection:
        trigrams = connection.execute(names.format("c.relname ~ '_trgm$'")).fetchall()
        assert len(trigrams) == 1
        connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", trigrams[0]
        )
        assert found(store, "kilo12")[1] == "scan"
        assert seal(url).indexed == [trigrams[0][0]]
        assert seal(url).indexed == []
        assert connection.execute(names.format("NOT x.indisvalid")).fetchall() == []
    assert "index" in found(store, "kilo12")[1]
