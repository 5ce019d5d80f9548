"""How the shapes of two values differ: which keys one has and the other lacks, at which path.

Values of different servers are never equal, so shapes are compared: every item of a list is one
more example of the same place (`tools[]`), and so is every value under keys that are free to choose
(`properties.*`). A place then is there always, sometimes or never.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

_FREE = {"properties", "patternProperties", "$defs", "definitions", "_meta", "experimental"}
WITHHELD = ("[REDACTED]", "[TOO DEEP]")  # what stands in a record for a value that it does not keep


class Difference(msgspec.Struct, frozen=True):
    """One place, and what either side has there: `always string`, `3 of 4 object`, `never`."""

    path: str
    first: str
    second: str


class _Place(msgspec.Struct):
    count: int = 0
    objects: int = 0  # how many of them could have keys
    types: set[str] = set()


def differences(first: object, second: object) -> list[Difference]:
    """Return the places that differ; what lies below a key that one side lacks is not listed."""
    a, b = _shape(first), _shape(second)
    return list(_compared(a, b))


def _shape(value: object) -> dict[tuple[str, ...], _Place]:
    places: dict[tuple[str, ...], _Place] = {}
    _walk(value, (), places)
    return places


def _walk(value: object, path: tuple[str, ...], places: dict[tuple[str, ...], _Place]) -> None:
    place = places.setdefault(path, _Place())
    place.count += 1
    if value in WITHHELD:
        return
    place.types.add(_type(value))
    if isinstance(value, Mapping):
        place.objects += 1
        free = bool(path) and path[-1] in _FREE
        for key, item in value.items():
            _walk(item, (*path, "*" if free else str(key)), places)
    elif isinstance(value, list):
        for item in value:
            _walk(item, (*path, "[]"), places)


def _compared(
    a: dict[tuple[str, ...], _Place], b: dict[tuple[str, ...], _Place]
) -> Iterator[Difference]:
    for path in sorted({*a, *b}):
        above = path[:-1]
        if path and (above not in a or above not in b):
            continue
        first, second = _told(path, a), _told(path, b)
        if path and path[-1] in ("[]", "*") and (path not in a or path not in b):
            continue  # an empty list has no other shape than a full one
        if first != second and not _masked(path, a) and not _masked(path, b):
            yield Difference(_text(path), first, second)


def _told(path: tuple[str, ...], places: dict[tuple[str, ...], _Place]) -> str:
    place = places.get(path)
    if place is None:
        return "never"
    types = " or ".join(sorted(place.types))
    if not path or path[-1] in ("[]", "*"):
        return types
    chances = places[path[:-1]].objects
    often = "always" if place.count >= chances else f"{place.count} of {chances}"
    return f"{often} {types}".rstrip()


def _masked(path: tuple[str, ...], places: dict[tuple[str, ...], _Place]) -> bool:
    place = places.get(path)
    return place is not None and not place.types


def _text(path: tuple[str, ...]) -> str:
    return ".".join(path).replace(".[]", "[]") or "(the whole)"


def _type(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    for kind, name in ((str, "string"), (int | float, "number"), (list, "array")):
        if isinstance(value, kind):
            return name
    return "object" if isinstance(value, Mapping) else "null"
