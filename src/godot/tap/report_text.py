"""The report on tapped servers as lines; text of strangers is not escaped here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from godot.tap.difference import Difference

_NAMED = 5  # how many of a kind are named in lines; documents name all
_BY = {"to_server": "client", "to_client": "server"}


def server_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the report of one server, line by line."""
    runs = f"{document['runs']} run{'s' * (document['runs'] != 1)}"
    yield f"{document['component']}: {document['messages']} messages in {runs}"
    if document["unrecorded_bytes"]:
        yield f"  {document['unrecorded_bytes']:,} bytes passed unrecorded"
    if document["handshake"]:
        yield f"  {_handshake(document['handshake'])}"
    for method in document["methods"]:
        yield f"  {_method(method)}"
    for each in document["notifications"]:
        times = f"{each['count']} by the {_BY[each['direction']]}"
        yield f"  {each['method']}: {times}, a notification"
    yield from _some("progress", document["progress"], _progress)
    yield from _some("given up", document["given_up"], _given_up)
    yield from _some("never answered", document["unanswered"], _unanswered)
    yield from _some("belongs to nothing", document["stray"], _named)
    yield from _some("no JSON-RPC", document["no_json_rpc"], _named)
    yield from _protocol(document["protocol"])
    if document["stderr"]:
        counts = ", ".join(f"{count} {level}" for level, count in document["stderr"].items())
        yield f"  stderr: {counts}"
    if document["lists_not_kept"]:
        yield "  tools/list: an answer was too large to be kept, and its tools are not judged"
    for tool in document["tools"]:
        yield f"  tool {tool['name']}: {tool['verdict']}"


def between_lines(names: Sequence[str], found: Mapping[str, Sequence[Difference]]) -> Iterator[str]:
    """Yield the differences as lines."""
    if "tools/list" not in found:
        yield "tools/list: nothing to compare: not both were asked, answered and kept"
    for method, places in found.items():
        yield f"{method}: {len(places)} difference{'s' * (len(places) != 1)} in shape"
        for place in places:
            yield f"  {place.path}: {names[0]} {place.first}, {names[1]} {place.second}"


def _handshake(found: Mapping[str, Any]) -> str:
    info = found.get("serverInfo")
    info = info if isinstance(info, Mapping) else {}
    versions = found.get("protocolVersion", found.get("supportedVersions"))
    shown = ", ".join(map(str, versions)) if isinstance(versions, list) else versions
    server = f", server {info.get('name')} {info.get('version')}" if info else ""
    return f"{found['method']}: protocol {shown}{server}"


def _method(told: Mapping[str, Any]) -> str:
    text = f"{told['method']}: {told['requests']} sent" + (
        " by the server" if told["direction"] == "to_client" else ""
    )
    for name in ("errors", "unanswered", "given_up", "progress"):
        text += f", {told[name]} {name.replace('_', ' ')}" if told[name] else ""
    if told["median_ms"] is not None:
        text += f", median {told['median_ms']} ms, longest {told['max_ms']} ms"
    return text


def _protocol(found: Mapping[str, Any]) -> Iterator[str]:
    versions = " and ".join(found["versions"]) or "of no known version"
    text = f"  protocol {versions}: {found['checked']} messages checked"
    if found["unchecked"]:
        text += f", {found['unchecked']} not (version unknown, too large, no JSON-RPC)"
    yield text if found["broken"] else f"{text}, no rule broken"
    for each in found["broken"]:
        what = f"{each['kind']} {each['method'] or ''}".rstrip()
        times = f", {each['count']} times" if each["count"] > 1 else ""
        yield (
            f"  breaks {each['version']}: {what} id {each['id']!r} of the"
            f" {_BY[each['direction']]}: {each['path']} {each['says']}{times}"
        )


def _some(
    title: str, found: Sequence[Mapping[str, Any]], said: Callable[[Mapping[str, Any]], str]
) -> Iterator[str]:
    for each in found[:_NAMED]:
        yield f"  {title}: {said(each)}"
    if len(found) > _NAMED:
        yield f"  {title}: {len(found) - _NAMED} more"


def _named(message: Mapping[str, Any]) -> str:
    what = " ".join(str(message[part]) for part in ("method", "tool") if message[part])
    trace = f", trace {message['trace_id']}" if message["trace_id"] else ""
    who = _BY[message["direction"]]
    return f"{what or message['kind']} id {message['id']!r}, from the {who}{trace}"


def _unanswered(told: Mapping[str, Any]) -> str:
    return _named(told) + (f", HTTP status {told['status']}" if told["status"] else "")


def _progress(told: Mapping[str, Any]) -> str:
    total = f" of {told['total']}" if told["total"] is not None else ""
    count = f"{told['notifications']} notification{'s' * (told['notifications'] != 1)}"
    return f"{_named(told)}: {count}, last {told['progress']}{total}{_answered(told)}"


def _given_up(told: Mapping[str, Any]) -> str:
    reason = f" ({told['reason']})" if told["reason"] else ""
    progress = f" after {told['progress']} progress" if told["progress"] else ""
    return f"{_named(told)}: {told['how']}{reason}{progress}{_answered(told)}"


def _answered(told: Mapping[str, Any]) -> str:
    if told["answered_ms"] is None:
        return ", not answered"
    return f", answered after {told['answered_ms']} ms"
