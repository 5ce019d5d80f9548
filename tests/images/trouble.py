"""What goes wrong around the containers: secrets, the store, the disk, the end at a bad moment."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg

from tests.images.allinone import CONTROL, GRACE_S, options
from tests.images.engine import Container, Engine
from tests.images.system import WRITER, Outside, Program

SMALL = "size=48m,uid=10001,gid=10001,mode=0700"
WAIT_S = 60.0


def check(engine: Engine, images: dict[str, str], outside: Outside) -> Iterator[str]:
    """Do everything; yield lines about what was seen. Raises AssertionError for a failure."""
    yield _unreadable(engine, images, outside)
    yield _wrong(engine, images, outside)
    yield _killed_whole(engine, images["allinone"], outside)
    yield _store_away_at_the_start(engine, images["allinone"], outside)
    yield _disk_full(engine, images["allinone"], outside)
    yield _ended_while_it_drains(engine, images["allinone"], outside)


def _unreadable(engine: Engine, images: dict[str, str], outside: Outside) -> str:
    """A secret that this user may not read ends a program with one line that names it."""
    secret = outside.folder / "unreadable"
    secret.write_text("redis://worker:secret@127.0.0.1:6379/0", "utf-8")
    secret.chmod(0o600)
    mounted = f"--volume={secret}:/run/secrets/redis_worker"
    store = f"--env=DEWEY_URL={outside.url(WRITER)}"
    alone = (f"{mounted}_url:ro", "--env=GODOT_REDIS_URL_FILE=/run/secrets/redis_worker_url", store)
    with closing(engine.run(images["worker"], *alone)) as here:
        code, said = here.await_exit(30), here.log()
    assert code == 2, (code, said)
    assert "/run/secrets/redis_worker_url: cannot be read" in said, said
    assert "Traceback" not in said, said
    with closing(engine.run(images["allinone"], f"{mounted}:ro", store)) as here:
        code, said = here.await_exit(30), here.log()
    assert code not in (0, None), said
    assert "/run/secrets/redis_worker" in said, said
    return "a secret that cannot be read: named, and the container ends"


def _wrong(engine: Engine, images: dict[str, str], outside: Outside) -> str:
    """With a password that is wrong a worker goes on asking, and says so; it is never well."""
    address = "--env=GODOT_REDIS_URL=redis://worker:not-the-one@127.0.0.1:6379/0"
    wrong = (address, f"--env=DEWEY_URL={outside.url(WRITER)}", "--env=GODOT_METRICS_PORT=9472")
    with closing(engine.run(images["allinone"], *options(outside))) as server:
        server.await_health()
        with closing(engine.run(images["worker"], *wrong)) as here:
            _eventually(lambda: "refuses the login" in here.log(), "the worker to say why", here)
            assert not here.healthy()
            assert here.state()["Running"], here.log()
            assert "not-the-one" not in here.log()
    return "a wrong password: said, unhealthy, tried again"


def _killed_whole(engine: Engine, image: str, outside: Outside) -> str:
    """Where supervisord itself is killed, nothing goes on without it."""
    with closing(engine.run(image, *options(outside))) as here:
        here.await_health()
        here.inside("sh", "-c", "kill -9 $(cat /tmp/godot/supervisord.pid)")
        code = here.await_exit(30)
    assert code not in (0, None), code
    return f"kill -9 of supervisord: the container ends with {code}"


@contextmanager
def _logging(outside: Outside) -> Iterator[Program]:
    program = Program(outside.settings("producer"))
    try:
        yield program
    finally:
        program.stop()


def _store_away_at_the_start(engine: Engine, image: str, outside: Outside) -> str:
    """What comes before the store does is kept, and stored when it is there."""
    outside.postgres.stop()
    with closing(engine.run(image, *options(outside))) as here:
        with _logging(outside) as program:
            _eventually(lambda: len(program.accepted) > 200, "records to be accepted", here)
            assert not here.healthy(), "a worker without a store is not well"
            _eventually(
                lambda: here.inside(*CONTROL, "status").count("RUNNING") >= 3,
                "its programs to stay up all the same",
                here,
            )
            outside.postgres.start()
            took_s = here.await_health()
        seen = outside.kept_all_of(program)
    return f"no PostgreSQL at the start: healthy {took_s:.1f} s after it came; {seen}"


def _disk_full(engine: Engine, image: str, outside: Outside) -> str:
    """A full disk refuses records, says so, and is over when there is room."""
    disk = outside.folder / "small"
    disk.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", SMALL, "tmpfs", str(disk))
    subprocess.run(mount, check=True)  # it goes with the namespace
    with closing(engine.run(image, *options(outside), f"--volume={disk}:/data")) as here:
        here.await_health()
        with _logging(outside) as program:
            _eventually(lambda: len(program.accepted) > 100, "records to be accepted", here)
            here.inside("sh", "-c", "cat /dev/zero > /data/filler 2>/dev/null || true")
            _eventually(lambda: not here.healthy(), "the health check to see it", here)
            before = len(program.accepted)
            time.sleep(1.0)
            assert len(program.accepted) == before, "a full disk accepts nothing"
            here.inside("rm", "/data/filler")
            here.await_health()
            _eventually(lambda: len(program.accepted) > before, "records after that", here)
        seen = outside.kept_all_of(program)
    return f"a full disk: nothing accepted, unhealthy, over by itself; {seen}"


def _ended_while_it_drains(engine: Engine, image: str, outside: Outside) -> str:
    """A store that does not answer holds up the end no longer than the worker's own patience."""
    engine.podman("volume", "create", "godot-drain")
    given = (
        *options(outside),
        "--volume=godot-drain:/data",
        "--env=GODOT_STOP_TIMEOUT_S=3",
    )
    with closing(engine.run(image, *given)) as here, _logging(outside) as program:
        here.await_health()
        with psycopg.connect(outside.owner_url) as connection:
            connection.execute("LOCK TABLE logs IN ACCESS EXCLUSIVE MODE")
            had = len(program.accepted)
            _eventually(lambda: len(program.accepted) > had + 50, "records meanwhile", here)
            took_s, code = here.stop(GRACE_S)
            assert took_s < GRACE_S, f"killed after {took_s:.0f} s"
            assert code == 0, (code, here.log()[-2000:])
    with closing(engine.run(image, *given)) as again:
        again.await_health()
        seen = outside.kept_all_of(program)
    return f"SIGTERM while the store hangs: ended after {took_s:.1f} s; {seen}"


def _eventually(condition: Callable[[], bool], what: str, container: Container) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}:\n{container.log()[-3000:]}")
        time.sleep(0.2)
