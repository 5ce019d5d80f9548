"""What the containers stand beside: PostgreSQL, its logins, secrets, and a program that logs."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Set
from pathlib import Path

import msgspec
import psycopg

from clientlib import LogRecord, Producer, make_record
from dewey_logs import open_store
from dewey_logs.migrations import migrate
from godot.accounting import examine
from godot.audit import Audit
from godot.embedded.plan import LOGINS, READER, WRITER
from godot.embedded.postgres import SUPERUSER, Postgres
from godot.errors import GodotError
from godot.settings import Settings, load
from godot.stream.append import Appender
from tests.users import ROOT

DATABASE = "dewey"


class Outside:
    """A PostgreSQL on loopback, and the folder of secrets."""

    def __init__(self, folder: Path) -> None:
        self.secrets = folder / "secrets"
        subprocess.run(
            ["/bin/sh", str(ROOT / "ops" / "secrets"), str(self.secrets)],
            env={**os.environ, "REDIS_HOST": "127.0.0.1:6379"},
            capture_output=True,
            check=True,
        )
        options = ("shared_buffers=64MB", "listen_addresses=127.0.0.1")
        self.postgres = Postgres(folder / "postgres", options=options)
        self.postgres.start()
        self.postgres.create_database(DATABASE)
        migrate(self.owner_url)
        for login, role in LOGINS.items():
            self.postgres.create_login(login, role)
        self.folder = folder

    @property
    def owner_url(self) -> str:
        return self.postgres.url(DATABASE)

    @property
    def owner_on_loopback(self) -> str:
        """The owner's address as a container reaches it."""
        return self.url(SUPERUSER)

    def url(self, login: str) -> str:
        return f"postgresql://{login}@127.0.0.1/{DATABASE}"

    def secret(self, name: str) -> str:
        return (self.secrets / name).read_text("utf-8")

    def mounted(self, *names: str) -> list[str]:
        """Return podman's options that mount secrets where compose.yml mounts them."""
        return [f"--volume={self.secrets / name}:/run/secrets/{name}:ro" for name in names]

    def settings(self, user: str) -> Settings:
        return load(
            {
                "GODOT_REDIS_URL": f"redis://{user}:{self.secret(f'redis_{user}')}@127.0.0.1:6379/0",
                "DEWEY_URL": self.owner_url,
                "GODOT_DATA_DIR": str(self.folder / "nothing-runs-here"),
            }
        )

    def stored(self) -> set[str]:
        """Return the id of every record that is stored; twice the same is an error."""
        with psycopg.connect(self.owner_url) as connection:
            found = [str(id) for (id,) in connection.execute("SELECT id FROM logs")]
        assert len(found) == len(set(found)), "a record is stored twice"
        return set(found)

    def await_stored(self, ids: Set[str], seconds: float = 60.0) -> None:
        """Wait until every one of these records is stored."""
        deadline = time.monotonic() + seconds
        while lacking := ids - self.stored():
            assert time.monotonic() < deadline, f"{len(lacking)} accepted records are not stored"
            time.sleep(0.3)

    def kept_all_of(self, program: Program) -> str:
        """Wait for everything that a program got accepted, and audit; return what was seen."""
        assert program.accepted, "nothing was accepted"
        self.await_stored(program.accepted)
        audit = self.audited()
        assert audit.clean, audit.total
        return f"{len(program.accepted)} records accepted, every one stored once, audit clean"

    def audited(self) -> Audit:
        """Audit with a login that may look, as if nothing could be under way any more."""
        settings = msgspec.structs.replace(self.settings("reader"), reclaim_idle_ms=1)
        with open_store(self.owner_url) as store:
            return examine(settings, store).audit

    def close(self) -> None:
        self.postgres.stop()


class Program:
    """Logs all the time, and knows what Redis accepted; what it has no answer to it sends again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = Producer()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.accepted: set[str] = set()
        self._thread.start()

    def _run(self) -> None:
        with Appender(self._settings) as appender:
            while not self._stop.wait(0.02):
                records = [self._record(i) for i in range(10)]
                while not self._appended(appender, records):
                    if self._stop.wait(0.1):
                        return

    def _appended(self, appender: Appender, records: list[LogRecord]) -> bool:
        try:
            appender.append(records)
        except GodotError:
            return False
        self.accepted.update(record.id for record in records)
        return True

    def _record(self, i: int) -> LogRecord:
        return make_record("image", "INFO", f"message {i}", {"i": i}, producer=self._producer)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)


__all__ = ["READER", "WRITER", "Outside", "Program"]
