"""A mutant: acknowledges a batch before it is committed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from godot.__main__ import main
from godot.worker.batch import Pipeline
from godot.worker.intake import Read

settle = Pipeline._settle


def hasty(self: Pipeline, reads: Sequence[Read], acknowledge: bool) -> None:
    if acknowledge:
        self._acknowledge([entry.id for read in reads for entry in read.entries])
    settle(self, reads, False)


Pipeline._settle = hasty  # type: ignore[method-assign]
sys.exit(main())
