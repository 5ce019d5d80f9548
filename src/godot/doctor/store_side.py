"""The store: whether a commit lasts, and whether somebody looks after the database."""

from __future__ import annotations

import time
from collections.abc import Iterator

from dewey_logs import DeweyError, Diagnosis, Store, open_store
from godot.doctor.redis_side import clock
from godot.doctor.result import Result
from godot.settings import Settings
from godot.wording import age, count, size

SLOW_MS = 500.0
AHEAD_S = 6 * 3_600.0
FULL = 0.8


def examine(settings: Settings) -> Iterator[Result]:
    """Yield the results, or that the store is away."""
    if settings.dewey_url is None:
        text = "there is no store: DEWEY_URL is not set and no stack runs here"
        yield Result("GD-2003", "failed", text, "start one with: godot up, or set DEWEY_URL")
        return
    try:
        with open_store(
            settings.dewey_url,
            reader_url=settings.dewey_reader_url,
            owner_url=settings.dewey_owner_url,
            token=settings.dewey_token,
            application_name="godot-doctor",
        ) as store:
            store.ping()  # connects
            began = time.monotonic()
            found = store.diagnosis()
            took_ms = (time.monotonic() - began) * 1000
            ahead_ms = found.now_ms + took_ms / 2 - time.time() * 1000
            yield from _results(found, took_ms, ahead_ms)
            yield from _writing(store)
    except DeweyError as exc:
        next_step = getattr(exc, "next_step", "godot explain GD-2003")
        yield Result("GD-2003", "failed", str(exc), next_step)


def _results(found: Diagnosis, took_ms: float, ahead_ms: float) -> Iterator[Result]:
    about = f"PostgreSQL {found.version} answers in {took_ms:.0f} ms, {size(found.database_bytes)}"
    if took_ms > SLOW_MS:
        yield Result("GD-5020", "warning", about, "see what else keeps it busy")
    else:
        yield Result("GD-5020", "ok", about)
    yield _durability(found)
    yield _schema(found)
    yield _logins(found)
    yield _partitions(found)
    yield _indexes(found)
    yield _connections(found)
    yield clock("PostgreSQL", ahead_ms)


def _writing(store: Store) -> Iterator[Result]:
    try:
        store.check()
    except DeweyError as exc:
        yield Result("GD-2004", "failed", str(exc), "dewey migrate")


def _durability(found: Diagnosis) -> Result:
    off = [name for name in ("fsync", "full_page_writes") if found.settings.get(name) != "on"]
    if off:
        text = f"{' and '.join(off)} off: a crash may lose what was acknowledged"
        return Result("GD-5021", "failed", text, "turn them on in postgresql.conf")
    return Result("GD-5021", "ok", "fsync and full_page_writes are on: commits last")


def _schema(found: Diagnosis) -> Result:
    if found.migrations:
        text = f"{count(len(found.migrations), 'migration')} missing, from {found.migrations[0]} on"
        return Result("GD-5022", "failed", text, "dewey migrate")
    return Result("GD-5022", "ok", "the schema is up to date")


def _logins(found: Diagnosis) -> Result:
    logins = {"queries": found.reader}
    if found.writer is not None:
        logins["workers"] = found.writer
    mighty = [
        f"{who} log in as {login.user}, {'a superuser' if login.superuser else 'the owner'}"
        for who, login in logins.items()
        if login.superuser or login.owner
    ]
    if mighty:
        step = "give DEWEY_URL dewey_writer and DEWEY_READER_URL dewey_reader"
        return Result("GD-5023", "warning", "; ".join(mighty), step)
    names = ", ".join(f"{who} log in as {login.user}" for who, login in logins.items())
    return Result("GD-5023", "ok", f"{names}: no more than they need")


def _partitions(found: Diagnosis) -> Result:
    ahead_s = found.ahead_seconds
    if ahead_s is None or ahead_s < AHEAD_S:
        text = "no partition is made ahead" if ahead_s is None else "the last partition ends soon"
        return Result("GD-5024", "warning", text, "run dewey serve, or: dewey maintain")
    text = f"{count(found.partitions, 'partition')}, made {age(int(ahead_s * 1000))} ahead"
    return Result("GD-5024", "ok", text)


def _indexes(found: Diagnosis) -> Result:
    step = "run dewey serve, or: dewey maintain --once"
    if found.invalid_indexes:
        text = f"{count(len(found.invalid_indexes), 'index')} not valid: {found.invalid_indexes[0]}"
        return Result("GD-5025", "warning", text, step)
    if found.unindexed:
        text = f"{count(len(found.unindexed), 'partition')} over and not indexed for search"
        return Result("GD-5025", "warning", text, step)
    return Result("GD-5025", "ok", "what is over is indexed for search")


def _connections(found: Diagnosis) -> Result:
    text = f"{found.connections} of {found.max_connections} connections are used"
    if found.connections >= FULL * found.max_connections:
        return Result("GD-5026", "warning", text, "raise max_connections")
    return Result("GD-5026", "ok", text)
