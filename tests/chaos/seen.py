"""What database and stream hold at the end, read without asking the product anything."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, Protocol

import psycopg

from tests.chaos.book import digest, raw_digest
from tests.chaos.look import Records

ROWS = """
SELECT id, dewey_text(created_at), component, level::text, message, trace_id, data FROM logs
"""
DEAD = "SELECT record_id, field_names, field_values FROM logs_rejected"


class Holdings(Protocol):
    """Where the records are: what can be looked at without going through the product."""

    def session(self) -> psycopg.Connection[tuple[Any, ...]]: ...

    def entries(self) -> Records: ...

    def announced(self) -> dict[int, int]: ...


class Seen:
    """Everything that the database and the stream hold at the end."""

    def __init__(self, world: Holdings) -> None:
        self.rows: Counter[bytes] = Counter()
        self.digests: dict[bytes, bytes] = {}
        self.marks: Counter[str] = Counter()
        self.programs: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self.receipts: Counter[str] = Counter()
        self.damaged: list[str] = []
        with world.session() as connection, connection.transaction():
            with connection.cursor("rows") as cursor:
                cursor.itersize = 5_000
                for id, at, component, level, message, trace_id, data in cursor.execute(ROWS):
                    self.rows[id.bytes] += 1
                    if component == "foreign":
                        self.marks[message] += 1
                    elif component.startswith("program-"):
                        self._program(component, message, data or {})
                    else:
                        self.digests[id.bytes] = digest(
                            at, component, level, message, trace_id, data
                        )
            self.dead = {
                id.bytes: raw_digest(zip(names, values, strict=True))
                for id, names, values in connection.execute(DEAD)
            }
        self.entries = world.entries()
        self.held = set(self.entries.values())
        self.announced = world.announced()

    def _program(self, component: str, message: str, data: Mapping[str, object]) -> None:
        if "number" not in data:
            self.receipts[component] += 1
            return
        self.programs[component][int(str(data["number"]))] += 1
        if hashlib.sha256(message.encode()).hexdigest() != data["check"]:
            self.damaged.append(f"{component} {data['number']}")
