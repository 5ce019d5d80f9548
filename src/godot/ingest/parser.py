"""One line in, one record out: which parser reads a line, and what stands around it."""

from __future__ import annotations

from enum import StrEnum

from clientlib import LogRecord
from godot.delivery import Delivery
from godot.ingest.line import Line
from godot.ingest.lines import RawLine
from godot.ingest.structured import parse_json, parse_logfmt
from godot.ingest.text import TextParser


class Format(StrEnum):
    """How lines are to be read; `auto` decides line by line, since real files are mixed."""

    AUTO = "auto"
    JSON = "json"
    LOGFMT = "logfmt"
    TEXT = "text"


class Parser:
    """Reads the lines of one file.

    `component` and `level` are for lines that name none. A line that the chosen format cannot read
    is kept as text and counted in `unparsed`: every line becomes a record.
    """

    def __init__(self, component: str, level: str = "INFO", form: Format = Format.AUTO) -> None:
        self.unparsed = 0
        self._component = component
        self._level = level
        self._form = form
        self._text = TextParser()

    def parse(self, text: str) -> Line:
        """Understand one line; never fails."""
        line = self._structured(text)
        if line is not None:
            return line
        if self._form in (Format.JSON, Format.LOGFMT):
            self.unparsed += 1
        return self._text.parse(text)

    def blank(self) -> None:
        """Note an empty line."""
        self._text.blank()

    def record(self, raw: RawLine, delivery: Delivery) -> LogRecord:
        """Make the record of one line, cleaned, limited and redacted."""
        line = self.parse(raw.decoded())
        data = line.data
        if raw.size > len(raw.text) + 2:  # more than a line end is gone
            data = {**(data or {}), "line_bytes": raw.size}
        return delivery.make(
            line.component or self._component,
            line.message,
            line.level or self._level,
            data,
            line.trace_id,
            line.created_at,
        )

    def _structured(self, text: str) -> Line | None:
        if self._form is Format.JSON:
            return parse_json(text.strip())
        if self._form is Format.LOGFMT:
            return parse_logfmt(text, strict=False)
        if self._form is Format.AUTO:
            return parse_json(text.strip()) or parse_logfmt(text)
        return None
