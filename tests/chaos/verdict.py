"""What must be true once everything is healed and drained, each thing checked record by record.

Nothing here asks the product whether it did well: rows, dead letters and the stream are read and
held against the book. Then the audit is asked, and has to say the same as the book to the number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from dewey_logs import open_store
from godot import audit as audits
from godot.stream import inventory
from tests.chaos.book import Book, Item, Kind, State
from tests.chaos.findings import Findings, Totals
from tests.chaos.programs import ProgramReport, check_programs
from tests.chaos.seen import Seen
from tests.chaos.world import World, wait_until

SETTLE_PATIENCE_S = 30.0


def judge(
    world: World,
    programs: Sequence[ProgramReport],
    *,
    drained: bool,
    counted: bool,
    failures: Sequence[tuple[str, str]] = (),
) -> tuple[Findings, Totals, audits.Audit]:
    """Check everything; return what is wrong, the totals, and what the audit said.

    Not `counted`: Redis itself lost count of its entries, only numbers can be held to account.
    `failures` are findings of the run's own: their kind, and an example.
    """
    findings = Findings()
    for kind, example in failures:
        findings.add(kind, example)
    for ending in world.fleet.endings:
        findings.add("worker ended by itself", ending)
    for entry in world.hasty:
        if not world.book.is_destroyed(entry):
            findings.add("acknowledged before its dead letter was stored", entry)
    if not drained:
        findings.add("not drained in time", str(world.unsettled())[:300])
    audit = audited(world)
    seen = Seen(world)
    totals = Totals()
    check_records(world.book, seen, audit, findings, totals)
    _foreign(world.book, seen, findings, totals)
    check_programs(world.book, seen, programs, audit, findings, totals)
    _held(world.book, seen, findings, totals)
    if not totals.offered:
        findings.add("nobody offered anything")
    if counted:
        check_counts(world.book, seen, audit, findings, totals, programs)
        totals.unaccounted += max(0, audit.total.unaccounted - world.book.unseen)
    return findings, totals, audit


def check_records(
    book: Book, seen: Seen, audit: audits.Audit, findings: Findings, totals: Totals
) -> None:
    """Check every record of ours, and that the audit names those that are lost."""
    _no_duplicates(seen, findings, totals)
    lost = _records(book, seen, findings, totals)
    totals.nameless += _names_agree(book, seen, lost, audit, findings)


def audited(world: World) -> audits.Audit:
    """Ask the audit until nothing settles any more."""
    settings = world.settings(direct=True)
    assert settings.dewey_url is not None
    found: list[audits.Audit] = []

    def settled() -> bool:
        held = inventory.take(settings)
        region = held.held[0].id if held.held else held.upto
        assert settings.dewey_url is not None
        with open_store(settings.dewey_url) as store:
            accounts = store.accounts(held.stream, region, 2 * settings.reclaim_idle_ms / 1000)
        found.append(audits.audit(held, accounts))
        last = found[-1]
        return not (last.total.settling or last.total.in_stream or last.undecided)

    wait_until(settled, SETTLE_PATIENCE_S)
    return found[-1]


def _no_duplicates(seen: Seen, findings: Findings, totals: Totals) -> None:
    for id, n in seen.rows.items():
        if n > 1:
            findings.add("duplicate row", id.hex(), n - 1)
            totals.duplicate += n - 1
    for name, numbers in seen.programs.items():
        for number, n in numbers.items():
            if n > 1:
                findings.add("duplicate row", f"{name} {number}", n - 1)
                totals.duplicate += n - 1


def _records(book: Book, seen: Seen, findings: Findings, totals: Totals) -> list[Item]:
    """Check every record of ours; return those that are lost for a reason that we know."""
    lost = []
    for item in book.items.values():
        stored, dead = item.id in seen.rows, item.id in seen.dead
        totals.offered += 1
        totals.stored += stored
        totals.dead += dead
        if stored and dead and not item.given_up:
            findings.add("stored and a dead letter", item.id.hex())
        if stored and item.digest is not None and seen.digests[item.id] != item.digest:
            findings.add("payload differs", item.id.hex())
        if dead and seen.dead[item.id] != item.raw:
            findings.add("a dead letter's fields differ", item.id.hex())
        if item.state is State.REFUSED and (stored or dead):
            findings.add("refused and yet there", item.id.hex())
        if stored or dead:
            wrong = dead if item.kind in (Kind.STORED, Kind.AGED) else stored
            if wrong and item.kind is not Kind.EITHER and not item.given_up:
                findings.add(f"should be {item.kind.value}", item.id.hex())
        elif item.state is State.ACCEPTED:
            if item.kind is Kind.AGED or item.cleared:  # or lost: that only the audit knows
                totals.removed += 1
                continue
            lost.append(item)
            _judge_loss(book, seen, item, findings, totals)
        else:
            totals.unanswered += 1
        if item.state is not State.ACCEPTED and not item.once:
            findings.add("never accepted, and nobody tries any more", item.id.hex())
    known = book.items.keys()
    for id in seen.digests.keys() - known:
        findings.add("a row that nobody offered", id.hex())
    return lost


def _judge_loss(book: Book, seen: Seen, item: Item, findings: Findings, totals: Totals) -> None:
    what = f"producer {item.producer:010x} number {item.sequence} entries {item.entries}"
    if item.id in seen.held:
        findings.add("missing and still in the stream", what)
        totals.unaccounted += 1
    elif not book.may_be_lost(item):
        findings.add("missing without a cause", what)
        totals.unaccounted += 1
    else:
        totals.lost += 1


def _held(book: Book, seen: Seen, findings: Findings, totals: Totals) -> None:
    """Hold every other entry of the stream to account: programs', and what got no answer."""
    for entry, id in seen.entries.items():
        if id is None or id in seen.rows or id in seen.dead:
            continue
        item = book.items.get(id)
        if item is None or (item.state is not State.ACCEPTED and item.kind is not Kind.AGED):
            findings.add("missing and still in the stream", f"{entry} {id.hex()}")
            totals.unaccounted += 1


