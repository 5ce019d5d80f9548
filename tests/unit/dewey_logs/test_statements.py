"""SQL by name, from a checkout and from a wheel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dewey_logs
from dewey_logs.statements import folder, statement

SRC = Path(dewey_logs.__file__).parent


def test_every_name_that_the_code_asks_for_exists_and_every_block_is_used():
    code = "\n".join(path.read_text("utf-8") for path in SRC.rglob("*.py"))
    text = (folder() / "queries.sql").read_text("utf-8")
    blocks = set(re.findall(r"^-- name: (.+)$", text, re.M))
    around = set(re.findall(r"^-- inside: (.+)$", text, re.M))
    assert {name for name in blocks - around if f'"{name}"' not in code} == set()
    assert around <= blocks
    for name in re.findall(r'statement\("(\w+)"\)', code):
        assert statement(name)


def test_a_block_may_stand_inside_of_another():
    page = statement("page")
    assert page.startswith("-- Records as they are shown")
    assert page.endswith(
        "LIMIT %(rows)s) records) sized) counted\nORDER BY counted.created_at "
        "{order}, counted.id {order};"
    )
    assert "{inside}" not in page
    assert "-- inside" not in page


def test_a_name_that_does_not_exist_is_an_error():
    with pytest.raises(KeyError):
        statement("no_such_block")


def test_migrations_stand_beside_the_queries():
    assert any((folder() / "migrations").glob("0001_*.sql"))
