from __future__ import annotations

import pytest

from dewey_logs.substring import substring_sql


@pytest.mark.parametrize(
    ("text", "piece", "decided"),
    [
        ("Card Declined", "card decl", False),
        ("50% of_a\\b", "50% of_a\\b", True),
        ("ORDER 8812", "order 8812", True),
        ("tasK", "tas", False),
        ("łódź harbour", " harbour", False),
        ("Kiki", "kiki", False),
        ("disk 1", "disk 1", False),
        ("łink", "ink", False),
        ("k", None, False),
        ("Ж", None, False),
    ],
)
def test_the_longest_piece_that_folds_the_same_everywhere_comes_first(text, piece, decided):
    clause, values = substring_sql(text, "contains")
    assert values.get("contains_piece") == piece
    assert ("ILIKE" in clause) is not decided


def test_only_what_has_no_other_forms_is_decided_without_a_look_at_other_characters():
    for text, others in (("tasK", False), ("order", False), ("disk", True), ("kiki", True)):
        clause, _ = substring_sql(text, "contains")
        assert ("octet_length" in clause) is others
