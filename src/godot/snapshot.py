"""The one look that every surface shows: CLI, MCP tools and /metrics take their numbers from here.

For the author of one::

    now = snapshot.take(settings)               # a sixth of a second; all that can be known
    now = snapshot.take(settings, before=now)   # later: at once, with rates and states since then

Everything is in `Snapshot`: `stream` and its `groups` (None: Redis is away, `problems` says why),
`store` (None: it is away or there is none), rates, and of each group its `state` and `waiting_ms`.
What is unknown is None, and never 0. `godot.findings` says what of it is worth a word.

One look tells no rate and no state of a group that has work. So without `before` two are taken, and
more while our group does not seem to move: until it does, or for long enough to say that it does
not (two seconds, which only what is broken costs). Groups of others cost nobody time but those who
ask for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from dewey_logs import BadAddress, DeweyError, StoreTotals
from godot.errors import GodotError
from godot.settings import Settings
from godot.stream import snapshot as look
from godot.stream.behaviour import ENOUGH_S, Mark, State, extended, judge
from godot.stream.groups import Group
from godot.stream.rate import Rate, buffer_seconds, loss_in_seconds, rate
from godot.stream.snapshot import StreamSnapshot

if TYPE_CHECKING:
    from dewey_logs import Store

GLANCE_S = 0.15
LONGEST = round(ENOUGH_S / GLANCE_S) + 3  # looks: enough to say that a group does not move

Trails = Mapping[str, tuple[Mark, ...]]


class Snapshot(msgspec.Struct, frozen=True):
    """The whole path at one moment, as far as its servers answered.

    `rate` is that of the stream and our group: entries a second since the look before. `trails` is
    what the next look judges the groups by, `stream_error` what `stream_problem` is the text of.
    """

    stream_name: str
    group_name: str
    stream: StreamSnapshot | None
    store: StoreTotals | None
    stream_problem: str | None = None
    store_problem: str | None = None
    rate: Rate | None = None
    trails: Trails = {}
    stream_error: GodotError | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """Return why parts are missing, one line each."""
        parts = (("stream", self.stream_problem), ("store", self.store_problem))
        return tuple(f"{part}: {problem}" for part, problem in parts if problem is not None)

    @property
    def group(self) -> Group | None:
        """Return our group; None while Redis is away."""
        return None if self.stream is None else self.stream.group

    @property
    def state(self) -> State:
        """Return how our group does."""
        return "unknown" if self.group is None else self.group.state

    @property
    def waiting_ms(self) -> int | None:
        """Return how long the oldest record waits to be stored: 0 when none does, None: unknown."""
        return None if self.group is None else self.group.waiting_ms

    @property
    def buffer_s(self) -> float | None:
        """How long the stream could hold if nothing were read any more; None: unknown, or ever."""
        if self.stream is None or self.rate is None:
            return None
        return buffer_seconds(self.stream.room, self.rate)

    @property
    def loss_in_s(self) -> float | None:
        """When trimming reaches unread entries, as things go; None: not in sight.

        Work in small batches looks like growth for moments, so this speaks only of a group that is
        not ok.
        """
        if self.stream is None or self.rate is None or self.state == "ok":
            return None
        return loss_in_seconds(self.stream.room, self.stream.limit, self.rate)


def take(
    settings: Settings,
    before: Snapshot | None = None,
    *,
    once: bool = False,
    store: Store | None = None,
    without_store: bool = False,
    every_group: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Snapshot:
    """Ask both servers at the same time; never raises for one that is away, only for bad settings.

    `once` takes a single look, for whoever will look again. `store` is one that is open already,
    for whoever asks often. `without_store` leaves it out: then it is unknown, and no problem.
    `every_group` looks until other groups show how they do, too.
    """
    looks = 1 if once or before is not None else LONGEST
    if without_store:
        found = _stream(settings, before, clock, looks, every_group)
        return replace(found, store=None, store_problem=None)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(_totals, settings, store)
        found = _stream(settings, before, clock, looks, every_group)
        totals, problem = asked.result()
    if problem is not None and found.stream is not None:
        found = replace(found, stream=_waiting_for_the_store(found.stream))
    return replace(found, store=totals, store_problem=problem)


def of_streams(settings: Settings, names: Sequence[str]) -> list[Snapshot]:
    """Return looks at several streams of the same server; all of them take one glance together."""
    each = [replace(settings, stream=name) for name in names]
    before = [take(one, once=True, without_store=True) for one in each]
    time.sleep(GLANCE_S)
    return [
        take(one, earlier, without_store=True) for one, earlier in zip(each, before, strict=True)
    ]


def _stream(
    settings: Settings,
    before: Snapshot | None,
    clock: Callable[[], float],
    looks: int,
    every_group: bool,
) -> Snapshot:
    nothing = Snapshot(settings.stream, settings.group, None, None)
    try:
        with look.Looks(settings, clock) as taken:
            found = _judged(before or nothing, taken.take())
            for _ in range(looks - 1):
                time.sleep(GLANCE_S)
                found = _judged(found, taken.take())
                if not _undecided(found, every_group):
                    break
    except GodotError as exc:
        return replace(nothing, stream_problem=str(exc), stream_error=exc)
    return found


def _undecided(found: Snapshot, every_group: bool) -> bool:
    """Say whether looking longer will tell more of our group, or of any."""
    groups = found.stream.groups if every_group and found.stream is not None else (found.group,)
    return any(group is not None and group.state == "unknown" for group in groups)


def _judged(before: Snapshot, now: StreamSnapshot) -> Snapshot:
    """Return the look with what it and those before tell together."""
    trails = {
        group.name: extended(before.trails.get(group.name, ()), now.mark(group))
        for group in now.groups
    }
    rates = {group.name: _rate(before.stream, now, group) for group in now.groups}
    ours, *others = (
        replace(group, state=judge(trails[group.name]), settled_per_s=_settled(rates[group.name]))
        for group in now.groups
    )
    return replace(
        before,
        stream=replace(now, group=ours, others=tuple(others)),
        rate=rates[ours.name],
        trails=trails,
    )


def _rate(before: StreamSnapshot | None, now: StreamSnapshot, group: Group) -> Rate | None:
    if before is None:
        return None
    for earlier in before.groups:
        if earlier.name == group.name:
            return rate(before.reading(earlier), now.reading(group))
    return None


def _settled(found: Rate | None) -> float | None:
    if found is None or found.growth_per_s is None:
        return None
    return max(0.0, found.added_per_s - found.growth_per_s)


def _waiting_for_the_store(now: StreamSnapshot) -> StreamSnapshot:
    """Return what it looks like knowing that the store is away.

    A worker that waits for it is silent in Redis before long: its work is stalled, but it is there.
    """
    ours = now.group
    if ours.state != "no-consumer" or not ours.consumers or not ours.pending:
        return now
    return replace(now, group=replace(ours, state="stalled"))


def _totals(settings: Settings, store: Store | None) -> tuple[StoreTotals | None, str | None]:
    if store is None and settings.dewey_url is None:
        return None, "DEWEY_URL is not set and no stack runs here"
    from dewey_logs import store_totals  # here, so that its driver is read while others wait

    try:
        if store is not None:
            return store.totals(), None
        assert settings.dewey_url is not None
        url, reader_url = settings.dewey_url, settings.dewey_reader_url
        return store_totals(url, reader_url=reader_url, token=settings.dewey_token), None
    except BadAddress:  # a wrong setting is no outage
        raise
    except DeweyError as exc:
        return None, str(exc)
