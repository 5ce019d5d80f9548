"""ops/redis/users.acl against what the programs really send: no right is missing, none is spare.

A system lives once under these users, on a server of its own, and what each of them sends is
written down on the way. What scripts do on the server nobody can see from outside; there the
server's own list of refusals speaks, which has to stay empty.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hiredis
import msgspec
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.retry import Retry

from clientlib import ICCMLogger
from dewey_logs import LevelChange, open_store
from dewey_logs.migrations import migrate
from godot import levels
from godot.accounting import examine
from godot.delivery import Delivery
from godot.embedded.plan import LOGINS, READER, WRITER
from godot.embedded.postgres import Postgres
from godot.embedded.valkey import Valkey
from godot.settings import Settings, load
from godot.stream import snapshot
from godot.stream.connection import connect
from godot.stream.direct import Direct
from godot.stream.follow import Follower
from godot.stream.ids import ZERO
from godot.stream.pending import payloads, pending
from godot.worker.loop import Worker
from tests.conftest import logged_in
from tests.integration.worker.conftest import eventually
from tests.users import ROOT, acl_file, password

STREAM = "logs"
PACKAGE = ROOT / "src" / "clientlib" / "js"
NODE = """
const { ICCMLogger } = require(process.argv[1]);
const log = new ICCMLogger({ component: 'shop.js' });
log.info('of a node program');
log.flush(10000).then((done) => log.close().then(() => process.exit(done ? 0 : 1)));
"""
Command = tuple[bytes, ...]

# What the programs send on occasions that this file does not wait for.
RARELY = {
    "producer": {
        "ping": "asks whether an outage is over",
        "client|setname": "what other libraries send when they connect",
    },
    "worker": {
        "ping": "for whoever looks whether the server is there",
        "hget": "the script that forgets producers who were silent for a day",
        "xgroup|createconsumer": "asks whether Redis is full where INFO is not allowed",
        "xgroup|create": "where the group is missing",
        "time": "where the stream is missing",
        "xrevrange": "a script that reads ids is given the command's name",
    },
    "tools": {
        "ping": "as above",
        "xread": "godot tail",
        "xinfo|consumers": "godot consumers",
        "xrevrange": "as above",
    },
    "reader": {"ping": "as above", "xinfo|consumers": "godot consumers"},
}

# Beside what others send: what would hurt most.
REFUSED: dict[str, tuple[tuple[str, ...], ...]] = {
    "producer": (
        ("XADD", "other", "*", "a", "b"),
        ("XRANGE", STREAM, "-", "+"),
        ("XREADGROUP", "GROUP", "dewey", "me", "STREAMS", STREAM, ">"),
        ("XTRIM", STREAM, "MAXLEN", "0"),
        ("HGETALL", f"{STREAM}:producers"),
        ("HSET", f"{STREAM}:levels", "*", "TRACE"),
        ("PUBLISH", f"{STREAM}:levels", "*"),
        ("SUBSCRIBE", "elsewhere"),
        ("EVAL", "return 1", "0"),
    ),
    "worker": (
        ("XADD", STREAM, "*", "a", "b"),
        ("XREADGROUP", "GROUP", "dewey", "me", "STREAMS", "other", ">"),
        ("XGROUP", "DESTROY", STREAM, "dewey"),
        ("XGROUP", "SETID", STREAM, "dewey", "$"),
    ),
    "tools": (
        ("XACK", STREAM, "dewey", "1-1"),
        ("XTRIM", STREAM, "MAXLEN", "0"),
        ("XREADGROUP", "GROUP", "dewey", "me", "STREAMS", STREAM, ">"),
        ("XGROUP", "DESTROY", STREAM, "dewey"),
    ),
    "reader": (
        ("XADD", STREAM, "*", "a", "b"),
        ("HSET", f"{STREAM}:levels", "*", "TRACE"),
        ("XCLAIM", STREAM, "dewey", "me", "0", "1-1"),
        ("EVAL", "return 1", "0"),
        ("XRANGE", "other", "-", "+"),
    ),
    "health": (("GET", "a"), ("INFO",), ("XLEN", STREAM)),
    "default": (("PING",), ("XADD", STREAM, "*", "a", "b")),
}
NOBODYS: tuple[tuple[str, ...], ...] = (
    ("DEL", STREAM),
    ("FLUSHALL",),
    ("CONFIG", "SET", "appendonly", "no"),
    ("ACL", "SETUSER", "default", "on"),
    ("KEYS", "*"),
    ("SHUTDOWN",),
    ("SCRIPT", "FLUSH"),
    ("FUNCTION", "DUMP"),
    ("REPLICAOF", "elsewhere", "6379"),
)


class Life(NamedTuple):
    """What came of it: who sent what, what was refused to whom, which messages are stored."""

    sent: dict[str, set[Command]]
    refused: list[tuple[str, str]]
    stored: list[str]
    clean: bool


def commands_in(data: bytes) -> Iterator[Command]:
    """Take packed commands apart: `*N`, then N times `$LENGTH` and as many bytes."""
    at = 0
    while at < len(data):
        end = data.index(b"\r\n", at)
        parts, at_part = [], end + 2
        for _ in range(int(data[at + 1 : end])):
            end = data.index(b"\r\n", at_part)
            begin = end + 2
            at_part = begin + int(data[at_part + 1 : end]) + 2
            parts.append(data[begin : at_part - 2])
        yield tuple(parts)
        at = at_part


@pytest.fixture(scope="module")
def server(server_folder: Path) -> Iterator[Valkey]:
    folder = server_folder / "users"
    folder.mkdir()
    found = Valkey(
        folder / "valkey", port=_free(), options=("--aclfile", str(acl_file(folder, STREAM)))
    )
    found.launch()
    eventually(lambda: _answers(found), "the server to come up")
    yield found
    found.stop()


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def plain(server: Valkey, **login: str) -> redis.Redis:
    """Return a client that tries once; to redis-py a refused login is a broken connection."""
    retry = Retry(NoBackoff(), 0)
    return redis.Redis(port=server.port, retry=retry, **login)  # type: ignore[arg-type]  # two names


def _answers(server: Valkey) -> bool:
    """PING as the health check does it; without a name nobody is answered."""
    client = plain(server, username="health", password="-")
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


@pytest.fixture(scope="module")
def admin(server: Valkey) -> Iterator[redis.Redis]:
    client = redis.Redis(port=server.port, username="admin", password=password("admin"))
    yield client
    client.close()


@pytest.fixture(scope="module")
def database(postgres_server: Postgres) -> str:
    postgres_server.create_database("ops_users")
    url = postgres_server.url("ops_users")
    migrate(url)
    for login, role in LOGINS.items():
        postgres_server.create_login(login, role)
    return url


@pytest.fixture(scope="module")
def life(server: Valkey, admin: redis.Redis, database: str, server_folder: Path) -> Life:
    sent: defaultdict[str, set[Command]] = defaultdict(set)
    untouched, directly = AbstractConnection.send_packed_command, Direct.answers

    def noting(self: Any, command: Any, check_health: bool = True) -> None:
        data = command if isinstance(command, bytes) else b"".join(command)
        sent[self.username or "default"].update(commands_in(data))
        untouched(self, command, check_health)

    def asked(self: Any, *commands: Any) -> Any:
        packed = b"".join(hiredis.pack_command(command) for command in commands)
        sent[self._server.username].update(commands_in(packed))
        return directly(self, *commands)

    def settings(user: str) -> Settings:
        return load(
            {
                "GODOT_REDIS_URL": f"redis://{user}:{password(user)}@127.0.0.1:{server.port}/0",
                "DEWEY_URL": logged_in(database, WRITER),
                "DEWEY_READER_URL": logged_in(database, READER),
                "GODOT_STREAM": STREAM,
                "GODOT_DATA_DIR": str(server_folder / "nothing-runs-here"),
                "GODOT_RECLAIM_IDLE_MS": "1000",
                "GODOT_STOP_TIMEOUT_S": "3",
            }
        )

    admin.acl_log_reset()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AbstractConnection, "send_packed_command", noting)
        patch.setattr(Direct, "answers", asked)
        with Delivery(settings("tools")) as delivery:
            delivery.send([delivery.make("tools", f"message {i}") for i in range(3)])
            delivery.send([delivery.make("tools", f"message {i}") for i in (3, 4)], whole=True)
        admin.xgroup_create(STREAM, "dewey", "0")
        admin.xreadgroup("dewey", "dead", {STREAM: ">"}, count=2)  # who never says a word again
        stop = threading.Event()
        worker = Worker(settings("worker"), stop)
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            _live(settings, admin, database)
        finally:
            stop.set()
            thread.join(60)
        with open_store(
            logged_in(database, WRITER), reader_url=logged_in(database, READER)
        ) as store:
            patient = msgspec.structs.replace(settings("reader"), reclaim_idle_ms=1)
            time.sleep(0.01)
            audit = examine(patient, store).audit
    with psycopg.connect(database) as connection:
        stored = [text for (text,) in connection.execute("SELECT message FROM logs")]
    found: Any = admin.acl_log()
    refused = [(str(one["username"]), str(one["object"])) for one in found]
    return Life(dict(sent), refused, stored, audit.clean)


def _live(settings: Any, admin: redis.Redis, database: str) -> None:
    """A day in short: one worker died, programs log, levels change, memory runs short."""
    tools = settings("tools")
    log = ICCMLogger("shop", redis_url=settings("producer").redis_url, stream=STREAM)
    log.info("of a program")
    assert log.flush(10)
    if (node := _node()) is not None:
        environ = {**os.environ, "GODOT_REDIS_URL": settings("producer").redis_url}
        subprocess.run([node, "-e", NODE, str(PACKAGE)], env=environ, check=True)
    _settle(admin)

    with open_store(database) as owner:
        change = LevelChange(asked_by="a test")
        levels.set_level(tools, owner, "shop", "DEBUG", change=change)
        eventually(lambda: _logs(log, "at debug"), "the program to follow")
        owner.set_level("shop", "TRACE", change=change)  # not told: a worker passes it on
        eventually(lambda: admin.hget(f"{STREAM}:levels", "shop") == b"TRACE", "the mirror")
        levels.clear_levels(tools, owner, "shop", change=change)
    assert log.flush(10)
    log.close()
    _settle(admin)

    used: Any = admin.info("memory")
    admin.config_set("maxmemory", int(used["used_memory"] * 1.05))
    eventually(lambda: not admin.xlen(STREAM), "settled entries to be removed")
    admin.config_set("maxmemory", "512mb")

    for user in ("tools", "reader"):
        snapshot.take(settings(user))
    look = settings("reader")
    with Follower(look, ZERO) as follower:
        follower.read(1)
        follower.before(5)
    client = connect(look)
    waiting = [one.id for one in pending(client, STREAM, "dewey")]
    payloads(client, STREAM, [*waiting, ZERO])
    client.close()


def _node() -> str | None:
    """Return Node where the JavaScript client can run."""
    return shutil.which("node") if (PACKAGE / "node_modules" / ".ready").exists() else None


def _settle(admin: redis.Redis) -> None:
    def settled() -> bool:
        groups: Any = admin.xinfo_groups(STREAM)
        info: Any = admin.xinfo_stream(STREAM)
        return bool(
            groups
            and not groups[0]["pending"]
            and groups[0]["last-delivered-id"] == info["last-generated-id"]
        )

    eventually(settled, "everything acknowledged")


def _logs(log: ICCMLogger, message: str) -> bool:
    before = log.stats().sent
    log.debug(message)
    log.flush(10)
    return log.stats().sent > before


def granted(user: str) -> set[str]:
    """Return the commands of a user's line in the template."""
    text = (ROOT / "ops" / "redis" / "users.acl").read_text("utf-8")
    line = re.search(rf"^user {user} .*$", text, re.MULTILINE)
    assert line is not None
    return set(re.findall(r" \+(\S+)", line[0]))


