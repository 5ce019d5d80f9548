"""A mutant: acknowledges a batch before it is committed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from godot.__main__ import main
from godot.worker.batch import Pipeline
from godot.worker.intake import Read

settle = Pipeline.settle


def hasty(self: Pipeline, reads: Sequence[Read], **how: Any) -> None:
    self._acknowledge([entry.id for read in reads for entry in read.entries])
    settle(self, reads, **how)


Pipeline.settle = hasty  # type: ignore[method-assign]  # the mutation
main()
