"""The proof of the promise: every record accounted for, by two independent kinds of evidence.

*Numbers*: each producer numbers its records, so a number that is neither stored, rejected, expired,
dropped, in the stream nor just settling is a lost record with a name. *Entries*: the stream counts
what was ever added to it, and the ledger what was settled of that; the difference is what trimming
took. The two must agree. What they disagree by is unaccounted for, and means a bug: as does a lost
number whose entry still stands in the stream, and more loss than the stream ever trimmed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from dewey_logs import Accounts
from godot.former import Former, is_remade, taken_back
from godot.ranges import Range, common, count, highest, minus, union
from godot.settled import Settled
from godot.stream.ids import ZERO, StreamID
from godot.stream.inventory import Held, Inventory

ENDLESS = 2**36
SEEN = ("stored", "rejected", "expired", "cleared")
GONE = "trimmed unread, or gone when the stream was deleted or set back"
NEVER = "no entry of it is known: it never arrived, or this is a bug"
UNKEPT = "refused, and a trigger on logs_rejected kept its dead letter out"
PASSED = "passed over: still in the stream, and no worker will get it"


class Totals(msgspec.Struct, frozen=True):
    """What became of records; `announced` is the sum of all the others but duplicates.

    `duplicates` counts numbers that came more than once. Of `dropped` ones nobody bears witness but
    their producer's receipts: what a forged one hides only the entries tell. `implausible` numbers
    lie in gaps larger than everything ever added: a forged or damaged id, not a loss.
    """

    announced: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    expired: int = 0
    cleared: int = 0
    dropped: int = 0
    in_stream: int = 0
    settling: int = 0
    lost: int = 0
    unaccounted: int = 0
    implausible: int = 0


class ProducerAudit(msgspec.Struct, frozen=True):
    """One producer's account; `producer` is the number inside its ids, as ten hex digits."""

    producer: str
    component: str | None
    totals: Totals


class LostRange(msgspec.Struct, frozen=True):
    """Numbers that are lost, inclusive, and how.

    `after` and `before` are when the numbers beside it were committed, None where unknown.
    """

    producer: str
    first: int
    last: int
    cause: str
    after: str | None = None
    before: str | None = None


class EntriesAudit(msgspec.Struct, frozen=True):
    """The stream's own account, over all its lives: foreign records are balanced by it alone."""

    added: int
    settled: int
    waiting: int
    lost: int
    lost_while_pending: int
    trimmed: int


class Audit(msgspec.Struct, frozen=True):
    """The whole result. `total.lost` includes entries that carried no number of ours.

    `undecided` is how many of the lost entries are among numbers that are settling as yet: which of
    them are lost can be told once nobody may still have them in hand.
    """

    total: Totals
    entries: EntriesAudit
    producers: tuple[ProducerAudit, ...]
    ranges: tuple[LostRange, ...]
    undecided: int = 0

    @property
    def clean(self) -> bool:
        return not (self.total.lost or self.total.unaccounted or self.undecided)


def audit(inventory: Inventory, accounts: Accounts) -> Audit:
    """Compute the account; `accounts` must have been read after `inventory`."""
    entries, unsettled, hollow = _entries(inventory, accounts)
    former = Former(inventory, accounts, entries.lost)
    cause = _cause(entries)
    held = _held_numbers(inventory.held)
    announced = {info.producer: info for info in inventory.announced}
    producers, ranges = [], []
    uncounted = unkept = 0
    for producer in sorted({*announced, *accounts.numbers, *held}):
        info = announced.get(producer)
        kinds = accounts.numbers.get(producer, {})
        totals, lost = _numbers(
            kinds,
            in_stream=held[producer][True],
            passed=held[producer][False],
            sent=info.sent_sequence if info else 0,
            old=accounts.old.get(producer, 0),
            hollow=hollow > 0,
            plausible_gap=entries.added or ENDLESS,
            deleted_from=former.end(producer) + 1 if former.existed else None,
        )
        name = f"{producer:010x}"
        gone = former.gone(producer, lost, kinds.get("dropped", ()))
        uncounted += count(gone)
        passed = common(lost, held[producer][False])
        found = [LostRange(name, *one, PASSED) for one in passed]
        for one in lost:
            how = GONE if one in gone else cause
            found += [LostRange(name, *part, how) for part in minus([one], passed)]
        bare = minus(union(kinds.get("unkept", ())), union(*(kinds.get(kind, ()) for kind in SEEN)))
        found += [LostRange(name, *one, UNKEPT) for one in bare]
        unkept += count(bare)
        ranges += sorted(found, key=lambda item: item.first)
        totals = msgspec.structs.replace(
            totals, lost=totals.lost + count(bare), unaccounted=count(passed)
        )
        producers.append(ProducerAudit(name, info.component if info else None, totals))
    total = _sum(item.totals for item in producers)
    lost_entries = max(0, entries.lost)
    # a worker that has been stuck for long may still store some of what its peers' commits passed
    in_hands = min(max(0, total.lost - unkept - lost_entries), hollow)
    lost_numbers = total.lost - unkept - in_hands  # whose entries must be lost, too
    bug = max(
        total.unaccounted,
        unsettled,
        lost_numbers - lost_entries - uncounted,
        max(lost_numbers, lost_entries) - entries.trimmed - uncounted,
        -entries.lost,
    )
    undecided = min(total.settling, max(0, lost_entries - lost_numbers))
    total = msgspec.structs.replace(
        total,
        lost=max(lost_numbers, lost_entries) + unkept,
        settling=total.settling - undecided + in_hands,
        unaccounted=max(0, bug),
    )
    return Audit(total, entries, tuple(producers), tuple(ranges), undecided)