def right(command: Command) -> str:
    """Return the name of the right that a command needs."""
    name = command[0].decode().lower()
    if name in ("xinfo", "xgroup", "client", "memory"):
        name += f"|{command[1].decode().lower()}"
    return name


def inside_scripts() -> set[str]:
    """Return the rights that scripts of ours need, by their text."""
    found = set()
    for path in (ROOT / "src" / "godot" / "stream").glob("*.py"):
        for name, sub in re.findall(
            r"redis\.call\('([A-Z]+)'(?:, '([A-Z]+)')?", path.read_text("utf-8")
        ):
            has_sub = name in ("XINFO", "XGROUP") and sub
            found.add(f"{name}|{sub}".lower() if has_sub else name.lower())
    return found


def allowed(client: redis.Redis, user: str, *command: str | bytes) -> bool:
    answer: Any = client.execute_command("ACL", "DRYRUN", user, *command)
    return bool(answer in (b"OK", "OK", True))


def test_under_these_users_everything_is_stored_and_the_audit_is_clean(life: Life):
    expected = [*(f"message {i}" for i in range(5)), "of a program"]
    assert [life.stored.count(text) for text in expected] == [1] * 6
    assert _node() is None or "of a node program" in life.stored
    assert "at debug" in life.stored, "its level was changed while it ran"
    assert life.clean


