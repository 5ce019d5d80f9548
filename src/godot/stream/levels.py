"""Levels as running programs read them: the hash `{stream}:levels` and the channel of that name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from godot.settings import Settings
from godot.stream.connection import ask, close, connect
from godot.stream.keys import levels_key, stream_key

# In one step, so that no program reads a hash that is half changed. What is the same is left alone.
MIRROR = """
local there = redis.call('HGETALL', KEYS[1])
local known, changed = {}, {}
for i = 1, #there, 2 do known[there[i]] = there[i + 1] end
for i = 1, #ARGV, 2 do
  if known[ARGV[i]] ~= ARGV[i + 1] then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    changed[#changed + 1] = ARGV[i]
  end
  known[ARGV[i]] = nil
end
for component in pairs(known) do
  redis.call('HDEL', KEYS[1], component)
  changed[#changed + 1] = component
end
for _, component in ipairs(changed) do redis.call('PUBLISH', KEYS[1], component) end
return changed
"""


class Board:
    """Where the programs of one stream read their levels; it connects at first use."""

    def __init__(self, settings: Settings) -> None:
        self._client = connect(settings)
        self._key = levels_key(stream_key(settings.stream))

    def show(self, wanted: Iterable[tuple[str, str, int | None]]) -> list[str]:
        """Make the hash say what is wanted: (component, level, Unix ms when it ends or None).

        Programs are told at once. Returns whose level changed; safe to repeat.
        """
        texts: Mapping[str, str] = {
            component: level if expires_ms is None else f"{level} {expires_ms}"
            for component, level, expires_ms in wanted
        }
        flat = [part for pair in texts.items() for part in pair]
        changed: list[bytes] = ask(self._client, "EVAL", MIRROR, 1, self._key, *flat)
        return sorted(component.decode("utf-8", "replace") for component in changed)

    def close(self) -> None:
        close(self._client)
