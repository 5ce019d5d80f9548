from __future__ import annotations

import re
from pathlib import Path

import pytest

import godot
from godot.cli._errors import ERRORS
from godot.explanations import EXPLANATIONS, codes

SRC = Path(godot.__file__).parents[1]
SAID = {
    code: path.relative_to(SRC).as_posix()
    for path in SRC.rglob("*.py")
    if "explanations" not in path.parts
    for code in re.findall(r"GD-\d{4}", path.read_text("utf-8"))
}


@pytest.mark.parametrize("code", sorted(SAID))
def test_every_code_that_is_said_anywhere_is_explained(code: str):
    assert code in EXPLANATIONS, f"{SAID[code]} says {code}"


def test_nothing_is_explained_that_nobody_says():
    assert sorted(SAID) == codes()
    assert {rule.code for rule in ERRORS} <= set(codes())


@pytest.mark.parametrize("code", codes())
def test_an_explanation_is_a_title_and_some_sentences(code: str):
    title, text = EXPLANATIONS[code]
    assert title == title.strip(".")
    assert len(title) <= 40
    assert text.endswith(".")
    assert len(text) >= 60
