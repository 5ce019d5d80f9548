"""Turn any Python object into what JSON can hold, within bounds of depth and size.

Every hostile case ends here: cycles, a thousand levels, NaN, keys that are not text, objects whose
`__str__` raises. The walk stops at 32 levels and at 100,000 values, so that neither a cycle nor a
small object that unfolds into millions can keep the caller.
"""

from __future__ import annotations

import binascii
import codecs
import math
import threading
from collections.abc import Iterable, Mapping, Set
from operator import index
from typing import Any

import msgspec

from clientlib.pattern import Pattern

MAX_DEPTH = 32
MAX_DATA_BYTES = 262_144
MAX_VALUES = 100_000
MAX_REPR_CHARS = 8_192
MAX_TRACEBACK_CHARS = 32_768
MIN_INT, MAX_INT = -(1 << 63), (1 << 64) - 1
TOO_DEEP = "[TOO DEEP]"

codecs.lookup("utf-16-le")  # imported now: not in one thread while another one forks
_UNSAFE = Pattern("[\x00\ud800-\udfff]")
_encode = msgspec.json.Encoder().encode
_inside_str = threading.local()
_NESTED = (dict, list, tuple, Mapping, Set)
_name_of_class = type.__dict__["__name__"].__get__  # a metaclass may have an answer of its own
_BYTES = (bytes, bytearray, memoryview)


class Notes:
    """What had to be changed in one record; becomes `data.godot`."""

    __slots__ = ("cleaned", "extra", "lost_bytes", "omitted", "omitted_keys", "truncated")

    def __init__(self, given: Mapping[str, object] | None = None) -> None:
        self.extra: dict[str, object] = {}
        self.truncated: dict[str, object] = {}
        self.omitted: list[str] = []
        self.omitted_keys = 0
        self.cleaned: set[str] = set()
        self.lost_bytes = 0  # cut off single strings already, on the way to the limit
        if given:
            self.add(given)

    def __bool__(self) -> bool:
        return bool(self.extra or self.truncated or self.omitted_keys or self.cleaned)

    def add(self, given: Mapping[str, Any]) -> None:
        """Take over notes made earlier; sizes noted first are the original ones and stay."""
        for name, value in given.items():
            if name == "truncated" and isinstance(value, Mapping):
                self.truncated = {**self.truncated, **value}
            elif name == "cleaned" and isinstance(value, list | tuple | Set):
                self.cleaned.update(str(item) for item in value)
            elif name == "omitted" and isinstance(value, list | tuple):
                self.omitted.extend(str(item) for item in value)
                self.omitted_keys = max(self.omitted_keys, len(self.omitted))
            else:
                self.extra[name] = value

    def text(self, field: str, value: str | bytes, max_bytes: int) -> str:
        """Return the field's text, cleaned and cut, and note both."""
        text, original_bytes, changed = text_within(value, max_bytes)
        if original_bytes is not None:
            self.truncated.setdefault(field, original_bytes)
        if changed:
            self.cleaned.add("characters")
        return text

    def room(self) -> int:
        """Return the bytes that the notes take inside the data."""
        return len(_encode(self.as_dict())) + len(b',"godot":') if self else 0

    def as_dict(self) -> dict[str, object]:
        """Return the notes in their fixed order."""
        found = dict(self.extra)
        if self.truncated:
            found["truncated"] = self.truncated
        if self.omitted:
            found["omitted"] = self.omitted
        if self.omitted_keys > len(self.omitted):
            found["omitted_keys"] = self.omitted_keys
        if self.cleaned:
            found["cleaned"] = sorted(self.cleaned)
        return found


def text_within(value: str | bytes, max_bytes: int) -> tuple[str, int | None, bool]:
    """Return (text, original bytes if it was cut, whether characters were replaced)."""
    changed = False
    if isinstance(value, bytes):
        original_bytes, text = len(value), value.decode("utf-8", "replace")
        changed = "\ufffd" in text and text.encode() != value
    else:
        original_bytes, text = -1, value
    if len(text) > max_bytes:  # a megabyte is cut before it is searched
        if original_bytes < 0:
            original_bytes = utf8_size(text)
        text = text[:max_bytes]
    if _UNSAFE.search(text):
        text, changed = without_unsafe(text), True
    if original_bytes <= max_bytes and 4 * len(text) <= max_bytes:
        return text, None, changed
    raw = text.encode()
    original_bytes = max(original_bytes, len(raw))
    if len(raw) <= max_bytes and original_bytes <= max_bytes:
        return text, None, changed
    return raw[:max_bytes].decode("utf-8", "ignore"), original_bytes, changed


