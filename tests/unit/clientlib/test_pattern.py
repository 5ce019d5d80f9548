from __future__ import annotations

import re

import pytest

from clientlib.pattern import Pattern, holds


def test_it_does_what_the_compiled_expression_does():
    pattern = Pattern(r"b+", re.IGNORECASE)
    compiled = re.compile(r"b+", re.IGNORECASE)
    for text in ("aBbc", "", "bb", "xyz"):
        assert pattern.sub("-", text) == compiled.sub("-", text)
        assert pattern.findall(text) == compiled.findall(text)
        assert bool(pattern.search(text)) == bool(compiled.search(text))
        assert bool(pattern.match(text)) == bool(compiled.match(text))
        assert bool(pattern.fullmatch(text)) == bool(compiled.fullmatch(text))


def test_nothing_is_compiled_before_it_is_used():
    wrong = Pattern("(")
    with pytest.raises(re.error):
        wrong.search("x")


def test_it_has_no_methods_but_these():
    with pytest.raises(AttributeError, match="split"):
        Pattern("a").split("b")


@pytest.mark.parametrize(
    "text", [b"", b"nul", b"null", b"xnullx", b"nulnull", b"x" * 5_000 + b"null"]
)
@pytest.mark.parametrize("part", [b"null", b"n", b"\0", b""])
def test_bytes_are_found_as_by_in(text, part):
    assert holds(text, part) == (part in text)
