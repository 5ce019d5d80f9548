"""SECURITY.md and ops/README.md: what they say is tried, is there to be run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = ("SECURITY.md", "ops/README.md")
QUOTED = re.compile(r"`([^`\n]+)`")


def quoted(document: str) -> list[str]:
    """Return what stands in backticks outside of blocks."""
    text = (ROOT / document).read_text("utf-8")
    return QUOTED.findall(re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_that_is_named_exists(document: str):
    there = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    for name in quoted(document):
        if name.startswith("tests/"):
            assert (ROOT / name).exists(), name
        elif name.startswith("test_"):
            assert name in there, name


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_target_that_is_named_exists(document: str):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = [word for name in quoted(document) if name.startswith("make ") for word in name.split()]
    found = {word for word in named if word != "make" and "=" not in word and word[0] != "-"}
    assert found, "no target is named"
    assert found <= targets, found - targets


def test_every_defence_names_its_test():
    table = (ROOT / "SECURITY.md").read_text("utf-8").partition("by which test")[2]
    rows = [line.split(" | ") for line in table.split("##")[0].splitlines() if "|" in line][2:]
    assert len(rows) > 10
    for what, _, test in rows:
        assert re.search(r"test|make |the same", test), what
