"""What is certain about a search before a message is taken apart."""

from __future__ import annotations

import re

import pytest

from dewey_logs.words import required_words, taken_apart


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ("payment failed payment", "payment failed"),
        ('"for order" x1', "order for x1"),
        ("a-b payment", "payment"),
        ("payment -refunded", "payment"),
        ("größe", ""),
        ("größe abc", "abc"),
        ("/api/orders?id=7", "orders api id"),
        ("user-8812", "user 8812"),
        ("10.0.0.123", "123 10"),
        ("a-b", ""),
        ('"https://a" &amp;', ""),
        ("-user.payment", ""),
        ("-payment", ""),
        ("- payment", ""),
        ("x-", ""),
        ("", ""),
        # one of several
        ("payment OR refund", "payment | refund"),
        ('one two or "fifth six" -seven or eight', "one two | fifth six | eight"),
        ("or payment or or or refund", "payment or | or | refund"),
        ("payment or -refund", ""),
        ("payment or größe", ""),
        ("payment or", ""),
        ("payment|or|refund", ""),
        ("payment oré", ""),
        ("payment or_refund", "payment refund or"),
        ('"payment or refund"', "payment refund or"),
        # a phrase that must not be there
        ('-"payment failed" x', "x"),
        ('x -"payment failed"', "x"),
        ('x-"payment failed"', ""),
        ('"x -" -"payment failed"', "x"),
        ('"payment -failed --for"', "payment"),
        ('"payment failed--for"', "payment failed for"),
        # the text parser leaves tags out
        ('"a <b payment> refund"', "refund a"),
        ('"a <b payment" refunded', "refunded payment a"),
        ("a <bc d> ef", "bc ef a"),
        ("-a<b>payment", ""),
    ],
)
def test_every_match_contains_all_words_of_one_way(search, words):
    assert " | ".join(map(" ".join, required_words(search))) == words


@pytest.mark.parametrize(
    ("search", "loose"),
    [
        ('"card declined"', '"card" "declined"'),
        ('x "card declined" -"a b" -y', 'x "card" "declined" -"a b" -y'),
        ('"a b" "user-7 c" "d e f"', '"a" "b" "user-7 c" "d" "e" "f"'),
        ('"card declined', '"card" "declined"'),
        ('"card" declined', None),
        ('"card declined" or x', None),
        ('"user-7 declined"', None),
        ('- "card declined"', None),
        ('-"card declined"', None),
    ],
)
def test_an_index_is_asked_for_the_words_of_a_phrase(search, loose):
    found, adjoining = taken_apart(search)
    assert found == (loose or search)
    assert (adjoining is None) == (loose is None)


@pytest.mark.parametrize(
    ("message", "adjoin"),
    [
        ("Card, declined", True),
        ("a card-declined one", True),
        ("card<b declined>", True),
        ("card x declined", False),
        ("declined card", False),
    ],
)
def test_the_words_of_a_phrase_follow_each_other_or_something_left_out(message, adjoin):
    _, adjoining = taken_apart('"card declined"')
    assert adjoining
    assert (re.search(adjoining, message, re.IGNORECASE) is not None) is adjoin
