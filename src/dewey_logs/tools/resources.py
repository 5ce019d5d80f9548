"""What can be read without a tool: what a record is, how a filter is written, one trace."""

from __future__ import annotations

from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from dewey_logs.copydata import LEVELS
from dewey_logs.tools import trace
from dewey_logs.tools.answer import one_line, written
from dewey_logs.tools.kinds import SEARCHES
from dewey_logs.tools.names import Names
from dewey_logs.tools.paging import ANSWER_BYTES
from dewey_logs.tools.store import MAX_COMPONENT_CHARS, MAX_DATA_BYTES, MAX_MESSAGE_BYTES
from dewey_logs.tools.strict import StrictServer
from dewey_logs.tools.table import UNTRUSTED, Shape
from dewey_logs.tools.threads import Ask

JSON_TYPE = "application/json"
SCHEMA = {
    "record": {
        "id": "UUID; equal ids are one record",
        "created_at": "when it was logged, UTC",
        "component": f"who logged it, 1 to {MAX_COMPONENT_CHARS} characters",
        "level": list(LEVELS),
        "message": f"text, up to {MAX_MESSAGE_BYTES} bytes",
        "trace_id": "the request it belongs to, or null; UUIDs are written with hyphens",
        "data": f"an object, up to {MAX_DATA_BYTES} bytes, or null; data.godot is what the "
        "collector notes: truncated, cleaned, created_at as it was claimed",
    },
    "own_components": {"dewey": "who removed records, who changed a level"},
    "untrusted": UNTRUSTED,
}
HELP = """\
Filters narrow each other; all of them must match. The same parts in every tool:

since, until   2026-11-22T13:00:00Z, 2026-11-22, 15m (ago), 2h, 1d, today, yesterday; UTC
component      its name, api.*, or a list of these
level          the least: WARN means WARN and ERROR
trace_id       whole; of a UUID the first 8 digits or more
search         words (all of them), "a phrase", -not, OR; by whole words, any case
contains       a part of the message, any case; slower than search
regex          a PostgreSQL regular expression; slowest, without back-references
data           what data must contain, as {"order": 8812, "user": {"id": 7}}
filter         more terms as one text:

  level>=warn component:api.*,web since:1h "card declined" -timeout
  data.order>8000 data.user.id!=7 data.user.name~bob data.error=* data.retry!=*
  regex:/conn.*(reset|refused)/ trace:4bf92f35

  data.a.b=1 compares numbers, true, false and null as such and the rest as text; ~ is a part of a
  text; =* is there, !=* is not there.

Quickest: time, component, level, trace_id, then search and data, then contains, then regex. An
answer that ran out of time says how far it came (scanned_to); next_cursor goes on there.
"""


def offer_resources(server: StrictServer, ask: Ask, names: Names) -> None:
    """Add the resources, where records may be read at all."""
    if not server.offers(SEARCHES):
        return

    @server.resource(
        "dewey://schema",
        name="schema",
        description="What a log record consists of.",
        mime_type=JSON_TYPE,
    )
    def schema() -> str:
        return written(SCHEMA)

    @server.resource(
        "dewey://help/query",
        name="help",
        description="How filters are written, with examples.",
        mime_type="text/plain",
    )
    def help_query() -> str:
        return HELP

    @server.resource(
        "dewey://trace/{trace_id}",
        name="trace",
        description="One trace in order, as the trace tool answers it.",
        mime_type=JSON_TYPE,
    )
    async def one_trace(trace_id: str) -> str:
        try:
            found = await ask(lambda store: store.trace(trace_id, trace.MAX_RECORDS))
        except server.errors as exc:
            raise ResourceError(one_line(str(exc))) from exc
        if found is None:
            raise ResourceNotFoundError(f"no record has trace_id {trace_id!r:.140}")
        return written(await trace.told(found, names, Shape(), ANSWER_BYTES))
