"""Whether a message keeps the protocol's rules, those of its version, and which one it breaks.

The rules are the published schemas as the SDK carries them: which methods each version has, what
each takes and answers. The SDK has two sets of shapes, 2025-11-25's for every version up to then
and 2026-07-28's; `_SINCE` holds what the former lets through and earlier versions do not know. It
reads null as absent, which the schemas do not, nor do clients that check: here null is a value.

What redaction masked, and what was too deep to keep, is taken to be right. The schemas take half a
second to load and a message about a millisecond to check, which is for reports and not for what
passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import validator_for
from mcp_types import methods
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from godot.tap.capture import Message
from godot.tap.difference import WITHHELD

MAX_SHOWN_CHARS = 60
BATCHES = ("2025-03-26",)  # the one version that has them

_ASKED = {
    "request": {
        "to_server": methods.CLIENT_REQUESTS,
        "to_client": methods.SERVER_REQUESTS,
    },
    "notification": {
        "to_server": methods.CLIENT_NOTIFICATIONS,
        "to_client": methods.SERVER_NOTIFICATIONS,
    },
}
_RESULTS = {"to_client": methods.SERVER_RESULTS, "to_server": methods.CLIENT_RESULTS}
_SINCE = {  # kinds of content
    "audio": "2025-03-26",
    "resource_link": "2025-06-18",
    "tool_use": "2025-11-25",
    "tool_result": "2025-11-25",
}

_JSONRPC = {"const": "2.0"}
_ID = {"type": ["string", "integer"]}
_ENVELOPES: dict[str, dict[str, Any]] = {
    "request": {
        "required": ["jsonrpc", "id", "method"],
        "properties": {"jsonrpc": _JSONRPC, "id": _ID, "params": {"type": "object"}},
    },
    "notification": {
        "required": ["jsonrpc", "method"],
        "properties": {"jsonrpc": _JSONRPC, "params": {"type": "object"}},
    },
    "response": {
        "required": ["jsonrpc", "id", "result"],
        "properties": {"jsonrpc": _JSONRPC, "id": _ID, "result": {"type": "object"}},
    },
    "error": {
        "required": ["jsonrpc", "error"],
        "properties": {
            "jsonrpc": _JSONRPC,
            "id": {"type": ["string", "integer", "null"]},  # null: the request could not be read
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
            },
        },
    },
}
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "a boolean"),
    (str, "a string"),
    ((int, float), "a number"),
    (list, "an array"),
    (Mapping, "an object"),
)


class Breach(msgspec.Struct, frozen=True):
    """A rule that is broken: where, the schema's keyword for it, and what that means here."""

    path: str
    rule: str
    says: str

    @property
    def text(self) -> str:
        return f"{self.path} {self.says}"


def breaches(message: Message) -> list[Breach] | None:
    """Return the rules that a message breaks; None when it cannot be checked.

    Cannot: a version that is not known, a message that was too large to keep, or no message.
    """
    body, version = message.body, message.version
    if version not in KNOWN_PROTOCOL_VERSIONS or not isinstance(body, Mapping):
        return None
    envelope = _ENVELOPES.get(message.kind)
    if envelope is None:
        return None
    found = [*_broken(Draft202012Validator(envelope), body, ())]
    if message.batch and version not in BATCHES:
        found.append(
            Breach("message", "batch", f"is one of several, which {version} does not allow")
        )
    if message.reused:
        found.append(Breach("id", "id", "is that of an earlier request that is not answered yet"))
    result = body.get("result")
    if tables := _ASKED.get(message.kind):
        found += _by_method(tables[message.direction], message.method, version, body, ())
    elif isinstance(result, Mapping) and "task" not in result:  # an extension's answer: no table's
        table = _RESULTS[message.direction]
        found += _by_method(table, message.method, version, result, ("result",))
    found += _too_new(body, version)
    return list(dict.fromkeys(found))


def tool_breaches(tool: Mapping[str, object], version: str | None) -> list[Breach]:
    """Return the rules that an object in `tools/list` breaks, by paths within it.

    Its schemas also have to be JSON schemas, which the protocol says in words. Without a version
    that is known the last one with a handshake counts.
    """
    if version not in KNOWN_PROTOCOL_VERSIONS:
        version = LATEST_HANDSHAKE_VERSION
    listing = _validator(methods.SERVER_RESULTS["tools/list", version])
    found = {
        breach.path: breach
        for breach in _broken(listing, {"tools": [tool]}, (), below=("tools", 0))
    }
    for place in ("inputSchema", "outputSchema"):
        schema = tool.get(place)
        if isinstance(schema, Mapping):
            dialect = validator_for(schema, default=Draft202012Validator)
            for breach in _broken(dialect(dialect.META_SCHEMA), schema, (place,)):
                found.setdefault(breach.path, breach)
    return list(found.values())


