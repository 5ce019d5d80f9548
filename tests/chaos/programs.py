"""The account of programs with the real client, which alone know what they logged and dropped.

A program says how many records it logged and how many its client dropped; the stream says which of
its entries were destroyed; the table says what is there. What is missing must be explained by those
three, and only then is the audit held against it.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from clientlib import parse_record_id
from godot import audit as audits
from tests.chaos.book import Book
from tests.chaos.findings import Findings, Totals
from tests.chaos.seen import Seen


class ProgramReport(NamedTuple):
    """What a program with the real client says about itself."""

    component: str
    producer: int
    logged: int
    delivered: bool
    dropped: int


class Numbers(NamedTuple):
    """One producer's sequence numbers, receipts among them.

    `there`: rows and dead letters; `taken`: destroyed, and not there; `lost`: the audit's word.
    """

    there: set[int]
    taken: set[int]
    lost: set[int]


def check_programs(
    book: Book,
    seen: Seen,
    programs: Sequence[ProgramReport],
    audit: audits.Audit,
    findings: Findings,
    totals: Totals,
) -> None:
    """Check what each program logged, by count, and what became of its numbers, one by one."""
    for example in seen.damaged:
        findings.add("payload differs", example)
    if not programs:
        return
    accounts = {int(item.producer, 16): item.totals for item in audit.producers}
    there, destroyed = _numbers((*seen.rows, *seen.dead)), _numbers(book.records)
    lost: defaultdict[int, set[int]] = defaultdict(set)
    for found in audit.ranges:
        lost[int(found.producer, 16)].update(range(found.first, found.last + 1))
    for program in programs:
        who = program.producer
        numbers = Numbers(there[who], destroyed[who] - there[who], lost[who])
        account = accounts.get(who, audits.Totals())
        if not program.delivered:
            findings.add("a program could not deliver", program.component)
        _by_count(seen, program, numbers, account, findings, totals)
        _by_number(program, numbers, account, findings)


def _by_count(
    seen: Seen,
    program: ProgramReport,
    numbers: Numbers,
    account: audits.Totals,
    findings: Findings,
    totals: Totals,
) -> None:
    """What is missing was dropped by the client's own word, or destroyed before our eyes."""
    stored = seen.programs[program.component]
    missing = program.logged - len(stored)
    totals.offered += program.logged
    totals.stored += len(stored)
    totals.dropped += account.dropped
    totals.lost += max(0, min(len(numbers.taken), missing - account.dropped))
    what = f"{program} stored {len(stored)}, destroyed {len(numbers.taken)}, audit {account}"
    unexplained = missing - program.dropped - len(numbers.taken)
    if unexplained > 0:
        totals.unaccounted += unexplained
        findings.add("a program's records are missing without a cause", what, unexplained)
    if not program.dropped and missing != len(numbers.taken):
        findings.add("a program's records do not add up", what)
    if max(stored, default=0) > program.logged:
        findings.add("a row that nobody offered", what)


def _by_number(
    program: ProgramReport, numbers: Numbers, account: audits.Totals, findings: Findings
) -> None:
    """The audit names what was destroyed; numbers whose receipt was, too, for nobody told them."""
    name = program.component
    if account.dropped > program.dropped:
        findings.add("the audit says dropped, and it is not", f"{program}, audit {account}")
    for number in sorted(numbers.lost & numbers.there):
        findings.add("the audit says lost, and it is not", f"{name} {number}")
    untold = max(0, program.dropped - account.dropped) if numbers.taken else 0
    strange = sorted(numbers.lost - numbers.there - numbers.taken)
    if len(strange) > untold:
        findings.add("the audit says lost, and nobody destroyed it", f"{name} {strange[:20]}")
    unsaid = sorted(numbers.taken - numbers.lost)
    if len(unsaid) > account.dropped:  # what a client gives up may have arrived all the same
        findings.add("lost, and the audit does not say so", f"{name} {unsaid[:20]}")


def _numbers(ids: Iterable[bytes]) -> defaultdict[int, set[int]]:
    """Return the sequence numbers in ids of ours, by producer."""
    found: defaultdict[int, set[int]] = defaultdict(set)
    for id in ids:
        who = parse_record_id(str(uuid.UUID(bytes=id)))
        if who is not None:
            found[who.producer].add(who.sequence)
    return found
