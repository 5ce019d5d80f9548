"""A stream in outline: its counters, the ids of its entries and of their records, and no payload.

XINFO STREAM, XRANGE and XCLAIM send entries whole, and one that is larger than our memory would
kill whoever only wants to count it. So what needs no payload is read by a script on the server. A
login that may run none is answered as Redis answers: with whole entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from godot.errors import StreamLost
from godot.stream.asking import Client, ask, ask_if_allowed
from godot.stream.direct import Command
from godot.stream.ids import END, StreamID

PAGE = 200  # entries that a script looks at; the server does nothing else meanwhile
PAGE_BYTES = 8 << 20  # after so many it ends
PRESENT_PAGE = 50  # it cannot end earlier
BEHIND_ALL = f"({END}"  # nothing can follow, and Redis refuses to look

COUNTERS = """
local told, info = {}, redis.call('XINFO', 'STREAM', KEYS[1])
for at = 1, #info, 2 do told[info[at]] = info[at + 1] end
local first, last = told['first-entry'], told['last-entry']
return {
  told['entries-added'], told['last-generated-id'], told['length'],
  first and first[1], last and last[1]
}
"""

# One at a time, because a script gets entries whole, too: a page of large ones would fill the
# server's memory and hold it up for longer than anybody waits.
PAGE_OF = f"""
local function page_of(command, from, to, count, shown)
  local found, bytes = {{}}, 0
  for at = 1, count do
    local entry = redis.call(command, KEYS[1], from, to, 'COUNT', 1)[1]
    if not entry then break end
    found[at] = shown(entry)
    for _, part in ipairs(entry[2]) do bytes = bytes + #part end
    from = '(' .. entry[1]
    if bytes > {PAGE_BYTES} or from == '{BEHIND_ALL}' then break end
  end
  return found
end
"""

IDS = f"""
{PAGE_OF}
local function id(entry) return entry[1] end
return page_of(ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), id)
"""

PRESENT = """
local found = {}
for at = 1, #ARGV do
  if #redis.call('XRANGE', KEYS[1], ARGV[at], ARGV[at]) > 0 then found[#found + 1] = ARGV[at] end
end
return found
"""

# What identity.given_id finds, '' for None. A record in a large `json` is not taken apart, since
# that holds the server up: its id is seen where it comes before everything nested.
RECORD_ID = """
local function inside(json)
  if #json > 262144 then return string.match(json, '^%s*{[^{]*"id"%s*:%s*"([%x%-]+)"') end
  local is_json, record = pcall(cjson.decode, json)
  return is_json and type(record) == 'table' and record.id
end

local function record_id(fields)
  local id, json, alone = nil, nil, true
  for at = 1, #fields, 2 do
    local name, value = fields[at], fields[at + 1]
    if name == 'id' then id = value end
    if name == 'json' then json = value else alone = false end
  end
  if json and alone then id = inside(json) end
  return type(id) == 'string' and string.sub(id, 1, 128) or ''
end
"""

RECORDS = f"""
{RECORD_ID}
{PAGE_OF}
local function with_record(entry) return {{entry[1], record_id(entry[2])}} end
return page_of('XRANGE', ARGV[1], ARGV[2], tonumber(ARGV[3]), with_record)
"""


class Counters(NamedTuple):
    """What a stream counts about itself: entries ever added, its last id, and those it holds.

    `first` and `last` are of the entries there are, None in an empty stream.
    """

    added: int
    last_generated: StreamID
    length: int
    first: StreamID | None
    last: StreamID | None


def counters(client: Client, stream: str) -> Counters | None:
    """Return a stream's counters, None without a stream."""
    try:
        told = ask_if_allowed(client, *counting(stream))
        if told is None:
            info = ask(client, "XINFO", "STREAM", stream)
            edges = [entry and entry[0] for entry in (info[b"first-entry"], info[b"last-entry"])]
            told = (info[b"entries-added"], info[b"last-generated-id"], info[b"length"], *edges)
    except StreamLost:
        return None
    return counters_of(told)


def counting(stream: str) -> Command:
    """Return the command whose reply `counters_of` reads."""
    return ("EVAL", COUNTERS, 1, stream)


def counters_of(told: Sequence[Any]) -> Counters:
    """Read what COUNTERS returns."""
    added, last_generated, length, *edges = told
    first, last = (StreamID.parse(edge) if edge else None for edge in edges)
    return Counters(int(added), StreamID.parse(last_generated), int(length), first, last)


def entry_ids(
    client: Client, command: str, stream: str, start: str, end: str, count: int = PAGE
) -> list[StreamID]:
    """Return the ids that XRANGE or XREVRANGE would send entries of; fewer where they are large."""
    if start == BEHIND_ALL:
        return []
    found = ask_if_allowed(client, *listing_ids(command, stream, start, end, count))
    if found is None:
        page = ask(client, command, stream, start, end, "COUNT", count)
        return [StreamID.parse(text) for text, _ in page]
    return ids_of(found)


def listing_ids(command: str, stream: str, start: str, end: str, count: int) -> Command:
    """Return the command whose reply `ids_of` reads."""
    return ("EVAL", IDS, 1, stream, command, start, end, count)


def ids_of(told: Sequence[bytes]) -> list[StreamID]:
    """Read what IDS returns."""
    return [StreamID.parse(text) for text in told]


def present(client: Client, stream: str, wanted: Sequence[StreamID]) -> set[StreamID]:
    """Return those of the entries that the stream still holds; the others were trimmed."""
    there: set[StreamID] = set()
    for at in range(0, len(wanted), PRESENT_PAGE):
        page = [str(one) for one in wanted[at : at + PRESENT_PAGE]]
        found = ask_if_allowed(client, "EVAL", PRESENT, 1, stream, *page)
        if found is None:
            found = [id for one in page for id, _ in ask(client, "XRANGE", stream, one, one)]
        there.update(StreamID.parse(text) for text in found)
    return there


def records(
    client: Client, stream: str, start: str, end: str
) -> list[tuple[StreamID, bytes | None]]:
    """Return a page of entries by their ids, each with the one that its record was given.

    Only an empty page is the end: one with large entries is short.
    """
    if start == BEHIND_ALL:
        return []
    found = ask_if_allowed(client, "EVAL", RECORDS, 1, stream, start, end, PAGE)
    if found is None:
        from godot.identity import given_id  # here, because a look at counters needs no records
        from godot.stream.replies import entries

        page = entries(ask(client, "XRANGE", stream, start, end, "COUNT", PAGE))
        return [(entry.id, given_id(entry)) for entry in page]
    return [(StreamID.parse(text), raw or None) for text, raw in found]