def utf8_size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def without_unsafe(text: str) -> str:
    """Replace NUL and lone surrogates by U+FFFD; surrogate pairs become the character they mean."""
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return joined.replace("\0", "\ufffd")


def text_of(value: object) -> str:
    """Return `str(value)`, whatever the object does; bytes are read as UTF-8.

    An object that logs itself from its own `__str__` is asked once and then named by its type.
    """
    if type(value) is str:
        return value
    if getattr(_inside_str, "active", False):
        return f"<{_name_of_class(type(value))}>"
    _inside_str.active = True
    try:
        if isinstance(value, bytes | bytearray):
            return value.decode("utf-8", "replace")
        if isinstance(value, BaseException):
            return f"{_name_of_class(type(value))}: {value}"[:MAX_REPR_CHARS]
        return str.__str__(str(value))
    except Exception:  # noqa: BLE001  # the user's own code may raise anything
        return f"<unprintable {_name_of_class(type(value))}>"
    finally:
        _inside_str.active = False


def foreign(value: object) -> object:
    """Convert what msgspec does not know, and has no fields: a number or a text. Never raises."""
    try:
        if isinstance(value, float):
            return float(value)
        if isinstance(value, str):
            return str.__str__(value)
        if hasattr(type(value), "__index__"):  # numpy's integers and the like
            return index(value)  # type: ignore[arg-type]  # not int(): an array's 3.7 would be 3
    except Exception:  # noqa: BLE001  # the user's own code may raise anything
        return text_of(value)[:MAX_REPR_CHARS]
    return text_of(value)[:MAX_REPR_CHARS]


def fields_of(value: object) -> dict[str, object] | None:
    """Return the fields of a dataclass's, a Struct's or an attrs class's object; else None.

    Raises what a property of the user's raises.
    """
    kind = type(value)
    if hasattr(kind, "__struct_fields__"):
        names = kind.__struct_fields__
    elif hasattr(kind, "__dataclass_fields__"):
        from dataclasses import fields  # there since somebody used it

        names = tuple(field.name for field in fields(value))  # type: ignore[arg-type]  # it is one
    elif hasattr(kind, "__attrs_attrs__"):
        names = tuple(field.name for field in kind.__attrs_attrs__)
    else:
        return None
    return {name: getattr(value, name) for name in names}


def plain(value: Mapping[str, object], notes: Notes) -> dict[str, object]:
    """Return a copy that JSON can hold, of at most MAX_DEPTH levels (the object is the first)."""
    walk = _Walk(notes)
    return walk.mapping(value, 1)


def is_finite(value: object, levels: int = MAX_DEPTH) -> bool:
    """Say whether data holds no NaN or infinity, which msgspec writes as null in silence.

    False also when it cannot be told: for objects that are not plain, or beyond 32 levels.
    """
    kind = type(value)
    if kind is float:
        return math.isfinite(value)  # type: ignore[arg-type]  # mypy does not narrow by `kind`
    if kind is dict:
        items = value.values()  # type: ignore[attr-defined]  # as above
        return levels > 0 and all(is_finite(item, levels - 1) for item in items)
    if kind is list or kind is tuple:
        items = value
        return levels > 0 and all(is_finite(item, levels - 1) for item in items)  # type: ignore[attr-defined]  # as above
    return value is None or kind in (str, bool, int)


