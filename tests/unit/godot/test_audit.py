"""The audit's arithmetic, on looks at stream and ledger that are made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from dewey_logs import Accounts, EntryRun, Epoch
from godot.audit import GONE, PASSED, UNKEPT, Audit, audit
from godot.stream.ids import END, ZERO, StreamID
from godot.stream.inventory import Held, Inventory
from godot.stream.producers import ProducerInfo

P, Q = 0xAB, 0xCD
Numbers = dict[int, dict[str, tuple[tuple[int, int], ...]]]


def entry(n: int) -> StreamID:
    return StreamID(1_000 + n, 0)


def held(
    first: int, last: int, *, waiting: bool, producer: int | None = P, shift: int = 0
) -> list[Held]:
    """Return entries number `first` to `last`; their sequence numbers are the same, or shifted."""
    return [
        Held(entry(n), producer, None if producer is None else n + shift, waiting, 1_000 + n)
        for n in range(first, last + 1)
    ]


def inventory(
    entries: list[Held] | None = None,
    *,
    added: int,
    upto: StreamID | None = None,
    sent: dict[int, int] | None = None,
    hollow: tuple[StreamID, ...] = (),
) -> Inventory:
    announced = tuple(
        ProducerInfo(producer, highest, "shop", "host", 1, "0", "2026-11-22T13:00:00Z", 0)
        for producer, highest in (sent or {}).items()
    )
    last = upto if upto is not None else (entry(added) if added else ZERO)
    return Inventory("logs", announced, added, last, tuple(entries or ()), hollow)


def epoch(number: int = 1, **more: Any) -> Epoch:
    values: dict[str, Any] = {
        "current": True,
        "added": 0,
        "last": tuple(ZERO),
        "settled": 0,
        "vanished": 0,
    }
    found = values | more
    beyond = max(0, found["settled"] + found["vanished"] - found["added"])
    return Epoch(number=number, **({"counted": found["added"], "beyond": beyond} | found))


def new(first: int, last: int) -> EntryRun:
    return EntryRun(entry(first), entry(last), last - first + 1)


def again(n: int) -> EntryRun:
    return EntryRun(entry(n), entry(n), 1, "again")


def vanished(n: int) -> EntryRun:
    return EntryRun(entry(n), entry(n), 1, "vanished")


def accounts(
    numbers: Numbers | None = None,
    epochs: tuple[Epoch, ...] = (),
    runs: tuple[EntryRun, ...] = (),
    **more: Any,
) -> Accounts:
    found = numbers or {}
    # unless a test says otherwise everything was committed long ago
    old = {
        producer: max(ranges[-1][1] for ranges in kinds.values())
        for producer, kinds in found.items()
    }
    return Accounts(found, more.pop("old", old), epochs, runs, **more)


def balanced(found: Audit) -> bool:
    """Say whether every announced number has exactly one place."""
    t = found.total
    places = (t.stored, t.rejected, t.expired, t.cleared, t.dropped, t.in_stream, t.settling)
    return t.announced == sum(places) + sum(item.totals.lost for item in found.producers)


def test_nothing_ever_sent_is_clean():
    found = audit(inventory(added=0), accounts())
    assert found.clean
    assert (found.total.announced, found.entries.added, found.ranges) == (0, 0, ())


def test_everything_stored_is_clean():
    found = audit(
        inventory(held(1, 10, waiting=False), added=10, sent={P: 10}),
        accounts(
            {P: {"stored": ((1, 10),)}},
            (epoch(added=10, last=entry(10)),),
            (new(1, 4), new(5, 10)),
        ),
    )
    assert found.clean
    assert balanced(found)
    assert (found.total.stored, found.entries.settled, found.entries.lost) == (10, 10, 0)


def test_each_number_takes_the_first_place_that_fits():
    kinds = {
        "stored": ((1, 3),),
        "duplicate": ((2, 3),),
        "rejected": ((3, 5),),  # 3 was a dead letter and has been retried
        "expired": ((5, 6),),
        "cleared": ((1, 1), (7, 7)),
        "dropped": ((8, 9),),
    }
    found = audit(
        inventory(held(10, 11, waiting=True, shift=2), added=11, sent={P: 13}),
        accounts({P: kinds}, (epoch(added=9, last=entry(9), settled=9),)),
    )
    t = found.total
    assert (t.stored, t.duplicates, t.rejected, t.expired) == (3, 2, 2, 1)
    assert (t.cleared, t.dropped, t.in_stream) == (1, 2, 2)
    assert [(r.first, r.last) for r in found.ranges] == [(10, 11)]
    assert balanced(found)


def test_what_a_receipt_claims_hides_nothing_that_is_seen_and_no_lost_entry():
    passed = held(7, 8, waiting=False)
    found = audit(
        inventory([*held(5, 6, waiting=True), *passed], added=9, sent={P: 9}),
        accounts(
            {P: {"stored": ((1, 2), (9, 9)), "dropped": ((1, 8),)}},
            (epoch(added=9, last=entry(9), settled=3),),
        ),
    )
    t = found.total
    assert (t.stored, t.in_stream, t.dropped) == (3, 2, 2)
    assert [(r.first, r.last, r.cause) for r in found.ranges] == [(7, 8, PASSED)]
    assert (found.entries.lost, t.lost) == (4, 4), "3 and 4 are so no more than claimed"


@pytest.mark.parametrize(("sent", "dropped"), [(0, 0), (5_000, 4_996)])
def test_a_receipt_for_more_than_was_ever_added_needs_an_announcement(sent: int, dropped: int):
    found = audit(
        inventory(added=4, sent={P: sent} if sent else {}),
        accounts(
            {P: {"stored": ((1, 3), (5_000, 5_000)), "dropped": ((4, 4_999),)}},
            (epoch(added=4, last=entry(4), settled=4),),
        ),
    )
    t = found.total
    assert (t.stored, t.dropped, t.implausible, t.lost) == (4, dropped, 4_996 - dropped, 0)


def test_a_producer_trimmed_completely_is_lost_to_the_record():
    found = audit(
        inventory(held(501, 600, waiting=True, producer=Q, shift=-500), added=600, sent={P: 500}),
        accounts(),
    )
    assert (found.total.lost, found.total.unaccounted, found.entries.lost) == (500, 0, 500)
    assert [(r.producer, r.first, r.last, r.cause) for r in found.ranges] == [
        (f"{P:010x}", 1, 500, "trimmed unread")
    ]
    assert not found.clean


def test_an_overflow_before_the_first_commit_is_exact():
    found = audit(inventory(held(51, 150, waiting=True), added=150, sent={P: 150}), accounts())
    assert (found.total.lost, found.total.in_stream, found.total.unaccounted) == (50, 100, 0)
    assert balanced(found)


def test_a_gap_below_a_fresh_commit_is_settling_and_below_an_old_one_lost():
    look = inventory(
        [*held(1, 10, waiting=False), *held(11, 20, waiting=True), *held(21, 30, waiting=False)],
        added=30,
        sent={P: 30},
    )
    numbers: Numbers = {P: {"stored": ((1, 10), (21, 30))}}
    runs = (new(1, 10), new(21, 30))
    ledger = (epoch(added=30, last=entry(30)),)
    # in the stream and pending: it is neither
    assert audit(look, accounts(numbers, ledger, runs)).total.in_stream == 10
    # no longer in the stream: with a peer while the commit above is young, lost when it is old
    gone = inventory(held(21, 30, waiting=False), added=30, sent={P: 30})
    before = epoch(added=30, last=entry(30), settled=10)
    young = audit(gone, accounts(numbers, (before,), (new(21, 30),), old={P: 10}))
    assert (young.undecided, young.total.settling, young.ranges) == (10, 0, ())
    assert young.total.unaccounted == 0
    old = audit(gone, accounts(numbers, (before,), (new(21, 30),)))
    assert (old.total.settling, old.total.lost, old.total.unaccounted) == (0, 10, 0)


def test_pending_entries_without_payload_are_settling_and_not_lost_yet():
    hollow = tuple(entry(n) for n in range(1, 11))
    found = audit(inventory(added=10, sent={P: 10}, hollow=hollow), accounts())
    assert found.clean
    assert (found.total.settling, found.entries.waiting) == (10, 10)


def test_pending_entries_without_payload_that_are_committed_meanwhile_are_settled():
    hollow = tuple(entry(n) for n in range(1, 11))
    look = inventory(held(31, 40, waiting=True), added=40, sent={P: 40}, hollow=hollow)
    assert look.region == entry(1)
    found = audit(
        look,
        accounts(
            {P: {"stored": ((1, 10),)}},
            (epoch(added=40, last=entry(40)),),
            (new(1, 10),),
        ),
    )
    assert (found.entries.settled, found.entries.lost) == (10, 20)
    assert (found.total.lost, found.total.settling, found.total.unaccounted) == (20, 0, 0)


def test_a_stuck_worker_may_still_hold_numbers_that_others_have_long_passed():
    hollow = tuple(entry(n) for n in range(1, 11))
    found = audit(
        inventory(added=30, sent={P: 30}, hollow=hollow),
        accounts(
            {P: {"stored": ((16, 30),)}},
            (epoch(added=30, last=entry(30)),),
            (new(16, 30),),
        ),
    )
    assert (found.total.lost, found.total.settling, found.total.unaccounted) == (5, 10, 0)


def test_what_vanished_while_pending_is_lost_and_the_cause_is_named():
    found = audit(
        inventory(held(4, 10, waiting=False), added=10, sent={P: 10}),
        accounts(
            {P: {"stored": ((4, 10),)}},
            (epoch(added=10, last=entry(10), settled=0, vanished=3),),
            (new(4, 10),),
        ),
    )
    assert (found.total.lost, found.total.unaccounted) == (3, 0)
    assert found.entries.lost_while_pending == 3
    assert found.ranges[0].cause == "trimmed while pending"


def test_what_was_refused_and_not_kept_is_lost_though_its_entry_is_settled():
    found = audit(
        inventory(held(4, 10, waiting=False), added=12, sent={P: 10}),
        accounts(
            {P: {"stored": ((4, 6), (10, 10)), "rejected": ((7, 7),), "unkept": ((7, 9),)}},
            (epoch(added=12, last=entry(10), settled=0),),
            (new(4, 10),),
        ),
    )
    # trimmed were the numbers 1 to 3 and two foreign records
    assert (found.total.lost, found.total.rejected, found.total.unaccounted) == (5 + 2, 1, 0)
    assert [(one.first, one.last, one.cause) for one in found.ranges] == [
        (1, 3, "trimmed unread"),
        (8, 9, UNKEPT),
    ]
    assert found.producers[0].totals.lost == 5


def test_a_vanished_entry_that_a_peer_had_stored_is_no_loss():
    found = audit(
        inventory(added=3, sent={P: 3}),
        accounts(
            {P: {"stored": ((1, 3),)}},
            (epoch(added=3, last=entry(3), settled=2),),
            (new(3, 3), vanished(3)),
        ),
    )
    assert found.clean
    assert found.entries.lost_while_pending == 0


def test_entries_settled_by_redelivery_count_once():
    found = audit(
        inventory(held(1, 5, waiting=False), added=5, sent={P: 5}),
        accounts(
            {P: {"stored": ((1, 5),), "duplicate": ((2, 2),)}},
            (epoch(added=5, last=entry(5)),),
            (new(1, 2), again(2), again(3), again(4), again(5)),
        ),
    )
    assert found.clean
    assert found.entries.settled == 5


def test_redelivered_entries_that_were_trimmed_meanwhile_are_settled():
    found = audit(
        inventory(added=5, sent={P: 5}),
        accounts(
            {P: {"stored": ((1, 5),)}},
            (epoch(added=5, last=entry(5), settled=4),),
            (again(5), again(5)),
        ),
    )
    assert found.clean


def test_an_entry_acknowledged_and_never_settled_is_unaccounted():
    found = audit(
        inventory(held(1, 5, waiting=False), added=5, sent={P: 5}),
        accounts({P: {"stored": ((1, 4),)}}, (epoch(added=5, last=entry(5)),), (new(1, 4),)),
    )
    assert found.total.unaccounted == 1
    assert found.producers[0].totals.unaccounted == 1
    assert not found.clean


def test_what_a_group_was_moved_past_is_named_and_told_from_what_was_trimmed():
    """XGROUP SETID behind the last entry, by a producer that announced nothing yet."""
    found = audit(
        inventory(held(3, 10, waiting=False), added=10),
        accounts(
            {P: {"stored": ((4, 5),)}},
            (epoch(added=10, last=entry(10)),),
            (new(4, 5),),
        ),
    )
    assert [(r.first, r.last, r.cause) for r in found.ranges] == [
        (1, 2, "trimmed unread"),
        (3, 3, PASSED),
        (6, 10, PASSED),
    ]
    (only,) = found.producers
    assert (only.totals.announced, only.totals.lost, only.totals.unaccounted) == (10, 8, 6)
    assert (found.total.lost, found.total.unaccounted) == (8, 6)
    assert balanced(found)


def test_a_foreign_entry_is_balanced_by_entries_alone():
    look = inventory(held(1, 5, waiting=False, producer=None), added=5)
    settled = audit(look, accounts({}, (epoch(added=5, last=entry(5)),), (new(1, 5),)))
    assert settled.clean
    assert (settled.total.announced, settled.producers) == (0, ())
    lost = audit(
        inventory(held(3, 5, waiting=False, producer=None), added=5),
        accounts({}, (epoch(added=5, last=entry(5)),), (new(3, 5),)),
    )
    assert (lost.total.lost, lost.total.unaccounted, lost.ranges) == (2, 0, ())


def test_a_foreign_entry_acknowledged_by_a_stranger_is_unaccounted():
    found = audit(inventory(held(1, 1, waiting=False, producer=None), added=1), accounts())
    assert found.total.unaccounted == 1


def test_a_forged_id_is_implausible_and_no_loss():
    forged = Held(entry(11), P, 2**36 - 1, waiting=False, born_ms=1_011)
    found = audit(
        inventory([*held(1, 10, waiting=False), forged], added=11, sent={P: 10}),
        accounts(
            {P: {"stored": ((1, 10), (2**36 - 1, 2**36 - 1))}},
            (epoch(added=11, last=entry(11)),),
            (new(1, 11),),
        ),
    )
    assert found.clean
    assert found.total.implausible == 2**36 - 12
    assert found.total.announced == 11
    assert balanced(found)


@pytest.mark.parametrize(("trimmed", "gone"), [(4, True), (5, False)])
def test_numbers_before_the_first_went_with_another_stream_if_more_than_this_one_lost(
    trimmed: int, gone: bool
):
    """A program that went on; of the stream nothing but as many foreign entries was trimmed."""
    found = audit(
        inventory(held(11, 20, waiting=False, shift=-5), added=trimmed + 10, sent={P: 15}),
        accounts(
            {P: {"stored": ((6, 15),)}},
            (epoch(added=trimmed + 10, last=entry(20)),),
            (new(11, 20),),
        ),
    )
    assert (found.total.lost, found.total.unaccounted, found.total.implausible) == (5, 0, 0)
    assert [(one.first, one.last, one.cause == GONE) for one in found.ranges] == [(1, 5, gone)]


def test_a_forged_announcement_is_implausible_and_no_loss():
    found = audit(
        inventory(held(1, 10, waiting=True), added=10, sent={P: 10**12, Q: 10**12}), accounts()
    )
    assert found.clean
    assert found.total.in_stream == 10
    assert found.total.implausible == 2 * 10**12 - 10


def test_a_forged_id_within_reach_is_unaccounted_because_nothing_was_trimmed():
    found = audit(
        inventory([*held(1, 10, waiting=True), Held(entry(11), Q, 5, True, 1_011)], added=11),
        accounts(),
    )
    assert found.total.unaccounted == 4


def test_more_loss_by_numbers_than_by_entries_is_unaccounted():
    """A worker that acknowledges before it commits, and whose entries were trimmed since."""
    found = audit(
        inventory(added=10, sent={P: 10}),
        accounts(
            {P: {"stored": ((1, 8),)}},
            (epoch(added=10, last=entry(10), settled=10),),
        ),
    )
    assert (found.total.lost, found.total.unaccounted) == (2, 2)


def test_more_settled_than_ever_added_is_unaccounted():
    found = audit(
        inventory(added=10, sent={P: 10}),
        accounts({P: {"stored": ((1, 10),)}}, (epoch(added=10, last=entry(10), settled=12),)),
    )
    assert found.total.unaccounted == 2


def test_a_checkpoint_that_is_newer_than_the_look_at_the_stream_is_the_same_stream():
    """The ledger is read last, so while records flow it is always a little ahead."""
    found = audit(
        inventory(held(1, 10, waiting=True), added=10, sent={P: 10}),
        accounts(
            {P: {"stored": ((1, 40),)}},
            (epoch(added=40, last=entry(40)),),
            (new(1, 10), new(11, 40)),
        ),
    )
    assert found.clean
    assert (found.entries.added, found.entries.settled) == (10, 10)


def test_runs_beyond_the_look_at_the_stream_do_not_count():
    found = audit(
        inventory(held(6, 10, waiting=False), added=10, sent={P: 10}),
        accounts(
            {P: {"stored": ((1, 15),)}},
            (epoch(added=10, last=entry(10)),),
            (new(1, 10), new(11, 15), again(12), vanished(13)),
        ),
    )
    assert found.clean
    assert (found.entries.settled, found.entries.lost_while_pending) == (10, 0)


def test_a_stream_made_again_begins_a_new_account_and_the_rest_of_the_old_is_lost():
    ledger = (
        epoch(1, current=False, added=100, last=entry(100), settled=90),
        epoch(2, added=20, last=entry(220)),
    )
    found = audit(
        inventory(
            held(201, 220, waiting=False, shift=-100), added=20, upto=entry(220), sent={P: 120}
        ),
        accounts({P: {"stored": ((1, 90), (101, 120))}}, ledger, (new(201, 220),), before={P: 90}),
    )
    assert (found.total.lost, found.total.unaccounted) == (10, 0)
    assert (found.entries.added, found.entries.settled, found.entries.lost) == (120, 110, 10)
    assert found.ranges[0].cause == GONE


def test_what_was_added_after_the_last_checkpoint_of_a_deleted_stream_is_lost_by_its_numbers():
    """Nobody counted those entries, so only the numbers can tell: that is no contradiction."""
    ledger = (
        epoch(1, current=False, added=100, last=entry(100), settled=100),
        epoch(2, added=20, last=entry(620)),
    )
    found = audit(
        inventory(
            held(601, 620, waiting=False, shift=-200), added=20, upto=entry(620), sent={P: 420}
        ),
        accounts(
            {P: {"stored": ((1, 100), (401, 420))}},
            ledger,
            (new(601, 620),),
            before={P: 100},
        ),
    )
    assert (found.total.lost, found.total.implausible, found.total.unaccounted) == (300, 0, 0)
    ledger = (epoch(1, current=False, added=400, last=entry(400), settled=100), ledger[1])
    found = audit(
        inventory(
            held(601, 620, waiting=False, shift=-190), added=20, upto=entry(620), sent={P: 430}
        ),
        accounts(
            {P: {"stored": ((1, 100), (411, 430))}}, ledger, (new(601, 620),), before={P: 100}
        ),
    )
    assert (found.total.lost, found.entries.lost, found.total.unaccounted) == (310, 300, 0)


def test_a_gap_that_began_after_the_stream_was_made_again_gets_no_such_pardon():
    ledger = (
        epoch(1, current=False, added=100, last=entry(100), settled=100),
        epoch(2, added=40, last=entry(240), settled=40),
    )
    found = audit(
        inventory(added=40, upto=entry(240), sent={P: 140}),
        accounts({P: {"stored": ((1, 110), (115, 140))}}, ledger, before={P: 100}),
    )
    assert (found.total.lost, found.total.unaccounted) == (4, 4)


def test_what_an_unseen_new_stream_has_settled_is_not_counted_to_the_old_one_too():
    """No worker has said yet that it is another stream; they settle entries of it all the same."""
    ledger = epoch(added=8, last=entry(8), settled=8, beyond=16)
    runs = (new(101, 114), again(115), again(116))
    look = inventory(held(101, 116, waiting=False), added=16, upto=entry(116), sent={P: 116})
    found = audit(look, accounts({P: {"stored": ((1, 8), (101, 116))}}, (ledger,), runs))
    assert (found.entries.added, found.entries.settled, found.entries.lost) == (24, 24, 0)
    assert (found.total.lost, found.total.unaccounted) == (92, 0)


def sent_again(n: int, number: int) -> Held:
    """Return an entry that waits, whose record was made before the stream was."""
    return Held(entry(n), P, number, waiting=True, born_ms=900)


def test_a_gap_behind_numbers_that_were_sent_before_the_deletion_went_with_the_stream():
    """They wait again in the new stream, or were committed there: their ids say when they began."""
    ledger = (
        epoch(1, current=False, added=100, last=entry(100), settled=100),
        epoch(2, added=7, last=entry(207), settled=7, began_ms=1_200),
    )
    waiting = [*(sent_again(200 + n, n) for n in range(1, 7)), *held(207, 207, waiting=True)]
    last = 207
    for look, known in (
        (
            inventory(waiting, added=7, upto=entry(last), sent={P: last}),
            accounts({}, (ledger[0], epoch(2, added=7, last=entry(last), began_ms=1_200))),
        ),
        (
            inventory(added=7, upto=entry(last), sent={P: last}),
            accounts({P: {"stored": ((1, 6), (last, last))}}, ledger, before={P: 6}),
        ),
    ):
        found = audit(look, known)
        assert [(r.first, r.last, r.cause) for r in found.ranges] == [(7, 206, GONE)]
        assert (found.total.lost, found.total.unaccounted) == (200, 0)


def test_numbers_that_were_dropped_do_not_end_what_went_with_the_stream():
    ledger = (
        epoch(1, current=False, added=3, last=entry(3), settled=3),
        epoch(2, added=2, last=entry(12), settled=2, began_ms=1_010),
    )
    kinds: dict[str, Any] = {"stored": ((1, 3), (11, 12)), "dropped": ((4, 5), (8, 8))}
    found = audit(
        inventory(added=2, upto=entry(12), sent={P: 12}),
        accounts({P: kinds}, ledger, before={P: 3}),
    )
    assert [(r.first, r.last) for r in found.ranges] == [(6, 7), (9, 10)]
    assert (found.total.lost, found.total.unaccounted) == (4, 0)


def test_what_an_unseen_new_stream_holds_again_tells_where_the_old_one_ended():
    waiting = [sent_again(201, 20), Held(entry(202), P, 31, waiting=True, born_ms=1_202)]
    known = accounts({P: {"stored": ((1, 10),)}}, (epoch(added=10, last=entry(10), settled=10),))
    found = audit(inventory(waiting, added=2, upto=entry(202), sent={P: 31}), known)
    assert [(r.first, r.last, r.cause) for r in found.ranges] == [(11, 19, GONE), (21, 30, GONE)]
    assert (found.total.lost, found.total.unaccounted) == (19, 0)


@pytest.mark.parametrize("look", [inventory(added=0), inventory(added=0, upto=ZERO)])
def test_a_deleted_stream_of_which_everything_was_stored_lost_nothing(look):
    assert look.region == END
    found = audit(
        look,
        accounts({P: {"stored": ((1, 10),)}}, (epoch(added=7, last=entry(7), settled=10),)),
    )
    assert found.clean
    assert found.entries.settled == 10


def test_a_deleted_stream_owes_what_was_not_stored():
    found = audit(
        inventory(added=0, sent={P: 12}),
        accounts({P: {"stored": ((1, 7),)}}, (epoch(added=10, last=entry(10), settled=7),)),
    )
    assert (found.total.lost, found.entries.lost, found.total.unaccounted) == (5, 3, 0)
    assert found.ranges[0].cause == GONE


def test_a_stream_deleted_before_the_first_commit_leaves_only_the_announcement():
    found = audit(inventory(added=0, sent={P: 500}), accounts())
    assert (found.total.lost, found.total.unaccounted, found.total.implausible) == (500, 0, 0)


def test_a_new_stream_that_nobody_has_read_yet_is_told_from_an_older_look():
    found = audit(
        inventory(held(201, 205, waiting=True, shift=-190), added=5, upto=entry(205), sent={P: 15}),
        accounts({P: {"stored": ((1, 10),)}}, (epoch(added=10, last=entry(10), settled=10),)),
    )
    assert found.clean
    assert (found.entries.added, found.entries.waiting) == (15, 5)


def test_a_new_stream_that_has_overtaken_the_old_one_tells_by_its_first_entry():
    found = audit(
        inventory(held(201, 230, waiting=True, shift=-180), added=30, upto=entry(230)),
        accounts({P: {"stored": ((1, 20),)}}, (epoch(added=20, last=entry(100), settled=20),), ()),
    )
    assert found.clean
    assert (found.entries.added, found.entries.waiting) == (50, 30)


def test_a_new_stream_that_has_overtaken_the_old_one_and_was_trimmed_tells_by_how_much_it_holds():
    found = audit(
        inventory(held(208, 223, waiting=True, shift=-180), added=23, upto=entry(223)),
        accounts({P: {"stored": ((1, 22),)}}, (epoch(added=22, last=entry(100), settled=22),)),
    )
    assert (found.entries.added, found.entries.settled, found.entries.waiting) == (45, 22, 16)
    assert (found.entries.lost, found.total.unaccounted) == (7, 0)


def test_the_same_stream_that_went_on_for_long_is_no_other_one():
    found = audit(
        inventory(held(208, 223, waiting=True), added=223, upto=entry(223)),
        accounts({P: {"stored": ((1, 207),)}}, (epoch(added=200, last=entry(200), settled=207),)),
    )
    assert found.clean
    assert found.entries.added == 223


def test_entries_counted_to_the_stream_before_are_settled_all_the_same():
    ledger = (
        epoch(1, current=False, added=10, last=entry(10), settled=13),
        epoch(2, added=5, last=entry(205)),
    )
    found = audit(
        inventory(
            held(201, 205, waiting=False, shift=-190), added=5, upto=entry(205), sent={P: 15}
        ),
        accounts(
            {P: {"stored": ((1, 15),)}},
            ledger,
            (new(204, 205),),
            strays=(new(201, 203),),
            before={P: 10},
        ),
    )
    assert found.clean


def test_second_copies_and_foreign_entries_may_be_lost_without_a_number():
    found = audit(
        inventory(held(6, 10, waiting=False, shift=-5), added=10, sent={P: 5}),
        accounts({P: {"stored": ((1, 5),)}}, (epoch(added=10, last=entry(10)),), (new(6, 10),)),
    )
    assert (found.total.lost, found.total.unaccounted, found.ranges) == (5, 0, ())


def test_two_producers_are_told_apart():
    found = audit(
        inventory(added=20, sent={P: 10, Q: 10}),
        accounts(
            {P: {"stored": ((1, 10),)}, Q: {"stored": ((1, 4), (7, 10))}},
            (epoch(added=20, last=entry(20), settled=18),),
        ),
    )
    by_name = {item.producer: item.totals.lost for item in found.producers}
    assert by_name == {f"{P:010x}": 0, f"{Q:010x}": 2}
    assert {item.component for item in found.producers} == {"shop"}


def test_what_was_merged_after_the_look_at_the_stream_is_no_entry_without_settlement():
    found = audit(
        inventory(held(1, 10, waiting=False), added=10, sent={P: 10}),
        accounts(
            {P: {"stored": ((1, 10),)}},
            (epoch(added=10, last=entry(10), settled=6, bound=entry(7)),),
            (new(7, 10),),
        ),
    )
    assert found.clean
    assert found.entries.settled == 10


def test_a_stream_that_came_back_older_is_the_same_stream_before_a_worker_has_said_so():
    """Ten entries were there, five of them taken away; more, as many or fewer came afterwards."""
    for new_ones in (3, 5, 8):
        look = inventory(
            [*held(1, 5, waiting=False), *held(21, 20 + new_ones, waiting=True, shift=-10)],
            added=5 + new_ones,
            upto=entry(20 + new_ones),
            sent={P: 10 + new_ones},
        )
        stored = epoch(added=10, last=entry(10))
        found = audit(look, accounts({P: {"stored": ((1, 10),)}}, (stored,), (new(1, 10),)))
        assert found.clean
        assert (found.entries.added, found.entries.settled) == (10 + new_ones, 10)
        half = audit(look, accounts({P: {"stored": ((1, 7),)}}, (stored,), (new(1, 7),)))
        assert (half.entries.lost, half.total.lost, half.total.unaccounted) == (3, 3, 0)


def test_what_a_stream_had_had_when_it_was_set_back_counts_as_added():
    look = inventory(
        [*held(1, 5, waiting=False), *held(21, 24, waiting=False, shift=-10)],
        added=9,
        upto=entry(24),
        sent={P: 14},
    )
    numbers: Numbers = {P: {"stored": ((1, 10), (11, 14))}}
    ledger = epoch(added=9, last=entry(24), taken=5)
    runs = (new(1, 10), new(21, 24))
    assert audit(look, accounts(numbers, (ledger,), runs)).clean
    gone: Numbers = {P: {"stored": ((1, 8), (11, 14))}}
    found = audit(look, accounts(gone, (ledger,), (new(1, 8), new(21, 24)), before={P: 8}))
    assert (found.entries.lost, found.total.lost, found.total.unaccounted) == (2, 2, 0)


def test_a_life_that_is_over_keeps_what_it_had_had_when_it_was_set_back():
    ledger = (
        epoch(1, current=False, added=9, last=entry(24), settled=14, taken=5, beyond=0),
        epoch(2, added=1, last=entry(101), settled=1),
    )
    kinds: Numbers = {P: {"stored": ((1, 15),)}}
    found = audit(inventory(added=1, upto=entry(101), sent={P: 15}), accounts(kinds, ledger))
    assert (found.entries.added, found.entries.settled, found.clean) == (15, 15, True)


def test_what_was_taken_back_before_anybody_counted_it_is_lost_by_its_numbers():
    """Behind what was committed before a setback that somebody saw, numbers need no entry."""
    look = inventory(
        [*held(1, 5, waiting=False), *held(31, 34, waiting=False, shift=-10)],
        added=9,
        upto=entry(34),
        sent={P: 24},
    )
    numbers: Numbers = {P: {"stored": ((1, 8), (21, 24))}}
    ledger = epoch(added=9, last=entry(34), taken=3)
    runs = (new(1, 8), new(31, 34))
    found = audit(look, accounts(numbers, (ledger,), runs, before={P: 8}))
    assert [(r.first, r.last, r.cause) for r in found.ranges] == [(9, 20, GONE)]
    assert (found.total.lost, found.total.unaccounted) == (12, 0)
