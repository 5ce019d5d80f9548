"""A little traffic with a story in it, and how to read an answer's table."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

Told = Callable[..., dict[str, Any]]


def log(message: str = "m", *, ago_s: float = 60, **more: Any) -> dict[str, Any]:
    """Return a record of so long ago."""
    at = (datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat()
    given = {"component": "api", "level": "INFO", "message": message, "created_at": at}
    return {**given, "id": str(uuid.uuid4()), **more}


def put(told: Told, *records: dict[str, Any]) -> None:
    """Store records through the tool."""
    assert told("dewey_store_logs_batch", logs=list(records))["stored"] == len(records)


def rows(payload: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a table with what they have in common."""
    common = payload.get("common", {})
    return [
        {**common, **dict(zip(payload["columns"], row, strict=True))} for row in payload["rows"]
    ]
