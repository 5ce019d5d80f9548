"""The account itself: what it excuses, and what it must not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import pytest

from clientlib import LogRecord, Producer, make_record
from godot import audit as audits
from godot.stream.ids import StreamID
from tests.chaos.book import Book
from tests.chaos.findings import Findings, Totals
from tests.chaos.look import Look, record_key
from tests.chaos.programs import ProgramReport, check_programs
from tests.chaos.seen import Seen

pytestmark = pytest.mark.chaos


def entry(number: int) -> StreamID:
    return StreamID(number, 0)


def look(
    *,
    delivered: int = 0,
    newest: int = 0,
    first: int | None = None,
    pending: Iterable[int] = (),
    waiting: Iterable[int] = (),
) -> Look:
    return Look(
        entry(delivered),
        entry(newest),
        None if first is None else entry(first),
        dict.fromkeys(map(entry, pending)),
        dict.fromkeys(map(entry, waiting)),
        None,
    )


def test_a_record_is_excused_only_when_every_entry_of_it_was_destroyed():
    book, record = Book(), make_record("test", "INFO", "m", producer=Producer(1))
    book.offer([record])
    (item,) = book.items.values()
    assert not book.may_be_lost(item), "nothing is known to have been accepted"
    book.accepted([record], [entry(1)])
    book.accepted([record], [entry(2)])
    book.destroy({entry(1): None})
    assert not book.may_be_lost(item), "the second entry is intact"
    book.destroy({entry(2): None})
    assert book.may_be_lost(item)


def test_only_what_is_older_than_the_first_entry_left_is_gone():
    book = Book()
    book.take(look(delivered=4, first=4, pending=[2, 4], waiting=[5]))
    assert [book.is_destroyed(entry(n)) for n in range(1, 6)] == [False, True, False, False, False]
    assert book.destroyed == 1


def test_what_a_destroyed_group_had_settled_is_not_lost_with_the_stream():
    book = Book()
    book.group_lost(look(delivered=8, first=1, pending=[3], waiting=[9]))
    book.take(look(waiting=range(1, 11)))  # no group: all of it is undelivered
    assert {n for n in range(1, 11) if book.is_destroyed(entry(n))} == {3, 9, 10}
    assert book.destroyed == 3


def test_a_later_stream_is_not_settled_by_the_group_of_an_earlier_one():
    book = Book()
    book.group_lost(look(delivered=8, first=1))
    book.take(look(waiting=[9]))
    book.stream_lost()
    book.take(look(waiting=[7]))  # the clock was set back, or an id had been ahead of it
    assert book.is_destroyed(entry(7))


def test_what_was_destroyed_before_something_newer_was_settled_must_be_counted():
    book = Book()
    book.take(look(delivered=2, newest=2, first=5, waiting=[3, 4]))
    book.take(look(delivered=6, newest=6, waiting=[7, 8]))
    book.stream_lost()
    assert (book.destroyed, book.forgotten) == (4, 2)


def seen(records: Iterable[LogRecord], component: str) -> Seen:
    """What a database holds in which only these are."""
    found = Seen.__new__(Seen)
    keys = [key for record in records if (key := record_key(record.id.encode()))]
    found.rows, found.dead, found.damaged = Counter(keys), {}, []
    found.programs = defaultdict(Counter)
    found.programs[component] = Counter(range(1, len(keys) + 1))
    return found


def audit_of(producer: Producer, lost: Iterable[int], dropped: int = 0) -> audits.Audit:
    ranges = tuple(audits.LostRange(producer.hex, n, n, "trimmed unread") for n in lost)
    total = audits.Totals(lost=len(ranges), dropped=dropped)
    account = audits.ProducerAudit(producer.hex, "program-0", total)
    return audits.Audit(total, audits.EntriesAudit(0, 0, 0, 0, 0, 0), (account,), ranges)


@pytest.mark.parametrize(
    ("destroyed", "lost", "audit_dropped", "dropped", "kinds"),
    [
        ([9, 10], [9, 10], 0, 0, set()),
        ([], [], 2, 2, set()),
        ([9], [9], 1, 1, set()),
        (
            [],
            [9, 10],
            0,
            0,
            {
                "a program's records are missing without a cause",
                "a program's records do not add up",
                "the audit says lost, and nobody destroyed it",
            },
        ),
        (
            [],
            [],
            2,
            0,
            {
                "a program's records are missing without a cause",
                "a program's records do not add up",
                "the audit says dropped, and it is not",
            },
        ),
        ([9, 10], [9], 0, 0, {"lost, and the audit does not say so"}),
        ([9, 10], [8, 9, 10], 0, 0, {"the audit says lost, and it is not"}),
    ],
)
def test_a_programs_losses_need_a_cause_and_a_name(
    destroyed: list[int], lost: list[int], audit_dropped: int, dropped: int, kinds: set[str]
):
    producer = Producer(7)
    records = [make_record("program-0", "INFO", "m", producer=producer) for _ in range(10)]
    book, findings = Book(), Findings()
    book.destroy({entry(n): record_key(records[n - 1].id.encode()) for n in destroyed})
    report = ProgramReport("program-0", producer.number, 10, True, dropped)
    audit = audit_of(producer, lost, audit_dropped)
    check_programs(book, seen(records[:8], "program-0"), [report], audit, findings, Totals())
    assert set(findings.counts) == kinds, list(findings.lines())


def test_an_entry_that_carries_no_id_has_no_record():
    assert [record_key(text) for text in (None, b"", b"x", b"\xff", b"00")] == [None] * 5
