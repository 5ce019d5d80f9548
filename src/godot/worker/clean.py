"""The short way of entries that need no care: records as our clients send them, in wire order.

That is nearly every one, and what decoding costs is most of what a worker's Python does. So entries
are read column by column: all their ids at once, all their times, and so on, each in a few steps
that do not depend on how many there are. Where a column has anything that differs, the halves of
the batch are tried on their own; the few that remain go the long way (decode.py), which would give
the same rows for the others.
"""

from __future__ import annotations

from binascii import unhexlify
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import product, repeat

from clientlib import MAX_COMPONENT_CHARS, MAX_MESSAGE_BYTES, read_record_ids
from dewey_logs import LogRow, Source
from godot.stream.replies import Entry
from godot.worker.payload import all_clean

LEVELS = {name.encode(): name for name in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FEW = 16  # dividing these further costs as much as the long way

_ALWAYS = (b"id", b"created_at", b"component", b"level", b"message")
# the names of an entry → where its trace id and its data stand, 0 for nowhere
_PLACES = {
    (*_ALWAYS, *(b"trace_id",) * trace, *(b"data",) * data): (
        11 * trace,
        (11 + 2 * trace) * data,
    )
    for trace, data in product((0, 1), repeat=2)
}
_HYPHENS = (8, 13, 18, 23)


class _NeedsCare(ValueError):
    """Something in a column is not as our clients write it."""


def clean_rows(
    entries: Sequence[Entry], deliveries: Sequence[int], back_us: int, ahead_us: int
) -> list[LogRow | None]:
    """Return the row of each entry, None for one that has to go the long way.

    `deliveries` is how often each was delivered; `back_us` and `ahead_us` are the accepted window
    around an entry's time.
    """
    rows: list[LogRow | None] = [None] * len(entries)
    alike: defaultdict[tuple[bytes, ...], list[int]] = defaultdict(list)
    for at, entry in enumerate(entries):
        alike[tuple(entry.raw[::2])].append(at)
    waiting = [
        # others' levels are odd more often than anything else: they do not cost our records halving
        (_PLACES[names], [at for at in found if entries[at].raw[7] in LEVELS])
        for names, found in alike.items()
        if names in _PLACES
    ]
    while waiting:
        places, found = waiting.pop()
        if not found:
            continue
        part = [entries[at] for at in found]
        try:
            made = _rows(part, [deliveries[at] for at in found], places, back_us, ahead_us)
        except ValueError:
            middle = len(found) // 2
            if middle >= FEW:
                waiting += [(places, found[:middle]), (places, found[middle:])]
        else:
            for at, row in zip(found, made, strict=True):
                rows[at] = row
    return rows


def _rows(
    entries: Sequence[Entry],
    deliveries: Sequence[int],
    places: tuple[int, int],
    back_us: int,
    ahead_us: int,
) -> Iterable[LogRow]:
    """Return the rows of entries with the same names; raises ValueError where any needs care."""
    columns = list(zip(*[entry.raw for entry in entries], strict=True))
    ids, sequences, producers = _ids(columns[1])
    times = _times(columns[3])
    components = list(map(_component, columns[5]))
    levels = list(map(LEVELS.__getitem__, columns[7]))
    messages = _messages(columns[9])
    trace_at, data_at = places
    if data_at and not all_clean(columns[data_at]):
        raise _NeedsCare
    came_ms = [entry.id[0] for entry in entries]
    if min(times) < max(came_ms) * 1000 - back_us or max(times) > min(came_ms) * 1000 + ahead_us:
        raise _NeedsCare  # or they came at very different times, and their halves will do
    entry_ids = ["%d-%d" % entry.id for entry in entries]  # noqa: UP031  # faster than by its name
    return map(
        LogRow,
        ids,
        times,
        components,
        levels,
        messages,
        _trace_ids(columns[trace_at]) if trace_at else repeat(None),
        columns[data_at] if data_at else repeat(None),
        producers,
        sequences,
        map(Source, entry_ids, [entry.raw for entry in entries], deliveries),
    )


def _ids(column: Sequence[bytes]) -> tuple[list[bytes], list[int], list[int]]:
    """Return ids of ours, and the sequences and producers in them."""
    raw = unhexlify(_uuids(column).replace(b"-", b""))
    ours = read_record_ids(raw)
    if ours is None:
        raise _NeedsCare
    return [raw[at : at + 16] for at in range(0, len(raw), 16)], *ours


def _uuids(column: Sequence[bytes]) -> bytes:
    """Return the texts joined, each 36 long with four hyphens at their places."""
    text = b"".join(column)
    n = len(column)
    if (
        set(map(len, column)) != {36}
        or text.count(b"-") != 4 * n
        or any(text[at::36] != b"-" * n for at in _HYPHENS)
    ):
        raise _NeedsCare
    return text


def _times(column: Sequence[bytes]) -> list[int]:
    """Return microseconds since 1970."""
    text = b"".join(column)
    if (
        set(map(len, column)) != {27}
        or text[26::27] != b"Z" * len(column)
        or b" " in text  # strptime takes a day of one digit
        or not b"".join([text[at::27] for at in range(20, 26)]).isdigit()
    ):
        raise _NeedsCare
    whole = text.decode("ascii")
    starts = range(0, len(whole), 27)
    return [_second_us(whole[at : at + 20]) + int(whole[at + 20 : at + 26]) for at in starts]


@lru_cache(1024)
def _second_us(text: str) -> int:
    """Return a time up to its seconds' point; raises ValueError for any other form."""
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.")
    return (moment.replace(tzinfo=UTC) - EPOCH) // MICROSECOND


@lru_cache(4096)
def _component(raw: bytes) -> str:
    """Return a name that services repeat in every record."""
    if not (0 < len(raw) <= MAX_COMPONENT_CHARS and raw.isascii()) or b"\0" in raw or raw.isspace():
        raise _NeedsCare
    return raw.decode("ascii")


def _messages(column: Sequence[bytes]) -> list[str]:
    if max(map(len, column)) > MAX_MESSAGE_BYTES or b"\0" in b"".join(column):
        raise _NeedsCare
    return list(map(bytes.decode, column))


def _trace_ids(column: Sequence[bytes]) -> list[str]:
    text = _uuids(column)
    if text.translate(None, b"-0123456789abcdef"):
        raise _NeedsCare
    whole = text.decode("ascii")
    return [whole[at : at + 36] for at in range(0, len(whole), 36)]
