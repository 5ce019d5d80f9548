"""The system under test: two servers of its own, workers behind proxies, and hands to touch it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg
import redis

from dewey_logs.layout import Layout
from dewey_logs.migrations import migrate
from godot.embedded.plan import LOGINS, WRITER
from godot.embedded.postgres import SUPERUSER, Postgres
from godot.embedded.valkey import Valkey
from godot.settings import Settings, load
from godot.stream.ids import StreamID
from tests.chaos.book import Book
from tests.chaos.deweys import Dewey
from tests.chaos.fleet import GODOT, Fleet
from tests.chaos.look import Look, Records, look, record_key
from tests.chaos.volumes import Volumes
from tests.chaos.volumes import make as make_volumes
from tests.proxy import Proxy
from tests.users import EVERYTHING, acl_file, password

STREAM, GROUP = "logs", "dewey"
REFUSED = "refused by the database"  # as a message; the worker finds nothing wrong with it
MAXMEMORY = "1gb"
MAX_CONNECTIONS = 40


class World:
    """Servers, workers, the producers' proxy, and the account; `close` ends all of it.

    In a `calm` world there are no proxies in the way, and both servers are as `godot up` runs them.
    With the store `mcp` the workers have no login to PostgreSQL: they store through a Dewey.
    With `users` producers and workers log in as the users of ops/redis/users.acl, and workers to
    PostgreSQL as a writer; the hands that inject faults keep every right.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 3,
        module: str = GODOT,
        maxlen: int = 100_000,
        reclaim_idle_ms: int = 2_000,
        calm: bool = False,
        store: str = "direct",
        search_index: str = "sealed",
        users: bool = False,
    ) -> None:
        self.folder = folder
        self._layout = Layout(search_index=search_index)
        self.users = users
        self.reclaim_s = reclaim_idle_ms / 1000
        self.book = Book()
        # entries that were settled while nothing could be kept of them, or destroyed
        self.hasty: list[StreamID] = []
        self.at_close = ExitStack()  # ended first, while the servers still run
        with ExitStack() as ending:
            self._make(ending, workers, module, maxlen, reclaim_idle_ms, calm=calm, store=store)
            self._ending = ending.pop_all()

    def _make(
        self,
        ending: ExitStack,
        workers: int,
        module: str,
        maxlen: int,
        reclaim_idle_ms: int,
        *,
        calm: bool,
        store: str,
    ) -> None:
        """Make every part, and enter how it ends, also when a later one cannot be made."""
        folder = self.folder
        # everysec postpones writes while an fsync takes long, and a kill then loses what was
        # accepted: a fault of its own (redis-rollback), not a matter of the disk's mood
        # (which wants to find one file, so none is rewritten)
        durable = [] if calm else ["--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"]
        self.postgres = Postgres(
            folder / "postgres",
            options=(
                *(() if calm else ("shared_buffers=64MB",)),
                f"max_connections={MAX_CONNECTIONS}",
                "track_commit_timestamp=on",
            ),
        )
        self.volumes = make_volumes(folder / "volumes", self.postgres) if not calm else "calm"
        self.aof = folder / "valkey"
        if isinstance(self.volumes, Volumes):
            ending.callback(self.volumes.close)
            self.aof = self.volumes.redis.folder
            durable += ["--dir", str(self.aof)]
        if self.users:
            (folder / "users").mkdir()
            file = acl_file(folder / "users", STREAM, default=EVERYTHING)
            durable += ["--aclfile", str(file)]
        self.valkey = Valkey(folder / "valkey", maxmemory=MAXMEMORY, options=tuple(durable))
        ending.callback(self.postgres.stop)
        ending.callback(self.valkey.stop)
        self.environ = {
            "GODOT_STREAM": STREAM,
            "GODOT_GROUP": GROUP,
            "GODOT_MAXLEN": str(maxlen),
            "GODOT_DATA_DIR": str(folder / "nothing-runs-here"),
            "GODOT_METRICS_PORT": "0",
            "GODOT_RECLAIM_IDLE_MS": str(reclaim_idle_ms),
            "GODOT_STOP_TIMEOUT_S": "3",
        }
        self.front = Proxy(self.valkey.socket)  # the producers' way to Redis
        ending.callback(self.front.close)
        address = f"{self._login('producer')}127.0.0.1:{self.front.port}"
        self.redis_url = self.valkey.url if calm else f"redis://{address}/0"
        urls = {"GODOT_REDIS_URL": self.valkey.url, "DEWEY_URL": self.postgres.url("dewey")}
        self.fleet = Fleet(
            folder,
            workers,
            module,
            valkey=self.valkey,
            postgres_socket=self.postgres.sockets / ".s.PGSQL.5432",
            environ={**self.environ, **(urls if calm else {})},
            redis_login=self._login("worker"),
            database_user=WRITER if self.users else SUPERUSER,
            dewey=Dewey(folder, self.postgres.url("dewey")) if store == "mcp" else None,
        )
        ending.callback(self.fleet.close)
        ending.callback(self._let_go_on)
        ending.callback(self.at_close.close)

    def start(self, schema: LiteralString = "") -> None:
        """Start the servers; `schema` changes what the migrations made."""
        self.valkey.start()
        self.postgres.start()
        self.postgres.create_database("dewey")
        if isinstance(self.volumes, Volumes):
            self.volumes.settle(self.postgres, "dewey")
        migrate(self.postgres.url("dewey"), self._layout)
        if self.users:
            self.postgres.create_login(WRITER, LOGINS[WRITER])
        self.sql(f"ALTER TABLE logs ADD CONSTRAINT chaos CHECK (message <> '{REFUSED}')")
        if schema:
            self.sql(schema)

    def settings(self, *, direct: bool = False, **more: str) -> Settings:
        """Return a producer's settings: through the producers' proxy, or past it."""
        return load(
            {
                **self.environ,
                "GODOT_REDIS_URL": self.valkey.url if direct else self.redis_url,
                "DEWEY_URL": self.postgres.url("dewey"),
                **more,
            }
        )

    def _login(self, name: str) -> str:
        return f"{name}:{password(name)}@" if self.users else ""

    def denied(self) -> list[str]:
        """Return what Redis refused to whom since it was started last."""
        with self.redis() as client:
            found: Any = client.acl_log()
        return [
            f"{one['username']}: {one['object']} ({one['reason']})"
            for one in found
            if one["object"] != "client|setinfo"  # of redis-py's own, in the hands of a test
        ]

    @contextmanager
    def redis(self) -> Iterator[redis.Redis]:
        """A connection past every proxy."""
        client = redis.Redis.from_url(self.valkey.url, socket_timeout=10.0)
        try:
            yield client
        finally:
            client.close()

    def sql(
        self, query: LiteralString, parameters: tuple[object, ...] = ()
    ) -> list[tuple[Any, ...]]:
        """Run one statement past every proxy."""
        with self.session() as connection:
            cursor = connection.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def session(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            self.postgres.url("dewey") + "&application_name=chaos", autocommit=True
        )

    def unsettled(self) -> Look:
        """Look at what is not settled."""
        with self.redis() as client:
            return look(client, STREAM, GROUP)

    def destroy(self, *command: bytes | str | int) -> Look:
        """Run a command that destroys entries, and book those that nobody had settled."""
        with self.redis() as client:
            found = look(client, STREAM, GROUP, command)
        self.book.take(found)
        return found

    def heal(self) -> None:
        """Undo whatever may still be in the way; servers that are down are started."""
        self.front.heal()
        if isinstance(self.volumes, Volumes):
            self.volumes.free()
        assert self.valkey.child is not None
        assert self.postgres.child is not None
        if not self.valkey.child.running:
            self.valkey.start()
        if not self.postgres.child.running:
            self.postgres.start()
        wait_until(self.valkey.ready, 20.0)
        wait_until(self.postgres.ready, 60.0)
        with self.redis() as client:
            client.config_set("maxmemory", MAXMEMORY)
        self.fleet.heal()

    def settled(self) -> bool:
        """Say whether every entry was delivered and acknowledged."""
        try:
            with self.redis() as client:
                group: Any = client.xinfo_groups(STREAM)[0]
                stream: Any = client.xinfo_stream(STREAM)
        except (redis.RedisError, IndexError):
            return False
        return bool(
            group["pending"] == 0 and group["last-delivered-id"] == stream["last-generated-id"]
        )

    def entries(self) -> Records:
        """Return every entry in the stream, and the id of its record."""
        found: dict[StreamID, bytes | None] = {}
        start = "-"
        with self.redis() as client:
            while page := cast(Any, client.xrange(STREAM, start, "+", 5_000)):
                found.update(
                    (StreamID.parse(entry), record_key(fields.get(b"id"))) for entry, fields in page
                )
                start = f"({page[-1][0].decode()}"
        return found

    def announced(self) -> dict[int, int]:
        """Return what the producers' hash says: producer -> highest number handed to Redis."""
        with self.redis() as client:
            raw: Any = client.hgetall(f"{STREAM}:producers")
        return {int(name, 16): int(value.split()[0]) for name, value in raw.items()}

    def close(self) -> None:
        """End everything, whatever state it is in; what fails keeps nothing else from ending."""
        self._ending.close()

    def _let_go_on(self) -> None:
        if self.valkey.child is not None and self.valkey.child.running:
            self.valkey.child.popen.send_signal(signal.SIGCONT)


@contextmanager
def world(*, keep: bool = False, schema: LiteralString = "", **options: Any) -> Iterator[World]:
    """Make a world in a temporary folder; `keep` leaves the folder, with every log, behind."""
    ending = ExitStack()
    ending.callback(os.environ.update, _without_settings())
    folder = Path(tempfile.mkdtemp(prefix="godot-chaos-"))
    folder.chmod(0o711)
    if not keep:
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
    try:
        here = World(folder, **options)
        ending.callback(here.close)
        here.start(schema)
        yield here
    finally:
        with _undisturbed():
            ending.close()


def _without_settings() -> dict[str, str]:
    """Take a developer's own settings out of the environment, which must not reach a world."""
    ours = ("GODOT_", "DEWEY_", "LOG_", "LOGGING_", "PG")
    return {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(ours)}


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no second Ctrl-C leave half of it behind."""
    both = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.signal(number, signal.SIG_IGN) for number in both]
    try:
        yield
    finally:
        for number, handler in zip(both, handlers, strict=True):
            signal.signal(number, handler)


def wait_until(condition: Any, seconds: float) -> bool:
    """Poll until something is true; False when it was not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
