"""The store's own metrics, from the server that has it."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from dewey_logs.errors import DeweyError
from dewey_logs.measures import Measures
from dewey_logs.store import Store
from dewey_logs.tools.lookout import gauge, gauges

EVERY_S = 15.0


class MeasuredStore:
    """A sight: the store as it was measured last; only its absence while it is away."""

    name = "store"
    every_s = EVERY_S

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: Measures | None = None

    @property
    def up(self) -> bool:
        """Say whether the store answered when it was measured last."""
        return self._found is not None

    def look(self) -> None:
        """Measure; raises what the store raises."""
        try:
            self._found = self._store.measures()
        except DeweyError:
            self._found = None
            raise

    def metrics(self) -> Iterator[Metric]:
        """Yield what was measured last."""
        found = self._found
        yield gauges(
            "godot_backend_up",
            "1 while the server answers this process.",
            "backend",
            {"store": float(found is not None)},
        )
        if found is None:
            return
        yield gauges(
            "godot_store_bytes",
            "Size of the log on disk.",
            "kind",
            {"table": found.table_bytes, "index": found.index_bytes},
        )
        yield gauge(
            "godot_store_records", "Stored records, as PostgreSQL estimates.", found.records
        )
        yield gauge("godot_store_partitions", "Partitions of the log.", found.partitions)
        yield gauge(
            "godot_store_partition_horizon_timestamp_seconds",
            "The first moment from now on that no partition is there for.",
            found.horizon,
        )
        yield gauge(
            "godot_dead_letter_open_records",
            "Dead letters that wait for a person; 10000 at most are counted.",
            found.dead_letters,
        )
        letter = found.oldest_dead_letter
        for name, text, at in (
            ("store_oldest_record", "Time of the oldest stored record", found.oldest),
            ("store_newest_record", "Time of the newest stored record", found.newest),
            ("dead_letter_oldest", "When the oldest open dead letter was put aside", letter),
        ):
            if at is not None:
                yield gauge(f"godot_{name}_timestamp_seconds", f"{text}; absent without any.", at)

    def close(self) -> None:
        """Leave the store open: it is the server's."""
