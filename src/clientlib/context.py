"""What every record of one request or task carries: its trace id and bound fields.

Both live in one contextvar, read once per log call in the caller's thread (40 ns), so that threads
and asyncio tasks see their own. Fields are encoded when they are bound: a snapshot, like any data.
Nothing is ever invented: without a trace id the record has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import NamedTuple

import msgspec

from clientlib.cleaning import godot_renamed
from clientlib.plain import Notes, plain, text_of
from clientlib.redaction import Redactor

_encode = msgspec.json.Encoder().encode


class Bound:
    """Fields that several records share, encoded once.

    `text` is the inside of a JSON object; `keys` are the encoded keys with their colon, to find out
    whether a record's own data has one of them, in which case its value wins.
    """

    __slots__ = ("_redacted", "fields", "keys", "text")

    def __init__(self, fields: Mapping[str, object]) -> None:
        self.fields = godot_renamed(plain(fields, Notes()))
        self.text = _encode(self.fields)[1:-1]
        self.keys = tuple(_encode(key) + b":" for key in self.fields)
        self._redacted: tuple[Redactor, Bound] | None = None

    def with_fields(self, fields: Mapping[str, object]) -> Bound:
        return Bound({**self.fields, **fields})

    def without_secrets(self, redactor: Redactor) -> Bound:
        """Return the same fields redacted; remembered for the last redactor that asked."""
        known = self._redacted
        if known is None or known[0] is not redactor:
            known = self._redacted = (redactor, Bound(redactor.mapping(self.fields)))
        return known[1]


class Context(NamedTuple):
    """What is in force here; immutable, replaced as a whole."""

    trace_id: str | None
    bound: Bound | None


current: ContextVar[Context | None] = ContextVar("godot_context", default=None)


class Scope:
    """A context manager that puts a context in force and takes it back."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._token: Token[Context | None] | None = None

    def __enter__(self) -> None:
        self._token = current.set(self._context)

    def __exit__(self, *exc_info: object) -> None:
        if self._token is None:
            return
        token, self._token = self._token, None
        try:
            current.reset(token)
        except ValueError:  # left in another context than entered: an async generator's cleanup
            current.set(None if token.old_value is Token.MISSING else token.old_value)


def bind(**fields: object) -> Scope:
    """Add fields to the data of every record logged inside the `with` block."""
    outer = current.get() or Context(None, None)
    bound = outer.bound.with_fields(fields) if outer.bound else Bound(fields)
    return Scope(Context(outer.trace_id, bound))


def trace_context(trace_id: str | None) -> Scope:
    """Give every record logged inside the `with` block this trace id; None takes it away."""
    outer = current.get() or Context(None, None)
    text = None if trace_id is None else text_of(trace_id)  # now: an object may be another later
    return Scope(Context(text or None, outer.bound))


def current_trace_id() -> str | None:
    """Return the trace id in force here, if any."""
    context = current.get()
    return context.trace_id if context else None
