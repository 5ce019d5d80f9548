"""What a run came to: violations with examples, and the sums of the table's last line."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import msgspec

SHOWN = 5


class Totals(msgspec.Struct):
    """The last line of the table.

    `nameless` are those lost of which neither a later number nor an announcement is left; `removed`
    went with its day, by retention; `dropped` is what a client gave up and told;
    `unanswered` is what Redis never took or never answered for, and nobody sent again.
    """

    offered: int = 0
    stored: int = 0
    duplicate: int = 0
    dead: int = 0
    lost: int = 0
    nameless: int = 0
    removed: int = 0
    dropped: int = 0
    unanswered: int = 0
    unaccounted: int = 0


class Findings:
    """Violations by kind, each with a few examples."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, kind: str, example: object = "", count: int = 1) -> None:
        self.counts[kind] += count
        if example and len(self.examples[kind]) < SHOWN:
            self.examples[kind].append(str(example))

    def lines(self) -> Iterator[str]:
        for kind, count in self.counts.items():
            yield f"{count} × {kind}"
            yield from (f"    {example}" for example in self.examples[kind])