class _Walk:
    """One pass over one object; counts values so that it ends."""

    __slots__ = ("left", "notes", "path")

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.left = MAX_VALUES
        self.path: set[int] = set()

    def mapping(self, value: Mapping[Any, object], depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, item in list(value.items()):
            if self.left < 0:
                self.notes.cleaned.add("values")
                break
            found[self.key(key)] = self.value(item, depth)
        return found

    def items(self, value: Iterable[object], depth: int) -> list[object]:
        found: list[object] = []
        for item in list(value):
            if self.left < 0:
                self.notes.cleaned.add("values")
                break
            found.append(self.value(item, depth))
        return found

    def key(self, key: object) -> str:
        if type(key) is str:
            return self.text(key)
        try:
            (found,) = msgspec.to_builtins({key: None}, str_keys=True)
        except Exception:  # noqa: BLE001  # the user's own code may raise anything
            found = text_of(key)
        return self.text(found)

    def text(self, text: str) -> str:
        if len(text) > MAX_DATA_BYTES:  # cannot fit whole: do not redact megabytes of it
            kept = text[:MAX_DATA_BYTES]
            self.notes.lost_bytes += utf8_size(text) - utf8_size(kept)
            text = kept
        if _UNSAFE.search(text):
            self.notes.cleaned.add("characters")
            return without_unsafe(text)
        return text

    def value(self, value: object, depth: int) -> object:
        kind = type(value)
        self.left -= 1
        if kind is str:
            return self.text(value)  # type: ignore[arg-type]  # mypy does not narrow by `kind`
        if value is None or kind is bool:
            return value
        if kind is int:
            return self.integer(value)  # type: ignore[arg-type]  # as above
        if kind is float:
            return self.real(value)  # type: ignore[arg-type]  # as above
        return self.container(value, depth)

    def integer(self, value: int) -> object:
        if MIN_INT <= value <= MAX_INT:
            return value
        self.notes.cleaned.add("numbers")
        return _digits(value)

    def real(self, value: float) -> object:
        if math.isfinite(value):
            return value
        self.notes.cleaned.add("numbers")
        return _name_of(value)

    def container(self, value: object, depth: int) -> object:
        try:
            nested = isinstance(value, _NESTED)
        except Exception:  # noqa: BLE001  # a proxy of nothing has not even a class
            nested = False
        return self.within(value, depth) if nested else self.other(value, depth)

    def within(self, value: Any, depth: int) -> object:
        if depth >= MAX_DEPTH or id(value) in self.path:
            self.notes.cleaned.add("depth")
            return TOO_DEEP
        self.path.add(id(value))
        try:
            if isinstance(value, Mapping):
                return self.mapping(value, depth + 1)
            return self.items(value, depth + 1)
        except Exception:  # noqa: BLE001  # a user's own Mapping may raise anything
            self.notes.cleaned.add("values")
            return text_of(value)[:MAX_REPR_CHARS]
        finally:
            self.path.discard(id(value))

    def other(self, value: Any, depth: int) -> object:
        """Dataclasses, Structs, dates, UUIDs and enums as msgspec writes them; the rest as text."""
        if issubclass(type(value), _BYTES):  # what it says of its class may raise
            return binascii.b2a_base64(value, newline=False).decode()
        try:
            simple: object = msgspec.to_builtins(value, str_keys=True)
        except Exception:  # noqa: BLE001  # it knows no such thing; the user's own code may raise
            simple = self.unknown(value)
        if type(simple) in (str, int, float, bool, dict, list, type(None)):
            return self.value(simple, depth)
        return self.text(text_of(simple)[:MAX_REPR_CHARS])

    def unknown(self, value: object) -> object:
        try:
            found = fields_of(value)
        except Exception:  # noqa: BLE001  # a property of the user's
            self.notes.cleaned.add("values")
            found = None
        return foreign(value) if found is None else found


def _name_of(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _digits(value: int) -> str:
    if value.bit_length() <= 14_000:  # str() takes quadratic time
        try:
            return str(value)
        except ValueError:  # more digits than the program allows
            pass
    return f"{value:#x}"[:MAX_REPR_CHARS]


def exception_text(exc: BaseException) -> str:
    """Return the traceback as text, its end when it is very long; no local variables."""
    import traceback  # with `logging`, once there is a logger

    try:
        return "".join(traceback.format_exception(exc)).rstrip()[-MAX_TRACEBACK_CHARS:]
    except Exception:  # noqa: BLE001  # an exception may be as hostile as any data
        return f"<unprintable {type(exc).__name__}>"
