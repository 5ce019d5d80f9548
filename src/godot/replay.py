"""Storing again what is in the stream: after a table was damaged, or a bug threw records away.

Equal ids are one record, so nothing is doubled; nothing is acknowledged or claimed, so no worker
notices. What a `clear` has removed since stays removed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from dewey_logs import Store
from godot.settings import Settings
from godot.stream import history
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from godot.stream.history import Stretch
from godot.stream.ids import StreamID
from godot.stream.keys import stream_key
from godot.worker.assemble import Tally, pipeline
from godot.worker.intake import Read

Clock = Callable[[], float]
Sleep = Callable[[float], None]


def measure(settings: Settings, first: StreamID, last: StreamID | None) -> Stretch:
    """Return the part of the stream that a replay would store, and how many entries it has."""
    client = connect(settings)
    try:
        return history.stretch(client, stream_key(settings.stream), first, last)
    finally:
        close(client)


def replay(
    settings: Settings,
    store: Store,
    part: Stretch,
    *,
    rate: float | None = None,
    progress: Callable[[int], None] = lambda entries: None,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
) -> Tally:
    """Store every entry of the part; at most `rate` a second. Raises what the store raises.

    Stopping in the middle is safe, and so is doing it again from the beginning.
    """
    tally = Tally()
    client = connect(settings)
    consumer = Consumer(client, stream_key(settings.stream), settings.group, "replay")
    size = settings.batch_max if rate is None else max(1, min(settings.batch_max, int(rate / 4)))
    begin = clock()
    done = 0
    try:
        with pipeline(settings, consumer, store, tally, replay=True) as settling:
            pages = history.pages(client, consumer.stream, part, size, settings.batch_max_bytes)
            for page in pages:
                settling.settle([Read(page, again=True)], acknowledge=False)
                done += len(page)
                progress(len(page))
                if rate is not None:
                    sleep(max(0.0, begin + done / rate - clock()))
    finally:
        close(client)
    return tally
