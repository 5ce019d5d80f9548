"""What was delivered and not acknowledged, looked at from outside: nothing here changes a count.

XPENDING names owner, idle time and deliveries; whether the payload is still there only XRANGE says.
Both are asked in pages, because a group that nobody drains may hold the whole stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import redis

from godot.errors import StreamLost
from godot.stream.connection import ask, translated
from godot.stream.group import Consumer
from godot.stream.ids import StreamID
from godot.stream.reclaim import died_alone
from godot.stream.replies import Entry, entries

PAGE = 1_000


class Pending(msgspec.Struct, frozen=True):
    """One entry that some consumer has and has not acknowledged.

    `died_alone` is None until it is suspected of killing workers: from then on it is delivered
    alone, and `deliveries` counts those times only.
    """

    id: StreamID
    consumer: str
    idle_ms: int
    deliveries: int
    died_alone: int | None = None


def pending(
    client: redis.Redis, stream: str, group: str, *, min_idle_ms: int = 0
) -> Iterator[Pending]:
    """Yield pending entries, oldest id first; nothing when there is no stream or no group."""
    start = "-"
    while True:
        try:
            page = ask(client, "XPENDING", stream, group, "IDLE", min_idle_ms, start, "+", PAGE)
        except StreamLost:
            return
        for item in page:
            yield _pending(*item)
        if len(page) < PAGE:
            return
        start = f"({page[-1][0].decode()}"


def pending_among(
    client: redis.Redis, stream: str, group: str, ids: Sequence[StreamID]
) -> dict[StreamID, Pending]:
    """Return those of the entries that are pending."""
    found = {}
    for one in ids:
        try:
            page = ask(client, "XPENDING", stream, group, str(one), str(one), 1)
        except StreamLost:
            return {}
        for item in page:
            found[one] = _pending(*item)
    return found


def _pending(entry: bytes, consumer: bytes, idle_ms: int, deliveries: int) -> Pending:
    alone = died_alone(deliveries)
    return Pending(
        StreamID.parse(entry),
        consumer.decode("utf-8", "replace"),
        idle_ms,
        deliveries if alone is None else alone,
        alone,
    )


def payloads(client: redis.Redis, stream: str, ids: Sequence[StreamID]) -> dict[StreamID, Entry]:
    """Return the entries that the stream still holds; the others were trimmed."""
    found = {}
    for at in range(0, len(ids), PAGE):
        pipe = client.pipeline(transaction=False)
        for one in ids[at : at + PAGE]:
            pipe.execute_command("XRANGE", stream, str(one), str(one))  # type: ignore[no-untyped-call]  # redis-py's own
        with translated(client):
            replies = pipe.execute()
        found.update({entry.id: entry for reply in replies for entry in entries(reply)})
    return found


def take_over(
    consumer: Consumer, ids: Sequence[StreamID], min_idle_ms: int, deliveries: int | None = None
) -> list[Entry]:
    """Have entries delivered to this consumer that still are idle; a peer may have been quicker.

    `deliveries` is what the server's count becomes; by itself it counts one more.

    The server also strikes entries off the pending list whose payload is gone: look for those with
    `payloads` first, they have to be entered in the ledger.
    """
    if not ids:
        return []
    return entries(
        ask(
            consumer.client,
            *("XCLAIM", consumer.stream, consumer.group, consumer.name, min_idle_ms),
            *[str(one) for one in ids],
            *(() if deliveries is None else ("RETRYCOUNT", deliveries)),
        )
    )
