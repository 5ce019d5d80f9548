"""One way to make a connection, one place where driver errors become ours.

redis-py repeats commands by itself unless told otherwise, which doubles an XADD and loses an
XREADGROUP; only our code knows what is safe to repeat, so its retries are off. Replies of stream
commands are taken raw: the shapes that redis-py makes of them differ between its settings, and
cost more than the parsing we do ourselves in `replies`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from godot.errors import (
    Forbidden,
    GodotError,
    LoginRefused,
    NotAStream,
    SettingsError,
    StreamFull,
    StreamLost,
    StreamUnavailable,
)
from godot.settings import Settings
from godot.stream.direct import ANSWER_TIMEOUT_S, LOST, REFUSED, Command

RAW_REPLIES = ("XREADGROUP", "XREAD", "XAUTOCLAIM", "XRANGE", "XREVRANGE", "XCLAIM", "XPENDING")
# redis-py strips the code from the message of the errors that have a class of their own
AWAY = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.InvalidResponse,
    redis.exceptions.MasterDownError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
    OSError,
)
IN_SCRIPT = "ACL failure in script: "
NOT_NOW = ("BUSY ", "MISCONF", "READONLY", "LOADING", "NOREPLICAS")


def connect(settings: Settings, *, block_ms: int = 0) -> redis.Redis:
    """Return a client whose socket outwaits a BLOCK of `block_ms`; it connects at first use.

    Raises SettingsError for an option of the URL that redis-py does not take.
    """
    try:
        client = redis.Redis.from_url(
            settings.redis_url,
            protocol=3,
            decode_responses=False,
            legacy_responses=False,
            socket_connect_timeout=ANSWER_TIMEOUT_S,
            socket_timeout=block_ms / 1000 + ANSWER_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
            client_name="godot",
            driver_info=None,  # CLIENT SETINFO: two round trips that an ACL may forbid
        )
        pool = client.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # asks no server
    except (TypeError, ValueError) as exc:
        raise SettingsError(f"GODOT_REDIS_URL has options that cannot be used: {exc}") from exc
    for command in RAW_REPLIES:
        client.response_callbacks.pop(command, None)
    return client


def close(client: redis.Redis) -> None:
    """Give the sockets back; errors on the way out say nothing that matters."""
    try:
        client.close()
        client.connection_pool.disconnect()
    except redis.RedisError:
        pass


@contextmanager
def translated(client: redis.Redis | None = None) -> Iterator[None]:
    """Turn redis-py's errors into Godot's.

    With `client`, its connections are dropped as well when the server itself is the trouble: after
    a failover behind one name an open connection keeps talking to the demoted server.
    """
    try:
        yield
    except redis.OutOfMemoryError as exc:
        raise StreamFull(f"Redis is full: {exc}") from exc
    except redis.AuthenticationError as exc:
        # what it says of no password at all is about the order of commands
        why = "it wants a password" if "already authenticated" in str(exc) else exc
        raise LoginRefused(f"Redis refuses the login: {why}") from exc
    except AWAY as exc:
        if client is not None:
            client.connection_pool.disconnect()
        raise StreamUnavailable(f"Redis cannot be used: {exc}") from exc
    except redis.ResponseError as exc:
        raise _answer(exc) from exc


def ask(client: redis.Redis, *command: str | bytes | int) -> Any:
    """Send one command and return its raw reply; errors are Godot's."""
    with translated(client):
        return client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py's own


def ask_if_allowed(client: redis.Redis, *command: str | bytes | int) -> Any:
    """Send one command; return None when this user may not send it, or nobody may."""
    with translated(client):
        try:
            return client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py's own
        except redis.ResponseError as exc:
            if not forbidden(exc):
                raise
            return None


def ask_together(client: redis.Redis, *commands: Command) -> list[Any]:
    """Send commands in one round trip and return their raw replies; other errors are Godot's.

    In place of a reply stands None where this user may not send the command, or nobody may, and
    StreamLost where what it asks about is gone.
    """
    pipe = client.pipeline(transaction=False)
    for command in commands:
        pipe.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py's own
    with translated(client):
        return [_reply(found) for found in pipe.execute(raise_on_error=False)]


def _reply(found: Any) -> Any:
    if not isinstance(found, redis.RedisError):
        return found
    if isinstance(found, redis.ResponseError):
        if forbidden(found):
            return None
        if str(found).startswith(LOST):
            return StreamLost(str(found))
    raise found


def forbidden(exc: redis.ResponseError) -> bool:
    """Say whether this user may not send a command, or nobody may."""
    refused = isinstance(exc, redis.exceptions.NoPermissionError)
    return refused or str(exc).startswith(REFUSED)


def told(client: redis.Redis, section: str) -> dict[str, Any]:
    """Return a section of INFO; empty when this user may not ask, or nobody may."""
    return ask_if_allowed(client, "INFO", section) or {}


def _answer(exc: redis.ResponseError) -> GodotError:
    text = str(exc)
    if text.startswith(LOST):
        return StreamLost(text)
    if text.startswith("OOM"):
        return StreamFull(f"Redis is full: {text}")
    if text.startswith(NOT_NOW):
        return StreamUnavailable(f"Redis cannot be used: {text}")
    if text.startswith("WRONGTYPE"):
        return NotAStream("the key that GODOT_STREAM names is there, and is no stream")
    if forbidden(exc) or text.startswith(IN_SCRIPT):
        said = text.removeprefix(IN_SCRIPT).partition(" script: on ")[0]
        return Forbidden(f"Redis refuses: {said.removesuffix('.')}")
    return GodotError(f"Redis refuses: {text}")
