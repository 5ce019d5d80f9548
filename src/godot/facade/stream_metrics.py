"""Stream, group and producers as metrics, from the one role that keeps running without any worker.

They are the numbers of `godot.snapshot`, which the CLI shows, too. What only shows for a while is
added up here: entries that were trimmed unread, until the group's next read covers it up, and what
producers announced, until they are forgotten. Such sums are told while Redis is away, too: that is
when most is dropped, and a counter that is new when Redis comes back shows no increase. `+Inf`
seconds mean that nothing is in sight.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import get_args

from prometheus_client.metrics_core import Metric

from dewey_logs.tools import counter, gauge, gauges
from godot import snapshot
from godot.errors import StreamUnavailable
from godot.settings import Settings
from godot.snapshot import Snapshot
from godot.stream.behaviour import State
from godot.stream.groups import Group
from godot.stream.keys import stream_key
from godot.stream.producers import ProducerInfo
from godot.stream.rate import buffer_seconds, loss_in_seconds
from godot.stream.snapshot import StreamSnapshot

LOOK_EVERY_S = 5.0


class Announced:
    """What all producers announced together since the first look, which is counted from.

    So it only grows, also when some are forgotten, and a process that starts again begins at 0:
    what is left of former announcements would be less than before, and look like new ones.
    """

    def __init__(self) -> None:
        self.records = self.dropped = 0
        self._last: dict[int, ProducerInfo] | None = None

    def add(self, producers: Iterable[ProducerInfo]) -> None:
        """Add what is new since the last time; who has dropped anything is never forgotten here."""
        now = {one.producer: one for one in producers}
        last = now if self._last is None else self._last
        for number, one in now.items():
            before = last.get(number)
            self.records += max(0, one.sent_sequence - (before.sent_sequence if before else 0))
            self.dropped += max(0, one.dropped - (before.dropped if before else 0))
        self._last = {n: one for n, one in last.items() if one.dropped} | now


class Overrun:
    """Entries that were trimmed before anybody had them, as many as looks could see."""

    def __init__(self) -> None:
        self.entries = 0
        self._seen = 0

    def add(self, seen: int | None) -> None:
        """Add what a look tells, None: nothing; less than before means that it was covered up."""
        if seen is not None:
            self.entries += seen - self._seen if seen >= self._seen else seen
            self._seen = seen


class WatchedStream:
    """A sight: the last look at stream and group; without Redis its absence, and what adds up."""

    name = "stream"
    every_s = LOOK_EVERY_S

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._found: Snapshot | None = None
        self._announced = Announced()
        self._overrun = Overrun()

    def look(self) -> None:
        """Look once more; raises StreamUnavailable."""
        found = snapshot.take(
            self._settings, self._found, once=True, without_store=True, clock=self._clock
        )
        if found.stream is not None:
            self._announced.add(found.stream.producers)
            self._overrun.add(found.stream.group.overrun)
        self._found = found
        if found.stream is None:
            raise StreamUnavailable(found.stream_problem or "Redis is away")

    def metrics(self) -> Iterator[Metric]:
        """Yield what the last look found."""
        found = self._found
        now = None if found is None else found.stream
        yield gauges(
            "godot_backend_up",
            "1 while the server answers this process.",
            "backend",
            {"redis": float(now is not None)},
        )
        if found is not None and now is not None:
            yield from _of_stream(now)
            yield from _of_group(found, now.group, now)
        yield from self._added_up()

    def _added_up(self) -> Iterator[Metric]:
        stream = stream_key(self._settings.stream)
        yield counter(
            "godot_group_overrun_entries",
            "Entries trimmed before the group had them, as many as looks could see.",
            self._overrun.entries,
            stream=stream,
            group=self._settings.group,
        )
        for name, text, value in (
            (
                "announced",
                "Records that producers gave a number to and handed over, since we look.",
                self._announced.records,
            ),
            (
                "dropped",
                "Records that producers gave up before the stream had them, since we look.",
                self._announced.dropped,
            ),
        ):
            yield counter(f"godot_producer_{name}_records", text, value, stream=stream)

    def close(self) -> None:
        """Let go of nothing: every look has a connection of its own."""


def _of_stream(now: StreamSnapshot) -> Iterator[Metric]:
    labels = {"stream": now.stream}
    yield counter(
        "godot_stream_added_entries", "Entries ever added to the stream.", now.added, **labels
    )
    for name, text, value in (
        ("stream_entries", "Entries in the stream.", now.entries),
        ("stream_limit_entries", "Entries the stream is trimmed to.", now.limit),
        ("stream_bytes", "Memory the stream takes, as Redis estimates.", now.bytes),
        ("redis_memory_bytes", "Memory Redis uses.", now.memory_bytes),
        (
            "redis_memory_limit_bytes",
            "Memory Redis may use; 0: no limit.",
            now.memory_limit_bytes,
        ),
        (
            "stream_fill_ratio",
            "How full: of entries or of memory, whichever is higher.",
            now.fill_ratio,
        ),
        (
            "stream_first_entry_timestamp_seconds",
            "When the oldest entry was added; absent without any.",
            now.first_id and now.first_id.ms / 1000,
        ),
        (
            "stream_last_entry_timestamp_seconds",
            "When the newest entry was added; absent without any.",
            now.last_id and now.last_id.ms / 1000,
        ),
        ("producers", "Producers that are known.", len(now.producers)),
    ):
        if value is not None:
            yield gauge(f"godot_{name}", text, value, **labels)


def _of_group(found: Snapshot, group: Group, now: StreamSnapshot) -> Iterator[Metric]:
    labels = {"stream": now.stream, "group": group.name}
    rates: tuple[tuple[str, str, float | None], ...] = ()
    if found.rate is not None:
        # of a group that is ok, too: one that is too slow for a short stream has nothing old
        holds = buffer_seconds(now.room, found.rate)
        loss = loss_in_seconds(now.room, now.limit, found.rate)
        rates = (
            (
                "buffer_seconds",
                "For how long the stream holds if nothing is read any more.",
                math.inf if holds is None else holds,
            ),
            (
                "loss_in_seconds",
                "When trimming reaches unread entries, as things go.",
                math.inf if loss is None else loss,
            ),
        )
    for name, text, value in (
        ("backlog_entries", "Entries that are not settled, at most.", now.backlog),
        (
            "undelivered_entries",
            "Entries that no worker has had; absent while Redis cannot count them.",
            group.undelivered,
        ),
        ("pending_entries", "Entries delivered and not acknowledged.", group.pending),
        ("consumers", "Consumers the group knows.", len(group.consumers)),
        ("active_consumers", "Consumers that were heard of lately.", group.active),
        *rates,
        (
            "oldest_undelivered_timestamp_seconds",
            "When the oldest undelivered entry was added; absent when there is none.",
            _seconds(group.undelivered_since_ms),
        ),
        (
            "oldest_pending_timestamp_seconds",
            "When the oldest pending entry was added; absent when there is none.",
            _seconds(group.pending_since_ms),
        ),
    ):
        if value is not None:
            yield gauge(f"godot_group_{name}", text, value, **labels)
    yield gauges(
        "godot_group_state",
        "1 for how the group does, as `godot status` tells.",
        "state",
        {state: float(state == group.state) for state in get_args(State)},
        **labels,
    )


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000
