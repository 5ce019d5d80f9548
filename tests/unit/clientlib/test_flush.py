from __future__ import annotations

from typing import Any

from clientlib.flush import Mark, Marks


def resolve(marks: Marks, **more: Any) -> None:
    given: dict[str, Any] = {"taken": 0, "empty": False, "last": 0, "oldest": None, "told": True}
    marks.resolve(**{**given, "dropped": 0, **more})


def marked(slots: int = 5, failures: int = 9) -> tuple[Marks, Mark]:
    marks, mark = Marks(), Mark(slots, 0, failures)
    marks.add(mark)
    return marks, mark


def test_a_wait_is_over_when_all_before_it_has_left_whatever_comes_after():
    marks, mark = marked(slots=5)
    resolve(marks, taken=4, last=4)
    assert not mark.done.is_set()
    resolve(marks, taken=8, last=8, oldest=3)
    assert not mark.done.is_set()
    resolve(marks, taken=90, last=90, oldest=8)
    assert not mark.done.is_set()
    resolve(marks, taken=95, last=95, oldest=9)
    assert mark.done.is_set()
    assert mark.delivered
    assert not marks


def test_an_empty_queue_means_that_all_before_was_taken():
    marks, mark = marked(slots=5)
    resolve(marks, empty=True)
    assert mark.delivered


def test_an_outstanding_receipt_is_waited_for():
    marks, mark = marked(slots=0)
    resolve(marks, told=False)
    assert not mark.done.is_set()
    resolve(marks)
    assert mark.delivered


def test_drops_meanwhile_are_no_delivery():
    marks, mark = marked(slots=0)
    resolve(marks, dropped=1)
    assert mark.done.is_set()
    assert not mark.delivered


def test_a_wait_ends_after_as_many_failures_as_it_allows():
    marks, mark = marked(slots=5, failures=2)
    marks.failed()
    resolve(marks, taken=5, last=5, oldest=1)
    assert not mark.done.is_set()
    marks.failed()
    resolve(marks, taken=5, last=5, oldest=1)
    assert mark.done.is_set()
    assert not mark.delivered


def test_a_hopeless_wait_lasts_until_all_before_it_is_taken_and_so_printed():
    marks, mark = marked(slots=5, failures=1)
    marks.failed()
    resolve(marks, taken=4, last=4, oldest=1)
    assert not mark.done.is_set()
    resolve(marks, taken=5, last=5, oldest=1)
    assert mark.done.is_set()


def test_giving_up_answers_everyone():
    marks, mark = marked()
    marks.give_up()
    resolve(marks, empty=True)
    assert mark.done.is_set()
