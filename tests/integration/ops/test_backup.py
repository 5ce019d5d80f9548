"""The logins of ops/postgres/logins.sh, and copies that ops/backup makes and brings back."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psycopg
import pytest

from dewey_logs import LogFilter, open_store
from dewey_logs.maintenance import maintain, merge_rollups, verify
from dewey_logs.migrations import migrate
from godot.accounting import examine
from godot.embedded.postgres import Postgres
from godot.replay import measure, replay
from godot.settings import Settings
from godot.stream.ids import ZERO
from tests.conftest import logged_in
from tests.integration.dewey_logs import deeds
from tests.integration.dewey_logs.conftest import DAY_US, Maker, batch
from tests.integration.worker.conftest import Bench, eventually
from tests.users import ROOT

OWNER, WRITER, READER = "godot_owner", "godot_writer", "godot_reader"


class Cluster:
    """A server whose logins were made as compose.yml makes them."""

    def __init__(self, server: Postgres, secrets: Path) -> None:
        self.server = server
        self.environ = {
            "PATH": f"{server._programs()}:{os.environ['PATH']}",
            "PGHOST": str(server.sockets),
        }
        secrets.mkdir()
        for name in ("owner", "writer", "reader"):
            (secrets / f"postgres_{name}").write_text(f"it's {name}'s", "utf-8")
        run = {"SECRETS": str(secrets), "POSTGRES_USER": "godot"}
        self.run("postgres/logins.sh", environ=run)

    def run(self, script: str, *arguments: str, environ: dict[str, str]) -> str:
        done = subprocess.run(
            ["/bin/sh", str(ROOT / "ops" / script), *arguments],
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    def backup(self, *arguments: str | Path, database: str = "dewey") -> str:
        environ = {"PGUSER": OWNER, "PGDATABASE": database}
        return self.run("backup", *map(str, arguments), environ=environ)

    def url(self, user: str, database: str = "dewey") -> str:
        return logged_in(self.server.url(database), user)

    @contextmanager
    def database(self, name: str) -> Iterator[None]:
        """Make an empty one of the owner's."""
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
            yield
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def cluster(server_folder: Path) -> Iterator[Cluster]:
    server = Postgres(server_folder / "backup", options=("shared_buffers=32MB",))
    server.start()
    yield Cluster(server, server_folder / "backup-secrets")
    server.stop()


@pytest.fixture
def name(cluster: Cluster) -> Iterator[str]:
    """A migrated database of the test's own."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    with cluster.database(name):
        migrate(cluster.url(OWNER, name))
        yield name


def rows(url: str, since: str = "-infinity", until: str = "infinity") -> list[tuple]:
    with psycopg.connect(url) as connection:
        wanted = (
            "SELECT to_jsonb(l) FROM logs l WHERE created_at >= %s AND created_at < %s ORDER BY id"
        )
        return connection.execute(wanted, (since, until)).fetchall()


def test_every_service_can_do_its_work_and_the_superuser_is_not_needed(cluster: Cluster):
    remarks: list[str] = []
    migrate(cluster.url(OWNER), remark=remarks.append)
    assert remarks == []
    with psycopg.connect(cluster.server.url("dewey")) as connection:
        may = "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles"
        assert connection.execute(f"{may} WHERE rolname ~ '^godot_'").fetchall() == [(False,)] * 3
    deeds.work(cluster.url(WRITER))
    with open_store(cluster.url(WRITER), reader_url=cluster.url(READER)) as store:
        assert deeds.read(store) > 0
    deeds.keep_house(cluster.url(OWNER))


def test_everything_is_restored_and_the_stream_brings_what_came_since(
    cluster: Cluster, name: str, settings: Settings, working, tmp_path: Path
):
    mine = msgspec.structs.replace(settings, dewey_url=cluster.url(WRITER, name))
    bench = Bench(mine, cluster.server.url(name))
    with working(mine):
        bench.append(bench.records(20))
        eventually(bench.settled, "the records before")
        cluster.backup("dump", tmp_path / "all", database=name)
        bench.append(bench.records(10))
        eventually(bench.settled, "the records after")
    bench.close()
    before = rows(cluster.server.url(name))
    with cluster.database("restored"):
        owner, writer, reader = (cluster.url(who, "restored") for who in (OWNER, WRITER, READER))
        cluster.backup("restore", tmp_path / "all", database="restored")
        migrate(owner)
        after = msgspec.structs.replace(mine, dewey_url=writer, reclaim_idle_ms=1)
        with open_store(writer, reader_url=reader) as store:
            # ten are in the stream, acknowledged, and in no table: the audit names them
            total = examine(after, store).audit.total
            assert (total.stored, total.lost) == (20, 10)
            replay(after, store, measure(after, ZERO, None))
            audit = examine(after, store).audit
        assert (audit.clean, audit.total.stored) == (True, 30), audit.total
        assert rows(cluster.server.url("restored")) == before
        merge_rollups(owner)
        assert list(verify(owner)) == []


def test_one_partition_comes_back_after_retention_dropped_it(
    cluster: Cluster, name: str, tmp_path: Path
):
    url, owner = cluster.server.url(name), cluster.url(OWNER, name)
    maker = Maker(11)
    day = maker.now_us - 3 * DAY_US
    with open_store(cluster.url(WRITER, name)) as store:
        store.write(batch([maker.row(created_at_us=day + n) for n in range(50)]))
        store.write(batch(maker.rows(5)))
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT dewey_partition_of(now() - interval '3 days'), dewey_partition_of(now())"
        ).fetchone()
    assert found is not None
    part, today = found
    old, everything = rows(url, until="yesterday"), rows(url)
    assert (len(old), len(everything)) == (50, 55)

    for wrong, why in ((today, "not over yet"), ("logs_1", "there is no partition logs_1")):
        with pytest.raises(AssertionError, match=why):
            cluster.backup("dump-partition", wrong, tmp_path / "wrong", database=name)
    assert not list(tmp_path.iterdir()), "half a file"
    cluster.backup("dump-partition", part, tmp_path / "day", database=name)
    with pytest.raises(AssertionError, match="has records"):
        cluster.backup("restore-partition", part, tmp_path / "day", database=name)
    assert rows(url) == everything

    assert part in maintain(owner, 1).dropped
    assert rows(url, until="yesterday") == []
    with pytest.raises(AssertionError, match="is no copy of"):
        cluster.backup("restore-partition", today, tmp_path / "day", database=name)
    cluster.backup("restore-partition", part, tmp_path / "day", database=name)
    assert rows(url) == everything
    merge_rollups(owner)
    assert list(verify(owner)) == []
    with open_store(cluster.url(WRITER, name), reader_url=cluster.url(READER, name)) as store:
        assert store.query(LogFilter(since="4d", until="2d")).matched == 50

    # into a store that never had it, where an empty one was made ahead
    with cluster.database("reading_room"):
        migrate(cluster.url(OWNER, "reading_room"))
        there = cluster.server.url("reading_room")
        with psycopg.connect(there, autocommit=True) as connection:
            connection.execute("SELECT dewey_ensure_partition(now() - interval '3 days')")
        cluster.backup("restore-partition", part, tmp_path / "day", database="reading_room")
        assert rows(there) == old
