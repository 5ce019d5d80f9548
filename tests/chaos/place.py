"""One stream, one database and workers that move only when told to, for the state machine."""

from __future__ import annotations

import contextlib
import threading
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import redis

from dewey_logs import open_store
from godot import audit as audits
from godot.embedded.postgres import Postgres
from godot.embedded.valkey import Valkey
from godot.settings import Settings, load
from godot.stream import inventory
from godot.stream.group import Consumer
from godot.stream.ids import StreamID
from godot.stream.lease import Lease
from godot.worker.loop import Worker
from tests.chaos.book import Book
from tests.chaos.look import Look, Records, look, record_key
from tests.chaos.world import GROUP


class Hand:
    """A worker that moves only when it is told to."""

    def __init__(self, here: Settings) -> None:
        self.worker = Worker(here, threading.Event())
        self.lease = Lease(here, self.worker._consumer)
        pipeline = self.worker._connected_pipeline(self.lease, lambda: False)
        assert pipeline is not None
        self.pipeline = pipeline

    @property
    def consumer(self) -> Consumer:
        return self.worker._consumer

    def cycle(self, *, sweep: bool) -> None:
        if sweep:
            self.worker._intake.sweep._next = 0.0
        self.worker._guarded_cycle(self.pipeline)

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.pipeline.finish()
        self.pipeline.forget()
        self.pipeline.close()
        self.lease.close()
        self.worker.store.close()
        self.worker._client.close()


class Older(NamedTuple):
    """A stream as it was, as DUMP gives it, and the group's place in it."""

    dump: bytes
    last: StreamID
    look: Look


class Place:
    """One stream and one database, looked at without going through the product."""

    def __init__(self, valkey: Valkey, postgres: Postgres, folder: Path) -> None:
        self._postgres = postgres
        self._name = f"t_{uuid.uuid4().hex[:12]}"
        self._admin(f"CREATE DATABASE {self._name} TEMPLATE dewey_template STRATEGY file_copy")
        self.redis = redis.Redis.from_url(valkey.url)
        self.book = Book()
        self.settings = load(
            {
                "GODOT_REDIS_URL": valkey.url,
                "DEWEY_URL": postgres.url(self._name),
                "GODOT_STREAM": f"m-{uuid.uuid4().hex[:12]}",
                "GODOT_DATA_DIR": str(folder),
                "GODOT_RECLAIM_IDLE_MS": "60000",
                "GODOT_BATCH_SIZE": "5",
                "GODOT_BATCH_MAX": "20",
                "GODOT_BATCH_TIMEOUT_MS": "1",
            }
        )

        assert self.settings.dewey_url is not None
        self.store = open_store(self.settings.dewey_url)

    def _admin(self, command: Any) -> None:
        with psycopg.connect(self._postgres.url(), autocommit=True) as connection:
            connection.execute(command)

    def session(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self._postgres.url(self._name), autocommit=True)

    def entries(self) -> Records:
        found: Any = self.redis.xrange(self.settings.stream)
        return {StreamID.parse(entry): record_key(fields.get(b"id")) for entry, fields in found}

    def announced(self) -> dict[int, int]:
        raw: Any = self.redis.hgetall(f"{self.settings.stream}:producers")
        return {int(name, 16): int(value.split()[0]) for name, value in raw.items()}

    def unsettled(self) -> Look:
        return look(self.redis, self.settings.stream, GROUP)

    def destroy(self, *command: bytes | str | int) -> Look:
        """Run a command that destroys entries, and book those that nobody had settled."""
        found = look(self.redis, self.settings.stream, GROUP, command)
        self.book.take(found)
        return found

    def remembered(self) -> Older | None:
        """Return the stream as it is now, None where there is none."""
        dump: Any = self.redis.dump(self.settings.stream)
        if dump is None:
            return None
        info: Any = self.redis.xinfo_stream(self.settings.stream)
        return Older(dump, StreamID.parse(info["last-generated-id"]), self.unsettled())

    def set_back(self, older: Older) -> None:
        """Put the stream back as it was, and book what nobody had settled of what came since."""
        before = self.unsettled()
        self.redis.restore(self.settings.stream, 0, older.dump, replace=True)
        gone = {one: id for one, id in before.unsettled.items() if one > older.last}
        self.book.group_lost(before._replace(delivered=min(before.delivered, older.last)))
        self.book.destroy(gone)
        self.book.stream_lost()

    def settled(self) -> bool:
        with contextlib.suppress(redis.ResponseError, IndexError):
            group: Any = self.redis.xinfo_groups(self.settings.stream)[0]
            return not group["pending"] and not self.unsettled().unsettled
        return not self.redis.exists(self.settings.stream)

    def audited(self) -> audits.Audit:
        held = inventory.take(self.settings)
        region = held.held[0].id if held.held else held.upto
        return audits.audit(held, self.store.accounts(held.stream, region, 0.0))

    def close(self) -> None:
        self.store.close()
        stream = self.settings.stream
        self.redis.delete(stream, f"{stream}:producers")
        self.redis.close()
        self._admin(f"DROP DATABASE {self._name} WITH (FORCE)")
