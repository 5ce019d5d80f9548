"""The store behind a Dewey's MCP server: whoever uses it needs no login to the database.

Every method but `write`, `prepare` and those about connections is asked by name through one tool;
dialogue.py has the types, taken from the Store protocol itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from dewey_logs.calls import Calls
from dewey_logs.dialogue import ASK, QUESTIONS, STORE
from dewey_logs.errors import BadFilter, DeweyError, TooLarge
from dewey_logs.filters import LogFilter
from dewey_logs.patience import beyond
from dewey_logs.rows import Batch, LogRow, Source, Window, WriteResult
from dewey_logs.writer import Prepared

if TYPE_CHECKING:
    from dewey_logs.clearing import Cleared
    from dewey_logs.export import Export

ON_THE_WAY_S = 5.0  # of a batch, beside the database's own time
ANSWER_S = 65.0  # an audit's statements have 30 s
CLEARING_S = 24 * 3_600.0
CUT_BYTES = 4 * 2**20  # of raw fields, where all of them are too much for one request

_encode = msgspec.json.Encoder().encode
_written = msgspec.json.Decoder(WriteResult).decode


class RemoteStore:
    """A Store; see there for what each method does."""

    def __init__(self, url: str, *, token: str | None, statement_timeout_s: float) -> None:
        self._calls = Calls(url, token)
        self._write_s = beyond(statement_timeout_s * 1000) + ON_THE_WAY_S
        self._window: Window | None = None
        self._lock = threading.Lock()

    def prepare(self, rows: Sequence[LogRow]) -> Prepared:
        """Encode rows as they are sent; see Store.prepare."""
        return Prepared(rows, {row.id: _encoded(row) for row in reversed(rows)}, {}, ())

    def write(self, batch: Batch, prepared: Prepared | None = None) -> WriteResult:
        """Store a batch in one transaction; see Store.write.

        Raises TooLarge when it has to be divided. What cannot be, one row or dead letters alone, is
        sent without the rest of its raw fields.
        """
        if not (batch.rows or batch.rejects or batch.dropped or batch.runs):
            return WriteResult(stored=0)
        encoded = (self.prepare(batch.rows) if prepared is None else prepared).encoded
        if len(encoded) == len(batch.rows):
            logs = [encoded[row.id] for row in batch.rows]
        else:  # copies of one record, each from an entry of its own
            logs = [_encoded(row) for row in batch.rows]
        try:
            return self._sent(batch, logs)
        except TooLarge:
            if len(batch.rows) > 1:
                raise
        cut = _cut(batch)
        return self._sent(cut, [_encoded(row) for row in cut.rows])

    def _sent(self, batch: Batch, logs: Sequence[bytes]) -> WriteResult:
        delivery = _encode(msgspec.structs.replace(batch, rows=()))
        arguments = b'{"logs":[%b],"delivery":%b}' % (b",".join(logs), delivery)
        return _written(self._calls.call(STORE, arguments, timeout_s=self._write_s))

    def window(self) -> Window:
        """Return the accepted window, asked once; see Store.window."""
        with self._lock:
            if self._window is None:
                found: Window = self._ask("window")
                self._window = found
            return self._window

    def check(self) -> None:
        """Return when batches can be written; see Store.check."""
        self._ask("check", self._write_s)

    def clear(
        self,
        filter: LogFilter,
        *,
        asked_by: str,
        everything: bool = False,
        progress: Callable[[int], None] = lambda records: None,
    ) -> Cleared:
        """Remove what matches; see Store.clear. `progress` is told once, at the end."""
        done: Cleared = self._ask(
            "clear", CLEARING_S, filter=filter, asked_by=asked_by, everything=everything
        )
        progress(done.records)
        return done

    def export(self, filter: LogFilter) -> Export:
        """Refuse: a snapshot cannot be read in pages."""
        raise DeweyError("every record at once needs a postgresql:// address in DEWEY_URL")

    def hang_up(self) -> None:
        """Wait for no answer any longer; see Store.hang_up."""
        self._calls.hang_up()

    def close(self) -> None:
        """Close every connection."""
        self._calls.close()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return the method that asks one of the other questions."""
        if name not in QUESTIONS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        names = QUESTIONS[name].arguments.__struct_fields__

        def asked(*given: Any, **named: Any) -> Any:
            return self._ask(name, **dict(zip(names, given, strict=False)), **named)

        return asked

    def _ask(self, question: str, timeout_s: float = ANSWER_S, **arguments: Any) -> Any:
        found = QUESTIONS[question]
        wanted: Mapping[str, object] = {"question": question, "arguments": arguments}
        try:
            encoded = _encode(wanted)
        except UnicodeEncodeError:
            raise BadFilter("what is asked for is no valid Unicode") from None
        text = self._calls.call(ASK, encoded, timeout_s=timeout_s)
        answer = msgspec.json.decode(text, type=found.answer)
        return answer if found.unpack is None else found.unpack(answer)

    def __enter__(self) -> RemoteStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _encoded(row: LogRow) -> bytes:
    """Return a row as it is sent; text that can be sent nowhere makes it one that is refused."""
    try:
        return _encode(row)
    except UnicodeEncodeError:
        return b"null"


def _cut(batch: Batch) -> Batch:
    """Return a batch that fits: of long raw fields the beginning is left."""
    each = CUT_BYTES // (2 * (len(batch.rows) + len(batch.rejects)) or 1)

    def cut(source: Source) -> Source:
        share = each // (len(source.raw) or 1)
        return msgspec.structs.replace(source, raw=[part[:share] for part in source.raw])

    return msgspec.structs.replace(
        batch,
        rows=tuple(msgspec.structs.replace(row, source=cut(row.source)) for row in batch.rows),
        rejects=tuple(
            msgspec.structs.replace(
                reject, source=cut(reject.source), reason=f"{reject.reason} (fields cut)"
            )
            for reject in batch.rejects
        ),
    )
