"""What is added up between looks: it never falls, and counts nothing twice."""

from __future__ import annotations

from godot.facade.stream_metrics import Announced, Overrun
from godot.stream.producers import ProducerInfo


def producer(number: int, sent: int, dropped: int = 0) -> ProducerInfo:
    return ProducerInfo(number, sent, "shop", "box", 1, "0.1.0", "2026-11-01T00:00:00Z", dropped)


def test_what_producers_announce_is_added_up_while_they_come_and_go():
    told = Announced()
    told.add([])
    told.add([producer(1, 10), producer(2, 5)])
    told.add([producer(1, 12), producer(2, 5, 3)])
    assert (told.records, told.dropped) == (17, 3)
    told.add([producer(1, 12)])  # the other one is forgotten
    told.add([producer(1, 12), producer(3, 4, 1)])
    assert (told.records, told.dropped) == (21, 4)


def test_who_dropped_something_and_comes_back_after_he_was_forgotten_dropped_it_once():
    told = Announced()
    told.add([])
    told.add([producer(1, 10, 6)])
    told.add([])
    told.add([producer(1, 11, 6)])
    assert (told.records, told.dropped) == (11, 6)


def test_what_was_dropped_before_the_first_look_is_no_news():
    told = Announced()  # of a process that started again: a counter that falls to 6 would grow by 6
    told.add([producer(1, 10, 6)])
    assert (told.records, told.dropped) == (0, 0)
    told.add([producer(1, 12, 7)])
    assert (told.records, told.dropped) == (2, 1)


def test_entries_trimmed_unread_stay_counted_when_a_read_covers_them_up():
    told = Overrun()
    for seen in (0, 40, 100, 100, 0, 0, 30, None, 30, 20):
        told.add(seen)
    assert told.entries == 150
