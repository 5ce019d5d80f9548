"""Upgrades under load: workers replaced one by one, and a schema that old workers go on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import psycopg
import pytest

from dewey_logs.migrations import available, check, migrate
from godot.embedded.plan import LOGINS, WRITER
from godot.embedded.postgres import Postgres
from godot.settings import Settings
from godot.stream.append import Appender
from tests.conftest import logged_in
from tests.integration.worker.conftest import ENVIRONMENT, Bench, eventually
from tests.users import ROOT

Start = Callable[..., "Process"]
START_S = 90.0  # of patience, on a busy machine


class Process:
    """One worker; `source` is the folder its code comes from, None for ours."""

    def __init__(self, settings: Settings, log: Path, source: Path | None) -> None:
        values = {name: getattr(settings, field) for name, field in ENVIRONMENT.items()}
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "godot", "worker"],
                env={
                    **{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
                    **{k: str(v) for k, v in values.items() if v is not None},
                    **({"PYTHONPATH": str(source / "src")} if source else {}),
                },
                cwd=log.parent,
                stdout=out,
                stderr=out,
            )

    @property
    def said(self) -> str:
        return self._log.read_text("utf-8")

    @property
    def works(self) -> bool:
        assert self._process.poll() is None, self.said
        return "worker started" in self.said

    def stop(self) -> None:
        """Ask it to end; it has to do so in order."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(60) == 0, self.said

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(60)


@pytest.fixture
def start(settings: Settings, tmp_path: Path, writer_url: str) -> Iterator[Start]:
    started: list[Process] = []

    def one(of: Settings = settings, source: Path | None = None) -> Process:
        started.append(Process(of, tmp_path / f"worker-{len(started)}.log", source))
        return started[-1]

    yield one
    for process in started:
        process.kill()


@contextmanager
def load(bench: Bench) -> Iterator[list[int]]:
    """Append a few records every twentieth of a second; gives their number so far."""
    count, stop = [0], threading.Event()

    def work() -> None:
        with Appender(bench.settings) as appender:
            while not stop.wait(0.05):
                appender.append(bench.records(7))
                count[0] += 7

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield count
    finally:
        stop.set()
        thread.join(60)


def settled_without_loss(bench: Bench, offered: int) -> None:
    eventually(bench.settled, "everything acknowledged")
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(offered, offered)]
    assert bench.sql("SELECT count(*) FROM logs_rejected") == [(0,)]
    audit = bench.audited()
    assert audit.clean, audit.total


def test_workers_are_replaced_one_by_one_and_nothing_is_lost(bench: Bench, start: Start):
    workers = [start(), start()]
    eventually(lambda: all(worker.works for worker in workers), "both to work", START_S)
    with load(bench) as offered:
        for old in list(workers):
            workers.append(start())
            eventually(lambda: workers[-1].works, "the new one to work", START_S)
            old.stop()
            workers.remove(old)
        before = offered[0]
        eventually(lambda: offered[0] > before + 20, "load on the new ones alone")
    settled_without_loss(bench, offered[0])
    assert bench.consumers() == 2, "those that ended left nobody behind"


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code from just before the newest migration was added, as git has it."""
    newest = f"sql/migrations/{available()[-1].name}.sql"
    try:
        added = _git("log", "--diff-filter=A", "--format=%H", "--", newest).split()[-1]
        archive = _git("archive", f"{added}^", "src", "sql", text=False)
    except (subprocess.CalledProcessError, FileNotFoundError, IndexError):
        pytest.skip("no git history here that reaches before the newest migration")
    folder = tmp_path_factory.mktemp("previous")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return folder


def _git(*arguments: str, text: bool = True):
    found = subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=text, check=True
    )
    return found.stdout


@pytest.fixture
def old_store(postgres_server: Postgres, previous: Path) -> Iterator[str]:
    """A database with the previous schema, made by the previous code; its owner's address."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    url = postgres_server.url(name)
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        subprocess.run(
            [sys.executable, "-m", "dewey_logs", "migrate"],
            env={**os.environ, "PYTHONPATH": str(previous / "src"), "DEWEY_URL": url},
            cwd=previous,
            capture_output=True,
            check=True,
        )
        for login, role in LOGINS.items():
            postgres_server.create_login(login, role)
        yield url
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_old_workers_go_on_while_the_schema_is_upgraded(
    old_store: str, previous: Path, settings: Settings, start: Start
):
    assert check(old_store), "the store is not older than we are"
    mine = msgspec.structs.replace(settings, dewey_url=logged_in(old_store, WRITER))
    with closing(Bench(mine, old_store)) as bench:
        old = start(mine, previous)
        eventually(lambda: old.works, "the old worker to work", START_S)
        with load(bench) as offered:
            eventually(lambda: bench.stored() > 20, "the old worker to store")
            assert migrate(old_store) == [available()[-1].name]
            before = offered[0]
            eventually(lambda: bench.stored() > before + 20, "the old worker to go on")
            new = start(mine)
            eventually(lambda: new.works, "the new worker to work beside it", START_S)
            old.stop()
            before = offered[0]
            eventually(lambda: bench.stored() > before + 20, "the new worker to go on alone")
        settled_without_loss(bench, offered[0])
        new.stop()
    assert '"ERROR"' not in old.said
