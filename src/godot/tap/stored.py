"""What taps recorded, out of the store: in pages, so that a Dewey behind HTTP can be asked, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from dewey_logs import Comparison, LogFilter, LogRecordView, Store

PAGE = 1_000


def recorded(
    store: Store, components: Sequence[str], since: str | None, until: str | None = None
) -> Iterator[LogRecordView]:
    """Yield the records of taps, newest first; of every component when none is named.

    Raises what Store.query raises.
    """
    wanted = LogFilter(
        since=since,
        until=until,
        component=tuple(dict.fromkeys(components)),
        where=(Comparison(("tap", "n"), "exists"),),
        limit=PAGE,
    )
    while True:
        page = store.query(wanted)
        yield from page.rows
        if page.next_cursor is None:
            return
        wanted = replace(wanted, cursor=page.next_cursor)
