from __future__ import annotations

import pytest

from godot.ingest.parser import Format, Parser

JSON = '{"msg":"m"}'
LOGFMT = "level=warn msg=m"
TEXT = "ERROR m"


@pytest.mark.parametrize(
    ("form", "structured"),
    [
        (Format.AUTO, [True, True, False]),
        (Format.JSON, [True, False, False]),
        (Format.LOGFMT, [False, True, True]),
        (Format.TEXT, [False, False, False]),
    ],
)
def test_the_format_decides_what_is_taken_apart(form: Format, structured: list[bool]):
    parser = Parser("c", form=form)
    assert [parser.parse(text).structured for text in (JSON, LOGFMT, TEXT)] == structured


def test_lines_that_do_not_fit_the_format_asked_for_are_counted():
    parser = Parser("c", form=Format.JSON)
    for text in (JSON, "x", LOGFMT):
        parser.parse(text)
    assert parser.unparsed == 2


def test_a_guess_that_fails_is_counted_nowhere():
    parser = Parser("c")
    parser.parse("x")
    assert parser.unparsed == 0
