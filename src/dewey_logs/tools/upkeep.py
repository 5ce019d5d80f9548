"""What is told of maintenance, by whoever runs it: `dewey serve`, or `dewey maintain` alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge

from dewey_logs import exposition
from dewey_logs.errors import DeweyError
from dewey_logs.opening import open_store
from dewey_logs.tools.lookout import Lookout
from dewey_logs.tools.measured import MeasuredStore

ROLE = "dewey"


class Upkeep:
    """When maintenance last went well, and how often it did not."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._succeeded = Gauge(
            "godot_retention_last_success_timestamp_seconds",
            "When maintenance last ran to its end; 0: not since this process started.",
            registry=registry,
        )
        self._failed = Counter(
            "godot_maintenance_errors_total", "Maintenance runs that failed.", registry=registry
        )

    def succeeded(self) -> None:
        """Note that everything was done."""
        self._succeeded.set(time.time())

    def failed(self) -> None:
        """Note that a run failed, of everything or of what is due every minute."""
        self._failed.inc()


@contextmanager
def upkeep_told(url: str, *, port: int, exposed_at: str | None, data_dir: Path) -> Iterator[Upkeep]:
    """Serve the metrics of a process that maintains a store and serves no tools."""
    registry = CollectorRegistry()
    with open_store(url, application_name="dewey-metrics") as store:
        measured = MeasuredStore(store)
        with (
            Lookout(registry, [measured], (DeweyError,)),
            exposition.serve(
                port=port,
                host=exposition.LOOPBACK[0],
                exposed_at=exposed_at,
                role=ROLE,
                registry=registry,
                ready=lambda: {"postgres": measured.up},
                data_dir=data_dir,
            ),
        ):
            yield Upkeep(registry)
