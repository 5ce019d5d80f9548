"""Which tools a server offers, and what clients may know of them beforehand.

The protocol's defaults are pessimistic (destructive, open to the world), so all four hints are
given for every tool. A kind also says which set a tool belongs to, so that an agent need not be
shown more than it uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mcp.types import ToolAnnotations

from dewey_logs.errors import BadChoice

TOOLSETS = ("search", "insight", "write", "admin")


class Kind(NamedTuple):
    """The set that a tool belongs to, and its hints."""

    toolset: str
    hints: ToolAnnotations


_READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
SEARCHES = Kind("search", _READS)
COUNTS = Kind("insight", _READS)
WRITES = Kind(
    "write",
    ToolAnnotations(
        read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
    ),
)
SETS = Kind(
    "admin",
    ToolAnnotations(
        read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    ),
)
CLEARS = Kind(
    "admin",
    ToolAnnotations(
        read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
    ),
)


# for programs that know it: they change what they are asked to, and know how
FOR_PROGRAMS = Kind("programs", CLEARS.hints)


class Selection(NamedTuple):
    """What is offered: everything, or what is asked for."""

    read_only: bool = False
    toolsets: frozenset[str] = frozenset((*TOOLSETS, FOR_PROGRAMS.toolset))

    def has(self, kind: Kind) -> bool:
        """Say whether tools of a kind are offered."""
        return kind.toolset in self.toolsets and not (
            self.read_only and not kind.hints.read_only_hint
        )


EVERYTHING = Selection()


def selection(read_only: bool, toolsets: Iterable[str]) -> Selection:
    """Return what `--read-only` and `--toolset` choose; raises BadChoice.

    Each text may name several sets with commas between; none at all means every one.
    """
    wanted = {name.strip() for text in toolsets for name in text.split(",") if name.strip()}
    if unknown := wanted.difference(TOOLSETS):
        raise BadChoice(
            f"--toolset {sorted(unknown)[0]!r:.40} does not exist: allowed are "
            f"{', '.join(TOOLSETS)}"
        )
    chosen = Selection(read_only, frozenset(wanted)) if wanted else Selection(read_only)
    if not any(chosen.has(kind) for kind in (SEARCHES, COUNTS, WRITES, SETS, CLEARS)):
        raise BadChoice("--read-only leaves no tool of these toolsets: choose search or insight")
    return chosen