def test_nobody_is_refused_what_it_asks_for(life: Life):
    assert [one for one in life.refused if one != ("reader", "eval")] == []


def test_what_was_sent_is_allowed_and_much_of_it_to_nobody_else(life: Life, admin: redis.Redis):
    for user in ("producer", "worker", "tools"):
        for command in life.sent[user]:
            assert allowed(admin, user, *command), (user, command[:4])
    own = {user: {right(c) for c in life.sent[user]} for user in ("producer", "worker", "tools")}
    assert {"xadd", "hset", "hgetall", "subscribe"} <= own["producer"]
    assert {"xreadgroup", "xack", "xautoclaim", "xclaim", "xpending", "eval"} <= own["worker"]
    for command in life.sent["worker"]:
        if right(command) not in granted("producer") | {"hello", "auth"}:
            assert not allowed(admin, "producer", *command), command[:4]


@pytest.mark.parametrize("user", ["producer", "worker", "tools", "reader"])
def test_nothing_is_granted_that_no_program_sends(life: Life, user: str):
    sent = {right(command) for command in life.sent[user]}
    if "eval" in sent and "eval" in granted(user):
        sent |= inside_scripts()
    assert granted(user) - sent - set(RARELY[user]) == set()
    assert set(RARELY[user]) <= granted(user), "an excuse for what nobody has"


