"""Stored records in any number: more than the store gives at a time, or every one that matches.

A page goes on by a key, so nothing is lost or comes twice between two of them; only what arrives
meanwhile may or may not be there. PostgreSQL itself gives everything out of one snapshot instead;
a Dewey behind HTTP can give pages only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

from msgspec.structs import replace

from dewey_logs import DeweyError, LogFilter, LogRecordView, Page, Store

PAGE = 1_000  # what the store gives at a time


class Answer:
    """The records that match, a batch at a time, and what is to say of them once they are read.

    `limit` None is every one. `matched` counts them up to a thousand (`matched_capped`: there are
    more), `truncated` says that there are more than were read, `next_cursor` where they go on.
    `scanned_to` is how far a search came that has not ended. Raises while it is read what
    Store.query does.
    """

    def __init__(self, store: Store, wanted: LogFilter, limit: int | None) -> None:
        self.returned = self.matched = 0
        self.matched_capped = self.truncated = False
        self.next_cursor: str | None = None
        self.scanned_to: str | None = None
        self._store = store
        self._wanted = wanted
        self._limit = limit
        self._began = time.perf_counter()

    @property
    def took_ms(self) -> float:
        """How long it took so far, what was done with the records included."""
        return (time.perf_counter() - self._began) * 1000

    def batches(self) -> Iterator[list[LogRecordView]]:
        """Yield the records; an empty batch where a search came further and found none."""
        if self._limit is None and self._wanted.cursor is None:
            yield from self._everything()
        else:
            yield from self._pages()

    def _pages(self) -> Iterator[list[LogRecordView]]:
        asked = self._wanted
        while True:
            left = PAGE if self._limit is None else self._limit - self.returned
            page = self._store.query(replace(asked, limit=min(PAGE, left)))
            self._note(page, first=asked is self._wanted)
            yield list(page.rows)
            if not page.truncated or self.returned == self._limit:
                break
            asked = replace(asked, cursor=page.next_cursor)
        if not self.truncated and self._wanted.cursor is None:  # of which the first page knew less
            self.matched, self.matched_capped = self.returned, False

    def _note(self, page: Page, *, first: bool) -> None:
        if first:
            self.matched, self.matched_capped = page.matched, page.matched_capped
        self.returned += page.returned
        self.truncated, self.next_cursor = page.truncated, page.next_cursor
        self.scanned_to = page.scanned_to if page.scan_incomplete else None

    def _everything(self) -> Iterator[list[LogRecordView]]:
        try:
            export = self._store.export(self._wanted)
        except DeweyError as exc:
            if type(exc) is not DeweyError:  # a filter that makes no sense
                raise
            yield from self._pages()
            return
        batch: list[LogRecordView] = []
        with closing(export):
            for record in export:
                batch.append(record)
                if len(batch) == PAGE:
                    self.returned += PAGE
                    yield batch
                    batch = []
        self.returned += len(batch)
        self.matched = self.returned
        yield batch
