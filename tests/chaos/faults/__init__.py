"""The fault matrix: importing this fills it."""

from __future__ import annotations

from tests.chaos.faults import on_dewey, on_disks, on_postgres, on_records, on_redis, on_workers
from tests.chaos.faults.matrix import (
    MATRIX,
    NOT_INJECTED,
    Fault,
    Impossible,
    Scene,
    Skipped,
    Steps,
)

__all__ = [
    "MATRIX",
    "NOT_INJECTED",
    "Fault",
    "Impossible",
    "Scene",
    "Skipped",
    "Steps",
    "on_dewey",
    "on_disks",
    "on_postgres",
    "on_records",
    "on_redis",
    "on_workers",
]
