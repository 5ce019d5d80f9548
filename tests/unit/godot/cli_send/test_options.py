from __future__ import annotations

import click
import pytest

from godot.cli import _filters, send

CONTEXT = click.Context(click.Command("x"))
PARAMETER = click.Option(["--data"])


def emitted(*given: str) -> dict[str, object]:
    return send._pairs(CONTEXT, PARAMETER, given)


def filtered(*given: str) -> dict[str, object]:
    return _filters._data(CONTEXT, PARAMETER, given)


def test_values_are_json_where_they_read_as_json():
    assert emitted("a=1", "b=x", "c=true", "d=", "e=[1]", "f=a=b", 'g="1"') == {
        "a": 1,
        "b": "x",
        "c": True,
        "d": "",
        "e": [1],
        "f": "a=b",
        "g": "1",
    }


def test_objects_and_pairs_are_put_together_in_order():
    assert emitted('{"a": 1, "b": 2}', "b=3") == {"a": 1, "b": 3}


@pytest.mark.parametrize("text", ["", "a", "=1", "{", "{1: 2}", '{"a"}'])
def test_what_is_neither_is_a_usage_error(text: str):
    with pytest.raises(click.BadParameter):
        emitted(text)


def test_a_path_means_an_object_inside():
    assert filtered("a.b=1", "a.c=x", "d=2") == {"a": {"b": 1, "c": "x"}, "d": 2}


@pytest.mark.parametrize("given", [("a",), ("=1",), ("a=1", "a.b=2")])
def test_a_filter_that_contradicts_itself_is_a_usage_error(given: tuple[str, ...]):
    with pytest.raises(click.BadParameter):
        filtered(*given)