class _Published(GenerateJsonSchema):
    """Makes the schema as it was published: what may be left out may not be null."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        inner = schema["schema"]
        if inner["type"] == "nullable" and schema.get("default", ...) is None:
            return self.generate_inner(inner["schema"])
        return super().default_schema(schema)


@cache
def _validator(shape: Any) -> Draft202012Validator:
    return Draft202012Validator(TypeAdapter(shape).json_schema(schema_generator=_Published))


def _by_method(
    table: Mapping[tuple[str, str], Any],
    method: str | None,
    version: str,
    value: object,
    above: tuple[str, ...],
) -> Iterator[Breach]:
    """Yield what breaks the rules of a method; one that no version has is an extension's."""
    if shape := table.get((method or "", version)):
        yield from _broken(_validator(shape), value, above)
    elif any(known == method for known, _ in table):
        yield Breach("method", "method", f"{method} does not exist in {version} in this direction")


def _broken(
    validator: Any,
    value: object,
    above: tuple[str, ...],
    below: tuple[str | int, ...] = (),
) -> Iterator[Breach]:
    """Yield what a schema finds wrong; paths begin with `above`, and do without `below`."""
    for error in validator.iter_errors(value):
        meant = _meant(error)
        path = tuple(meant.absolute_path) if meant else ()
        if meant is None or path[: len(below)] != below:
            continue
        path = (*above, *path[len(below) :])
        if meant.validator == "required":
            for name in meant.validator_value:
                if name not in meant.instance:
                    yield Breach(_text((*path, name)), "required", _missing(meant.schema, name))
        else:
            yield Breach(_text(path), str(meant.validator), _says(meant))


def _meant(error: ValidationError) -> ValidationError | None:
    """Return the error within the alternative that was meant, the one of the same kind.

    None when the value was withheld.
    """
    while error.context and error.instance not in WITHHELD:
        ways: dict[object, list[ValidationError]] = {}
        for each in error.context:
            ways.setdefault(each.relative_schema_path[0], []).append(each)
        way = min(ways.values(), key=lambda way: (any(map(_of_another_kind, way)), len(way)))
        if any(map(_of_another_kind, way)):
            break
        error = way[0]
    return None if error.instance in WITHHELD else error


def _of_another_kind(error: ValidationError) -> bool:
    """Say whether an object's own `type`, or the like, is that of another alternative."""
    return error.validator in ("const", "enum") and len(error.relative_path) == 1


def _missing(schema: Any, name: str) -> str:
    wanted = schema.get("properties", {}).get(name, {})
    return (
        f"is missing: it has to be {_json(wanted['const'])}" if "const" in wanted else "is missing"
    )


def _says(error: ValidationError) -> str:
    wanted = error.validator_value
    match error.validator:
        case "type":
            names = [wanted] if isinstance(wanted, str) else wanted
            return f"is {_kind(error.instance)}: it has to be {' or '.join(map(_article, names))}"
        case "const":
            return f"is {_json(error.instance)}: it has to be {_json(wanted)}"
        case "enum":
            return (
                f"is {_json(error.instance)}: it has to be one of {', '.join(map(_json, wanted))}"
            )
        case "anyOf":
            kind = error.instance.get("type") if isinstance(error.instance, Mapping) else None
            return f"is of a kind that cannot stand there, type {_json(kind)}"
    return f"is not as it should be: {error.message[: 2 * MAX_SHOWN_CHARS]}"


def _kind(value: object) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "null")


def _article(name: str) -> str:
    return name if name == "null" else f"{'an' if name[0] in 'aio' else 'a'} {name}"


def _json(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS] + "…"


def _text(path: tuple[str | int, ...]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".") or "it"


def _too_new(body: Mapping[str, object], version: str) -> Iterator[Breach]:
    for path, block in _blocks(body):
        since = _SINCE.get(str(block.get("type")))
        if since is not None and version < since:
            kind = _json(block["type"])
            yield Breach(f"{path}.type", "since", f"is {kind}, which exists since {since}")


def _blocks(body: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield every block of content, of results, of prompts and of what a model is asked."""
    for place in ("result", "params"):
        outer = body.get(place)
        if not isinstance(outer, Mapping):
            continue
        yield from _content(f"{place}.content", outer.get("content"))
        messages = outer.get("messages")
        for number, message in enumerate(messages if isinstance(messages, list) else []):
            if isinstance(message, Mapping):
                where = f"{place}.messages[{number}].content"
                yield from _content(where, message.get("content"))


def _content(path: str, content: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    if isinstance(content, Mapping):
        yield path, content
    for number, block in enumerate(content if isinstance(content, list) else []):
        if isinstance(block, Mapping):
            yield f"{path}[{number}]", block
