"""How the store may be laid out: what there is to choose from."""

from __future__ import annotations

from typing import NamedTuple

SEARCH_INDEXES = ("live", "sealed")
PARTITION_INTERVALS = {f"{n}h": f"{n} hours" for n in (1, 2, 3, 4, 6, 8, 12)} | {"1d": "24 hours"}


class Layout(NamedTuple):
    """What LOG_SEARCH_INDEX and LOG_PARTITION_INTERVAL say; None leaves what was chosen before.

    `search_index`: one of SEARCH_INDEXES; `partition_interval`: a key of PARTITION_INTERVALS.
    """

    search_index: str | None = None
    partition_interval: str | None = None


AS_BEFORE = Layout()
