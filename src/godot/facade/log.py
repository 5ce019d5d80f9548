"""Writing one record: `logger_log`."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.types import CallToolResult
from pydantic import Field

from dewey_logs.tools import WRITES, StrictServer, answer, calls_trace_id
from godot.facade.backends import Backends


def offer_log(server: StrictServer, backends: Backends) -> None:
    """Add `logger_log`."""

    async def log(
        component: Annotated[str, Field(description="who speaks: a service or agent name")],
        message: Annotated[str, Field(description="what happened, without the variable parts")],
        level: Annotated[str, Field(description="TRACE DEBUG INFO WARN ERROR")] = "INFO",
        data: Annotated[
            dict[str, Any] | None, Field(description="the variable parts, as one object")
        ] = None,
        trace_id: Annotated[str, Field(description="default: this call's traceparent")] = "",
    ) -> CallToolResult:
        """Write one log record.

        Use it to leave a trace of what you do or find. It answers only once the record is safely
        in the stream; it can be queried about 0.2 s later. Secrets are redacted. Not for
        many records at once: dewey_store_logs_batch of the Dewey server.
        """
        record = await backends.log(component, message, level, data, trace_id or calls_trace_id())
        said = {"id": record.id, "level": record.level, "created_at": record.created_at}
        return answer({**said, "trace_id": record.trace_id} if record.trace_id else said)

    server.offer(log, "logger_log", WRITES)