def _numbers(
    kinds: dict[str, tuple[Range, ...]],
    *,
    in_stream: list[Range],
    passed: list[Range],
    sent: int,
    old: int,
    hollow: bool,
    plausible_gap: int,
    deleted_from: int | None,
) -> tuple[Totals, list[Range]]:
    """Place each number of one producer where it fits first.

    Of a stream that was deleted nobody knows how much it held: a gap that begins where it may have
    ended is plausible however large, if the producer itself announces numbers beyond it.
    """
    placed: list[Range] = []
    counts: dict[str, int] = {}
    for kind in SEEN:
        here = minus(union(kinds.get(kind, ())), placed)
        counts[kind] = count(here)
        placed = union(placed, here)
    placed = union(placed, kinds.get("unkept", ()))  # which the caller counts
    committed = highest(placed)
    waiting = minus(in_stream, placed)
    placed = union(placed, waiting)
    # what a receipt claims comes after all that is seen, and may be as implausible as an id
    dropped = [
        (low, high)
        for low, high in minus(union(kinds.get("dropped", ())), union(placed, passed))
        if high <= sent or high - low + 1 <= plausible_gap
    ]
    placed = union(placed, dropped)
    known = max(highest(placed, passed), sent)
    gaps = minus([(1, known)], placed) if known else []
    implausible = [
        (low, high)
        for low, high in gaps
        if high - low + 1 > plausible_gap
        and (deleted_from is None or low > deleted_from or high > sent)
    ]
    gaps = minus(gaps, implausible)
    # numbers below a fresh commit may still be in a peer's hands; those above every commit only
    # when a peer holds entries whose payload is gone from the stream
    fresh = [(old + 1, ENDLESS if hollow else committed)] if committed > old or hollow else []
    settling = common(gaps, fresh)
    lost = minus(gaps, settling)
    return (
        Totals(
            announced=known - count(implausible),
            duplicates=count(union(kinds.get("duplicate", ()))),
            dropped=count(dropped),
            in_stream=count(waiting),
            settling=count(settling),
            lost=count(lost),
            implausible=count(implausible),
            **counts,
        ),
        lost,
    )


def _entries(inventory: Inventory, accounts: Accounts) -> tuple[EntriesAudit, int, int]:
    """Balance the stream's entries.

    Also count those acknowledged and never settled, and those pending whose payload is gone.
    """
    past = [epoch for epoch in accounts.epochs if not epoch.current]
    current = next((epoch for epoch in accounts.epochs if epoch.current), None)
    if current is not None and is_remade(inventory, current):
        # what is committed of the new stream was counted to the old one so far
        here = Settled(accounts.runs).count_after(StreamID(*current.last))
        past.append(msgspec.structs.replace(current, beyond=max(0, current.beyond - here)))
        current = None
    settled_ids, strays = Settled(accounts.runs), Settled(accounts.strays)
    # merged since we looked at the stream: counted already
    bound = StreamID(*current.bound) if current else ZERO
    waiting = unsettled = inside = 0
    for item in inventory.held:
        if item.id < bound:
            continue
        if settled_ids.covers(item.id) or strays.covers(item.id):
            inside += 1
        elif item.waiting:
            waiting += 1
        else:
            unsettled += 1
    beyond = settled_ids.outside(inventory)
    settled = (current.settled if current else 0) + inside + beyond
    vanished = (current.vanished if current else 0) + settled_ids.vanished(inventory)
    # what a stream that was set back had had before counts as added; what was not settled is lost
    added = inventory.added + taken_back(inventory, current) + (current.taken if current else 0)
    lost_now = added - settled - waiting
    open_hollow = sum(
        one >= bound and not (settled_ids.covers(one) or strays.covers(one))
        for one in inventory.hollow
    )
    hollow = min(max(lost_now, 0), open_hollow)
    trimmed_now = added - len(inventory.held)
    # what a former life added after its last checkpoint was counted by nobody but its settlements
    added_before = sum(
        max(epoch.added, epoch.counted + epoch.beyond) + epoch.taken for epoch in past
    )
    lost_before = added_before - sum(epoch.settled for epoch in past)
    return (
        EntriesAudit(
            added=added + added_before,
            settled=settled + sum(epoch.settled for epoch in past),
            waiting=waiting + hollow,
            lost=lost_now - hollow + lost_before,
            lost_while_pending=vanished + sum(epoch.vanished for epoch in past),
            trimmed=trimmed_now + added_before,
        ),
        unsettled,
        hollow,
    )


def _held_numbers(held: Iterable[Held]) -> dict[int, dict[bool, list[Range]]]:
    """Return producer → waiting? → the numbers of its entries in the stream."""
    single: defaultdict[int, dict[bool, list[Range]]] = defaultdict(lambda: {True: [], False: []})
    for item in held:
        if item.producer is not None and item.sequence is not None:
            single[item.producer][item.waiting].append((item.sequence, item.sequence))
    found: defaultdict[int, dict[bool, list[Range]]] = defaultdict(lambda: {True: [], False: []})
    for producer, sides in single.items():
        found[producer] = {waiting: union(numbers) for waiting, numbers in sides.items()}
    return found


def _cause(entries: EntriesAudit) -> str:
    if entries.lost <= 0:
        return NEVER
    if not entries.lost_while_pending:
        return "trimmed unread"
    if entries.lost_while_pending >= entries.lost:
        return "trimmed while pending"
    return "trimmed unread or while pending"


def _sum(items: Iterable[Totals]) -> Totals:
    added: dict[str, int] = defaultdict(int)
    for item in items:
        for name in Totals.__struct_fields__:
            added[name] += getattr(item, name)
    return Totals(**added)
