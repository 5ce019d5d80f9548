from __future__ import annotations

import click
import pytest

from godot.cli._output import emit_rows
from godot.cli._screen import fitting
from godot.cli._table import bar, cut, sparkline, table
from godot.cli._text import width


def test_numbers_stand_to_the_right_and_the_last_column_is_cut_at_the_edge():
    rows = [("1,204", click.style("WARN", fg="yellow"), "a long message"), ("7", "", "short")]
    lines = list(table(("N", "LEVEL", "MESSAGE"), rows, right=frozenset("N"), columns=24))
    assert [click.unstyle(line) for line in lines] == [
        "    N  LEVEL  MESSAGE",
        "1,204  WARN   a long me…",
        "    7         short",
    ]


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("e\u0301e\u0301", 2, "e\u0301e\u0301"),
    ],
)
def test_what_is_cut_fits_and_says_so(text: str, columns: int, shown: str):
    assert cut(text, columns) == shown
    assert width(cut(text, columns)) <= columns


def test_a_bar_is_as_long_as_its_part_and_never_nothing_for_something():
    assert bar(5, 10, 4) == "██"
    assert bar(1, 1_000_000, 4) == "▏"
    assert bar(0, 10, 4) == ""
    assert bar(0, 0, 4) == ""


def test_a_sparkline_shows_the_last_values_and_a_gap_where_one_is_unknown():
    assert sparkline([9.0, 0.0, None, 5.0, 10.0], 4) == "▁ ▄█"
    assert sparkline([0.0, 0.0], 4) == "  ▁▁"
    assert sparkline([], 3) == "   "


def test_a_line_that_is_too_wide_loses_its_colours_not_the_screen():
    assert fitting(click.style("abcdef", fg="red"), 4) == "abc…"
    assert fitting(click.style("abc", fg="red"), 3) == click.style("abc", fg="red")


def test_a_table_that_shall_fit_is_cut_at_the_edge_of_the_screen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("godot.cli._table.screen_width", lambda: 20)
    rows = [{"id": "1795352471101-0", "payload": "INFO shop.cart item added"}]
    for fit, shown in (
        (True, "1795352471101-0  IN…"),
        (False, "1795352471101-0  INFO shop.cart item added"),
    ):
        emit_rows(rows, ("id", "payload"), output="text", fit=fit)
        assert capsys.readouterr().out.splitlines()[1] == shown
