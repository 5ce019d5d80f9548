from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clientlib.buffer import Drops
from clientlib.identity import record_id
from clientlib.outbox import MAX_SENT_RECORDS, Outbox, Receipt
from clientlib.resp import sequence_of


def command(number: int, size: int = 60) -> bytes:
    """Return as much of a command as the outbox reads: the record's id."""
    return b"\r\n$2\r\nid\r\n$36\r\n%b".ljust(size - 34) % record_id(1, number, 7).encode()


def commands(first: int, last: int, size: int = 60) -> list[bytes]:
    return [command(n, size) for n in range(first, last + 1)]


def outbox(max_records: int = 10, max_bytes: int = 10_000) -> tuple[Outbox, Drops]:
    drops = Drops()
    return Outbox(max_records, max_bytes, drops), drops


def numbers(found: list[bytes]) -> list[int]:
    return [sequence_of(each) for each in found]


def test_the_newest_are_kept_and_the_oldest_named():
    box, drops = outbox(max_records=3)
    box.add(commands(1, 8))
    box.trim()
    assert numbers(box.batch()) == [6, 7, 8]
    assert drops.take(9) == ("buffer_full", [(1, 5)])


def test_the_bound_of_bytes_holds_too():
    box, drops = outbox(max_bytes=250)
    box.add(commands(1, 5, size=100))
    box.trim()
    assert numbers(box.batch()) == [4, 5]
    assert drops.total == 3


def test_what_was_taken_leaves_and_what_was_refused_stays_in_order():
    box, _ = outbox()
    box.add(commands(1, 5))
    assert box.settle(5, [None, "OOM", None, "OOM", None]) == 3
    assert numbers(box.batch()) == [2, 4]
    assert box.oldest == 2


def test_what_has_no_answer_stays():
    box, _ = outbox()
    box.add(commands(1, 4))
    assert box.settle(4, [None]) == 1
    assert numbers(box.batch()) == [2, 3, 4]


def test_a_batch_is_bounded_but_never_empty():
    box, _ = outbox(max_records=5_000, max_bytes=1 << 40)
    box.add(commands(1, 1, size=3 << 20))
    assert numbers(box.batch()) == [1]
    box.add(commands(2, 2_000))
    assert box.large
    box.settle(1, [None])
    assert len(box.batch()) == MAX_SENT_RECORDS


def test_receipts_go_first_and_come_apart_when_refused():
    box, drops = outbox()
    box.add(commands(1, 2))
    box.receipts.append(Receipt(command(9), "full", [(3, 8)]))
    assert numbers(box.batch()) == [9, 1, 2]
    assert box.settle(3, ["OOM", None, None]) == 2
    assert drops.take(9) == ("full", [(3, 8)])
    assert drops.total == 0
    assert box.spare_numbers == [9]
    assert not box.receipts


def test_a_receipt_without_an_answer_stays_as_it_is():
    box, drops = outbox()
    receipt = Receipt(command(9), "full", [(3, 8)])
    box.receipts.append(receipt)
    box.settle(1, [])
    assert list(box.receipts) == [receipt]
    assert not drops


ANSWER = st.sampled_from([None, "refused"])


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(1, 6)),
            st.tuples(st.just("print"), st.integers(0, 6)),
            st.tuples(st.just("send"), st.lists(ANSWER, max_size=8)),
            st.tuples(st.just("trim"), st.just(0)),
        ),
        max_size=40,
    )
)
def test_whatever_happens_each_record_is_printed_at_most_once_and_none_is_forgotten(steps):
    box, drops = outbox(max_records=5)
    added = 0
    printed: list[int] = []
    taken: set[int] = set()
    for step, argument in steps:
        if step == "add":
            box.add(commands(added + 1, added + argument))
            added += argument
        elif step == "print":
            shown = numbers(box.unprinted())[:argument]
            box.printed(len(shown))
            printed += shown
        elif step == "trim":
            box.trim()
        else:
            sent = numbers(box.batch())
            replies = argument[: len(sent)]
            box.settle(len(sent), replies)
            taken |= {n for n, reply in zip(sent, replies, strict=False) if reply is None}
    assert len(printed) == len(set(printed))
    waiting = set(numbers(box.batch()))
    told = drops.take(10_000)
    dropped = {n for a, b in (told[1] if told else []) for n in range(a, b + 1)}
    assert waiting | taken | dropped == set(range(1, added + 1))
    assert not waiting & taken
    assert not dropped & taken
