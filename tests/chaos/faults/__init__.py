"""The fault matrix: importing this fills it."""

from __future__ import annotations

from tests.chaos.faults import on_postgres, on_records, on_redis, on_workers
from tests.chaos.faults.matrix import MATRIX, Fault, Scene, Skipped, Steps

__all__ = [
    "MATRIX",
    "Fault",
    "Scene",
    "Skipped",
    "Steps",
    "on_postgres",
    "on_records",
    "on_redis",
    "on_workers",
]
