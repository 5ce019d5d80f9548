"""Godot's errors. Every leaf carries the exit code that interfaces promise to scripts."""

from __future__ import annotations


class GodotError(Exception):
    """Base of everything Godot raises on purpose; the message is one line for a person."""

    exit_code = 1


class SettingsError(GodotError):
    """A setting with a wrong value."""

    exit_code = 2


class Refused(GodotError):
    """A server that must not be trusted with records as it is configured."""


class StreamUnavailable(GodotError):
    """Redis is away, loading, read-only or refuses writes: try again later."""

    exit_code = 3


class LoginRefused(StreamUnavailable):
    """Redis knows no such login: trying again helps once somebody has mended one of the two."""

    next_step = "correct the login in GODOT_REDIS_URL"


class Forbidden(GodotError):
    """The login in use has not every right that is needed; `godot doctor` tells which it lacks."""

    next_step = "see: godot doctor"


class NotAStream(GodotError):
    """The key holds something else."""

    next_step = "correct GODOT_STREAM"


class WrongEncoding(GodotError):
    """Text that is no UTF-8: every line of it would be rubbish."""

    next_step = "convert it first: iconv -f UTF-16 -t UTF-8"


class StreamFull(StreamUnavailable):
    """Redis has reached maxmemory and refuses XADD."""


class StreamLost(GodotError):
    """The stream or its group is gone (deleted, flushed, restored): it has to be made again."""

    @property
    def stream_is_gone(self) -> bool:
        """Say whether it is known to be the stream, and not only the group."""
        return not str(self).startswith("NOGROUP")


class StoreUnavailable(GodotError):
    """PostgreSQL or Dewey cannot be reached."""

    exit_code = 3


class StackProblem(GodotError):
    """The embedded stack cannot start, run or stop; carries a code and what to do about it."""

    def __init__(
        self, message: str, next_step: str = "", code: str = "GD-4000", *, exit_code: int = 1
    ) -> None:
        super().__init__(message)
        self.next_step = next_step
        self.code = code
        self.exit_code = exit_code
