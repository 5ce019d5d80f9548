"""What nobody has settled, looked at and (perhaps) destroyed in one step of the server.

Only so can the account be exact: between a look and a command of its own a worker settles, and a
program adds, what would then be booked wrongly. The price is one walk over what is not settled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import redis

from godot.stream.ids import StreamID

SCRIPT = """
local delivered, newest, pending, waiting, held = '0-0', '0-0', {}, {}, {}
local function record(fields)
    for i = 1, #fields, 2 do
        if fields[i] == 'id' then return fields[i + 1] end
    end
    return ''
end
local there = redis.call('EXISTS', KEYS[1]) == 1
for _, group in ipairs(there and redis.call('XINFO', 'GROUPS', KEYS[1]) or {}) do
    local mine = false
    for i = 1, #group, 2 do
        if group[i] == 'name' then mine = group[i + 1] == ARGV[1] end
        if group[i] == 'last-delivered-id' and mine then delivered = group[i + 1] end
    end
    if mine then
        for _, item in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 10000000)) do
            local found = redis.call('XRANGE', KEYS[1], item[1], item[1])
            pending[#pending + 1] = {item[1], found[1] and record(found[1][2]) or ''}
            held[item[1]] = true
        end
    end
end
local from, page = '(' .. delivered
repeat
    page = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 1000)
    for _, entry in ipairs(page) do
        waiting[#waiting + 1] = {entry[1], record(entry[2])}
        from = '(' .. entry[1]
    end
until #page < 1000
local upto = delivered
repeat
    page = redis.call('XREVRANGE', KEYS[1], upto, '-', 'COUNT', 100)
    for _, entry in ipairs(page) do
        if newest == '0-0' and not held[entry[1]] then newest = entry[1] end
        upto = '(' .. entry[1]
    end
until newest ~= '0-0' or #page < 100
local reply = false
if ARGV[2] then reply = redis.call(unpack(ARGV, 2)) end
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
return {delivered, newest, first[1] and first[1][1] or '', pending, waiting, reply}
"""

Records = Mapping[StreamID, bytes | None]  # entry -> the record's id, where it has one


class Look(NamedTuple):
    """The group's position, its newest settled entry, what is pending, and what is undelivered.

    `first` is the first entry that is left after the command, `reply` the command's.
    """

    delivered: StreamID
    newest: StreamID
    first: StreamID | None
    pending: Records
    waiting: Records
    reply: Any

    @property
    def unsettled(self) -> Records:
        return {**self.pending, **self.waiting}

    @property
    def gone(self) -> Records:
        """What was not settled and is not there any more."""
        first = self.first
        return {e: record for e, record in self.unsettled.items() if first is None or e < first}


def look(
    client: redis.Redis, stream: str, group: str, command: Sequence[bytes | str | int] = ()
) -> Look:
    """Look, and in the same step run the command; a server whose writes are paused can be asked."""
    run = client.eval if command else client.eval_ro
    found: Any = run(SCRIPT, 1, stream, group, *command)
    delivered, newest, first, pending, waiting, reply = found
    return Look(
        StreamID.parse(delivered),
        StreamID.parse(newest),
        StreamID.parse(first) if first else None,
        _records(pending),
        _records(waiting),
        reply,
    )


def record_key(text: bytes | None) -> bytes | None:
    """Return a record's id as the tables have it, or None when it is none."""
    try:
        found = bytes.fromhex((text or b"").decode("ascii").replace("-", ""))
    except ValueError:
        return None
    return found if len(found) == 16 else None


def _records(found: Any) -> Records:
    return {StreamID.parse(entry): record_key(text) for entry, text in found}
