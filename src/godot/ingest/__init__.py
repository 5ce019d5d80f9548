"""Other programs' logs as records: every line of a file becomes exactly one."""

from __future__ import annotations

from godot.ingest.line import Line
from godot.ingest.lines import RawLine, Splitter, read_lines
from godot.ingest.pace import Pace
from godot.ingest.parser import Format, Parser
from godot.ingest.shipment import Shipment, Tally

__all__ = [
    "Format",
    "Line",
    "Pace",
    "Parser",
    "RawLine",
    "Shipment",
    "Splitter",
    "Tally",
    "read_lines",
]
