"""Questions to a stream's server, over redis-py's connection or a direct one.

Whatever only looks asks through here, so that it does without redis-py where it can (see `direct`).
What the functions return and raise, those of the same names in `connection` say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from godot.errors import StreamLost
from godot.stream.direct import Command, Direct, Unusual

if TYPE_CHECKING:
    import redis

Client: TypeAlias = Union["redis.Redis", Direct]


def ask(client: Client, *command: str | bytes | int) -> Any:
    """Send one command and return its raw reply."""
    if isinstance(client, Direct):
        (told,) = client.answers(command)
        if told is None:
            raise Unusual("refused")
        return insisted(client, told, *command)
    from godot.stream import connection

    return connection.ask(client, *command)


def ask_if_allowed(client: Client, *command: str | bytes | int) -> Any:
    """Send one command; return None when this user may not send it, or nobody may."""
    if isinstance(client, Direct):
        (told,) = client.answers(command)
        return told if told is None else insisted(client, told, *command)
    from godot.stream import connection

    return connection.ask_if_allowed(client, *command)


def ask_together(client: Client, *commands: Command) -> Sequence[Any]:
    """Send commands in one round trip and return their raw replies."""
    if isinstance(client, Direct):
        return client.answers(*commands)
    from godot.stream import connection

    return connection.ask_together(client, *commands)


def insisted(client: Client, told: Any, *command: str | bytes | int) -> Any:
    """Return one of the replies to `ask_together`; what was refused is asked alone, and says why.

    Raises StreamLost where that stands in place of a reply.
    """
    if isinstance(told, StreamLost):
        raise told
    return ask(client, *command) if told is None else told