def _foreign(book: Book, seen: Seen, findings: Findings, totals: Totals) -> None:
    totals.offered += len(book.foreign)
    for mark, entry in book.foreign.items():
        n = seen.marks[mark]
        totals.stored += n > 0
        if n > 1:
            findings.add("duplicate row", mark, n - 1)
            totals.duplicate += n - 1
        if n == 0 and entry is not None:
            if book.is_destroyed(entry):
                totals.lost += 1
            else:
                findings.add("missing without a cause", f"{mark} entry {entry}")
                totals.unaccounted += 1
        elif n == 0:
            totals.unanswered += 1


def _names_agree(
    book: Book,
    seen: Seen,
    lost: Sequence[Item],
    audit: audits.Audit,
    findings: Findings,
) -> int:
    """The audit must name exactly what is lost, as far as any number above it is left to tell.

    Return how many are lost beyond that: their count is all that can be asked for.
    """
    highest: defaultdict[int, int] = defaultdict(int, seen.announced)
    for item in book.items.values():
        if item.id in seen.rows or item.id in seen.dead:
            highest[item.producer] = max(highest[item.producer], item.sequence)
    expected = {
        (item.producer, item.sequence) for item in lost if item.sequence <= highest[item.producer]
    }
    ours = {item.producer for item in book.items.values()}
    named = {
        (int(found.producer, 16), number)
        for found in audit.ranges
        if int(found.producer, 16) in ours
        for number in range(found.first, found.last + 1)
    }
    by_number = {(item.producer, item.sequence): item for item in book.items.values()}
    for key in sorted(expected - named):
        findings.add("lost, and the audit does not say so", f"{key[0]:010x} {key[1]}")
    for key in sorted(named - expected):
        one = by_number.get(key)  # aged or cleared: only the audit knows whether it was lost before
        unsure = one is not None and (one.kind is Kind.AGED or one.cleared)
        if one is None or not unsure or not book.may_be_lost(one):
            findings.add("the audit says lost, and it is not", f"{key[0]:010x} {key[1]}")
    return len(lost) - len(expected)


def check_counts(
    book: Book,
    seen: Seen,
    audit: audits.Audit,
    findings: Findings,
    totals: Totals,
    programs: Sequence[ProgramReport],
) -> None:
    """What the audit counts must fit what happened.

    What a stream took with it that was deleted before anybody looked, nobody can count.
    """
    total = audit.total
    for name in ("settling", "in_stream"):
        if getattr(total, name):
            findings.add(f"audit: {name}", audit.entries, getattr(total, name))
    for name in ("unaccounted", "implausible"):
        if getattr(total, name) > book.unseen:
            findings.add(f"audit: {name}", audit.entries, getattr(total, name))
    dead = [i for i in book.items.values() if i.id in seen.dead and i.id not in seen.rows]
    surely = sum(not item.cleared for item in dead)  # else it may have been stored before
    if not surely <= total.rejected <= len(dead):
        findings.add("audit: rejected", f"{total.rejected}, but there are {len(dead)}")
    if total.lost > book.destroyed:
        findings.add(
            "the audit counts more lost than was destroyed",
            f"{total.lost}, destroyed {book.destroyed}: {audit.entries}",
        )
    if total.lost < totals.lost - book.forgotten:
        findings.add(
            "the audit counts less lost than is",
            f"{total.lost}, lost {totals.lost}, of which {book.forgotten} may be uncounted",
        )
    known = {program.producer for program in programs}
    dropped = sum(
        item.totals.dropped for item in audit.producers if int(item.producer, 16) not in known
    )
    if dropped:
        findings.add("audit: dropped", dropped)
