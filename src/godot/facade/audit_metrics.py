"""The audit's numbers as metrics: what became of every record, and whether anything is missing.

An audit reads the whole stream and the whole ledger, a second or two at 100,000 entries. So it runs
now and then, a fiftieth of the time or every quarter of an hour, and not at all over a stream that
may grow huge.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
from prometheus_client.metrics_core import Metric

from dewey_logs import Store
from dewey_logs.tools import gauges
from godot.accounting import examine
from godot.audit import Totals
from godot.settings import Settings

EVERY_S, SELDOM_S = 60.0, 900.0
PATIENCE = 50  # times as long as an audit took is waited until the next one
MAX_ENTRIES = 1_000_000


class AuditedStream:
    """A sight: the totals of the last audit."""

    name = "audit"

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._totals: Totals | None = None
        self._stream = ""
        self.every_s = EVERY_S

    @staticmethod
    def is_possible(settings: Settings) -> bool:
        """Say whether the stream is small enough to be read again and again."""
        return settings.maxlen <= MAX_ENTRIES

    def look(self) -> None:
        """Audit; raises what stream or store raise."""
        began = time.perf_counter()
        found = examine(self._settings, self._store)
        self._totals, self._stream = found.audit.total, found.inventory.stream
        took_s = time.perf_counter() - began
        self.every_s = min(max(EVERY_S, PATIENCE * took_s), SELDOM_S)

    def metrics(self) -> Iterator[Metric]:
        """Yield the totals; nothing before the first audit."""
        if self._totals is not None:
            yield gauges(
                "godot_audit_records",
                "Records of all producers by what became of them, as `godot audit` tells.",
                "outcome",
                {
                    name: float(number)
                    for name, number in msgspec.structs.asdict(self._totals).items()
                },
                stream=self._stream,
            )

    def close(self) -> None:
        """Leave the store open: it is the server's."""
