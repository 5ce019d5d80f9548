"""What the worker needs of a store: less than all of it, so that another may stand in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dewey_logs import Batch, LogRow, Prepared, SetBack, WriteResult


class Sink(Protocol):
    """Where a pipeline's batches go; see dewey_logs.Store for what each does and raises."""

    def prepare(self, rows: Sequence[LogRow]) -> Prepared: ...

    def write(self, batch: Batch, prepared: Prepared | None = None) -> WriteResult: ...

    def set_back(self, found: SetBack) -> bool: ...

    def check(self) -> None: ...