@pytest.mark.parametrize("user", sorted(REFUSED))
def test_what_would_hurt_is_refused(server: Valkey, admin: redis.Redis, user: str):
    for command in (*REFUSED[user], *NOBODYS):
        assert not allowed(admin, user, *command), (user, command)


def test_nobody_comes_in_without_a_name(server: Valkey):
    for login in ({}, {"password": "x"}, {"username": "worker", "password": "wrong"}):
        client = plain(server, **login)
        with pytest.raises(redis.AuthenticationError):
            client.ping()
        client.close()


def test_redis_reads_the_file_too(server_folder: Path):
    """Redis 7 refuses a whole file for one word that it does not know; else Valkey reads it."""
    folder = server_folder / "redis-users"
    folder.mkdir()
    program = shutil.which("redis-server")
    options = ("--aclfile", str(acl_file(folder, STREAM)))
    found = Valkey(
        folder / "redis",
        port=_free(),
        program=Path(program) if program else None,
        options=options,
    )
    found.launch()
    try:
        eventually(lambda: _answers(found), "the server to come up")
        client = redis.Redis(port=found.port, username="admin", password=password("admin"))
        for user, commands in REFUSED.items():
            for command in (*commands, *NOBODYS):
                assert not allowed(client, user, *command), (user, command)
        assert allowed(client, "producer", "XADD", STREAM, "MAXLEN", "~", "9", "*", "a", "b")
        assert allowed(client, "worker", "XREADGROUP", "GROUP", "g", "c", "STREAMS", STREAM, ">")
        client.close()
    finally:
        found.stop()


def test_a_password_that_is_missing_makes_no_file(tmp_path: Path):
    with pytest.raises(subprocess.CalledProcessError):
        acl_file(tmp_path, "two words")
    (tmp_path / "passwords" / "redis_worker").write_text("")
    script = str(ROOT / "ops" / "redis" / "users")
    made = subprocess.run(
        ["/bin/sh", script, str(tmp_path / "passwords")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (made.returncode, made.stdout) == (2, "")
    assert "redis_worker is empty" in made.stderr
