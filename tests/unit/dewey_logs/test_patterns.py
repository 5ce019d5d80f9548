from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewey_logs import patterns
from dewey_logs.patterns import MASK, MAX_CHARS, Patterns


@pytest.mark.parametrize(
    ("message", "template"),
    [
        ("order placed", "order placed"),
        ("request 8812 from 10.0.3.7 took 4.1 ms", "request <*> from <*> took <*> ms"),
        ("took 4.1ms, retry in 30s.", "took <*>, retry in <*>."),
        ("id 550e8400-e29b-41d4-a716-446655440000 (0x7ffe12)", "id <*> (<*>)"),
        ("commit 3f2a9c1b by ana@example.org", "commit <*> by <*>"),
        ("GET /api/v1/orders?id=5 status=200", "GET <*> status=<*>"),
        ("see https://example.org/x and and/or", "see <*> and and/or"),
        ("open ./data/file or ~/x or C:\\logs\\x", "open <*> or <*> or <*>"),
        ("user \"Ana Maria\" said 'no way' to `rm -rf`", "user \"<*>\" said '<*>' to `<*>`"),
        ("can't open the server's door", "can't open the server's door"),
        ("level=warn user=ana id=7", "level=warn user=ana id=<*>"),
        ("[12:30:01] [main] done", "[<*>] [main] done"),
        ("2026-11-26T12:00:00Z started", "<*> started"),
        ("Traceback (most recent call last):\n  File 1", "Traceback (most recent call last):"),
        ("später 東京 ✓", "später 東京 ✓"),
        ("  two  spaces ", "  two  spaces "),
        ("", ""),
        ("...", "..."),
    ],
)
def test_what_varies_is_masked_and_what_does_not_stays(message: str, template: str):
    assert Patterns().template(message) == template


def test_messages_of_one_template_have_one_number():
    found = Patterns()
    assert found.number("took 5 ms") == found.number("took 12345 ms") == found.number("took <*> ms")
    assert found.number("took 5 ms") != found.number("took 5 s")


def test_a_pattern_has_the_same_number_in_every_process():
    assert Patterns().number("order placed") == -7_211_024_339_679_369_720


@given(st.text(max_size=700))
def test_masking_twice_changes_nothing_and_nothing_grows_without_bound(message: str):
    found = Patterns()
    once = found.template(message)
    assert found.template(once) == once
    assert len(once) <= MAX_CHARS * len(MASK)
    assert -(2**63) <= found.number(message) < 2**63
    assert found.number(message) == found.number(once)


def test_the_memory_of_words_and_templates_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(patterns, "MEMO_SIZE", 10)
    found = Patterns()
    for n in range(100):
        found.number("k" * n + " " + chr(97 + n % 26) * n + "=1")
    assert len(found._words) <= 10
    assert len(found._lines) <= 10
