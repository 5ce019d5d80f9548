"""Log records on stdout: lines for eyes on a terminal, columns for programs everywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from godot.cli._lines import TextLines
from godot.cli._look import COLUMNS, PLAIN, Look, value_at
from godot.cli._output import emit_rows, write_lines

if TYPE_CHECKING:
    from dewey_logs import LogRecordView

SCHEMA = "godot.records/1"


class RecordWriter:
    """Writes records to stdout as they come, in the form asked for; a document when it ends.

    What is still to be said of all of them (`truncated`, `next_cursor` …) is in `about` by then.
    """

    def __init__(self, output: str, look: Look = PLAIN) -> None:
        self.about: dict[str, Any] = {"truncated": False}
        self._output = output
        self._look = look
        self._text = TextLines(look)
        self._document: list[Mapping[str, object]] = []
        self._begun = False

    def write(self, records: Iterable[LogRecordView]) -> None:
        """Write records; all that was given is on its way when this returns."""
        if self._output == "text":
            write_lines(line for record in records for line in self._text.of(record))
            return
        rows = (row_of(record, self._look) for record in records)
        if self._output == "json":
            self._document.extend(rows)
            return
        columns = columns_of(self._look)
        emit_rows(rows, columns, output=self._output, header=not self._begun)
        self._begun = True

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self._output == "json":
            emit_rows(
                self._document,
                columns_of(self._look),
                output="json",
                schema=SCHEMA,
                **self.about,
            )


def columns_of(look: Look) -> tuple[str, ...]:
    """Return what stands side by side in a form that has columns."""
    return look.fields or tuple(name for name in COLUMNS if name not in look.hide)


def row_of(record: LogRecordView, look: Look = PLAIN) -> Mapping[str, object]:
    """Return a record as columns."""
    if look.fields:
        return {name: value_at(record, name) for name in look.fields}
    row = {name: getattr(record, name) for name in COLUMNS}
    if look.hide:
        row["data"] = _without(record.data, look.hide)
        row = {name: value for name, value in row.items() if name not in look.hide}
    return row


def _without(data: Mapping[str, object] | None, names: tuple[str, ...]) -> object:
    gone = {name.removeprefix("data.") for name in names}
    return data and {key: value for key, value in data.items() if key not in gone}
