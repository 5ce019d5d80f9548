"""Whether what an agent reads is up to date: the pipeline's state as a resource."""

from __future__ import annotations

from dewey_logs.tools import StrictServer, written
from godot.facade.backends import Backends
from godot.findings import findings
from godot.status import as_document


def offer_status(server: StrictServer, backends: Backends) -> None:
    """Add `godot://status`."""

    @server.resource(
        "godot://status",
        name="status",
        description="Whether records are stored in time, how long the oldest waits, what is wrong.",
        mime_type="application/json",
    )
    async def status() -> str:
        now = await backends.look()
        document = as_document(now)
        document["producers"] = None if now.stream is None else len(now.stream.producers)
        document["findings"] = [f"{found.code} {found.text}" for found in findings(now)]
        return written(document)
