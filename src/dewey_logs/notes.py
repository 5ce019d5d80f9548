"""The records that Dewey writes itself: who removed what, who set which level.

They stand in the log like any other, under the component `dewey`, and the writer stores them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from dewey_logs.rows import Batch, LogRow, Source
from dewey_logs.writer import Writer

COMPONENT = "dewey"


def note(
    writer: Writer,
    message: str,
    said: Mapping[str, object],
    *,
    id: bytes,
    at_us: int,
    trace_id: str | None = None,
) -> None:
    """Store one record, as WARN; a note of the same id and time is stored once.

    Raises what writing a batch raises.
    """
    data = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
    row = LogRow(
        id=id,
        created_at_us=at_us,
        component=COMPONENT,
        level="WARN",
        message=message,
        trace_id=trace_id,
        data=data,
        producer=None,
        sequence=None,
        source=Source("", (b"message", message.encode(), b"data", data)),
    )
    writer.write(Batch(stream=COMPONENT, rows=(row,), maybe_known=True))
