"""The audit as a person asks for it: everything read in the right order, dated, and narrowed.

The streams are read first and the ledger afterwards, in one snapshot of its own: a late commit can
then only turn a lost record into a stored one.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec

from dewey_logs import Accounts, Contents, Store
from godot.audit import Audit, Totals, audit
from godot.ranges import Range, count, minus
from godot.settings import Settings
from godot.stream.inventory import Inventory
from godot.stream.inventory import take as take_inventory

SETTLING_FACTOR = 2  # a number may be in a peer's hands for as long as two reclaims take
MAX_DATED = 1_000  # ranges whose times are looked up


class Examined(msgspec.Struct, frozen=True):
    """An audit and the look at the stream that it is based on."""

    audit: Audit
    inventory: Inventory


class DeepAudit(msgspec.Struct, frozen=True):
    """The rows of `logs` held against the ledger.

    `unexplained` rows carry numbers that the ledger does not call stored, `doubled` rows a number
    that another row has too: both mean a bug. `missing` numbers are stored by the ledger and have
    no row; unless `complete`, retention or a clear may have removed them, and nobody can tell.
    """

    rows: int
    foreign: int
    unexplained: int
    doubled: int
    missing: int
    complete: bool

    @property
    def clean(self) -> bool:
        return not (self.unexplained or self.doubled or (self.complete and self.missing))


def examine(settings: Settings, store: Store) -> Examined:
    """Audit the whole stream. A few seconds at most: its time limit in the store is 30 s."""
    inventory, accounts = _look(settings, store)
    if inventory.added and any(epoch.current and not epoch.added for epoch in accounts.epochs[1:]):
        # the stream was found missing just now, perhaps after we had looked at it
        inventory, accounts = _look(settings, store)
    return Examined(audit(inventory, accounts), inventory)


def _look(settings: Settings, store: Store) -> tuple[Inventory, Accounts]:
    inventory = take_inventory(settings)
    settling_s = SETTLING_FACTOR * settings.reclaim_idle_ms / 1000
    return inventory, store.accounts(inventory.stream, inventory.region, settling_s)


def dated(found: Audit, store: Store) -> Audit:
    """Add to each lost range when its neighbours were committed."""
    wanted = [(int(r.producer, 16), r.first, r.last) for r in found.ranges[:MAX_DATED]]
    times = store.neighbours(wanted)
    ranges = []
    for item in found.ranges:
        beside = times.get((int(item.producer, 16), item.first, item.last))
        if beside is not None:
            item = msgspec.structs.replace(item, after=beside.below, before=beside.above)
        ranges.append(item)
    return msgspec.structs.replace(found, ranges=tuple(ranges))


def active_since(examined: Examined, store: Store, since: datetime) -> set[str]:
    """Return the producers of which anything was settled since then, or nothing ever was."""
    known = store.active_producers(since)
    silent = {
        item.producer
        for item in examined.audit.producers
        if not (item.totals.stored or item.totals.rejected or item.totals.expired)
    }
    return {f"{number:010x}" for number in known} | silent


def narrowed(found: Audit, producers: Collection[str]) -> Audit:
    """Keep some producers only; the total is then theirs, by numbers alone.

    Entries tell no producers apart, so the stream's own account stays that of everybody.
    """
    kept = tuple(item for item in found.producers if item.producer in producers)
    total = Totals(
        **{
            name: sum(getattr(item.totals, name) for item in kept)
            for name in Totals.__struct_fields__
        }
    )
    ranges = tuple(item for item in found.ranges if item.producer in producers)
    undecided = min(found.undecided, total.settling)
    return msgspec.structs.replace(
        found, total=total, producers=kept, ranges=ranges, undecided=undecided
    )


def compare(contents: Contents, producers: Collection[str] | None = None) -> DeepAudit:
    """Hold the rows against the ledger, of some producers or of all."""
    unexplained = doubled = missing = rows = 0
    for producer in {*contents.held, *contents.stored}:
        if producers is not None and f"{producer:010x}" not in producers:
            continue
        held = contents.held.get(producer)
        numbers: tuple[Range, ...] = held.numbers if held else ()
        stored = contents.stored.get(producer, ())
        rows += held.rows if held else 0
        doubled += (held.rows if held else 0) - count(numbers)
        unexplained += count(minus(numbers, stored))
        missing += count(minus(stored, numbers))
    return DeepAudit(rows, contents.foreign, unexplained, doubled, missing, contents.complete)
