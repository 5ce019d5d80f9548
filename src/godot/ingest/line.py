"""What a parser makes of one line: the parts of a record that the line itself carries."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Line(msgspec.Struct, frozen=True):
    """One line, understood as far as it goes; None where it says nothing.

    `level` is a name that clientlib's `parse_level` knows. `structured` is False for plain text.
    """

    message: str
    level: str | None = None
    created_at: datetime | None = None
    component: str | None = None
    trace_id: str | None = None
    data: dict[str, object] | None = None
    structured: bool = False
