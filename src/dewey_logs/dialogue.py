"""What passes between a store behind HTTP and whoever uses it: both ends take it from here.

The tools for agents answer in as few words as they can, which nothing can be rebuilt from. Programs
of ours therefore ask the store's own questions, by the name and with the types that the Store
protocol gives them, through one tool that no agent is shown. Batches go through the batch tool,
with what the ledger needs beside the records.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_type_hints

import msgspec

from dewey_logs import errors
from dewey_logs.accounts import Neighbours
from dewey_logs.errors import DeweyError, Unclassified
from dewey_logs.store import Store

ASK, STORE = "dewey_ask", "dewey_store_logs_batch"
MAX_BODY_BYTES = 8 * 2**20  # of a request; the server refuses more
FAILED = "godot.error"  # where a failed call's `_meta` says more than its text
READ, WRITE, ADMIN, DELIVER = SCOPES = "logs:read", "logs:write", "logs:admin", "logs:deliver"

Numbers = tuple[int, int, int]


class Question(NamedTuple):
    """How a method of the store is asked from afar: what it takes, what it answers, who may ask."""

    arguments: type[msgspec.Struct]
    answer: Any
    scopes: tuple[str, ...]  # any of them
    pack: Callable[[Any], Any] | None = None  # of an answer that JSON cannot hold as it is
    unpack: Callable[[Any], Any] | None = None


class Failure(msgspec.Struct, frozen=True):
    """An error as it travels: the class's name, and what an Unclassified one is made of."""

    kind: str
    text: str
    sqlstate: str | None = None
    said: str = ""


def _question(name: str, *scopes: str) -> Question:
    method = getattr(Store, name)
    hints = get_type_hints(method)
    fields: list[Any] = []
    for parameter in inspect.signature(method).parameters.values():
        if parameter.name in ("self", "progress"):
            continue
        default = () if parameter.default is parameter.empty else (parameter.default,)
        fields.append((parameter.name, hints[parameter.name], *default))
    arguments = msgspec.defstruct(
        name, fields, frozen=True, kw_only=True, forbid_unknown_fields=True
    )
    return Question(arguments, hints["return"], scopes)


_READERS = (
    "query arrivals context trace histogram summary patterns compare facets totals measures ping"
    " diagnosis"
)
_WORKERS = "window levels balanced_producers"
_DELIVERERS = "check stream_gone set_back"
# the books: numbers and reasons, which whoever delivers makes
_AUDITORS = "accounts neighbours active_producers contents dead_letter_reasons"
# a dead letter holds what was sent as it arrived, which no redaction has seen
_OWNERS = "dead_letters drop_dead_letters plan_clear clear set_level clear_levels"

QUESTIONS: Mapping[str, Question] = {
    **{name: _question(name, READ) for name in _READERS.split()},
    **{name: _question(name, READ, DELIVER) for name in _WORKERS.split()},
    **{name: _question(name, DELIVER) for name in _DELIVERERS.split()},
    **{name: _question(name, ADMIN, DELIVER) for name in _AUDITORS.split()},
    **{name: _question(name, ADMIN) for name in _OWNERS.split()},
}
QUESTIONS = {
    **QUESTIONS,
    "neighbours": QUESTIONS["neighbours"]._replace(  # its keys are no strings
        answer=tuple[tuple[Numbers, Neighbours], ...],
        pack=lambda found: tuple(found.items()),
        unpack=dict,
    ),
}


def failure_of(error: DeweyError) -> Failure:
    """Return an error as it travels."""
    kind = next(one.__name__ for one in type(error).__mro__ if one.__name__ in errors.__dict__)
    if isinstance(error, Unclassified):
        return Failure(kind, str(error), error.sqlstate, error.said)
    return Failure(kind, str(error))


def error_of(failure: Failure) -> DeweyError:
    """Return the error that travelled; one that we do not know is a DeweyError."""
    if failure.kind == Unclassified.__name__:
        return Unclassified(failure.sqlstate, failure.said)
    found = getattr(errors, failure.kind, None)
    kind = found if isinstance(found, type) and issubclass(found, DeweyError) else DeweyError
    return kind(failure.text)
