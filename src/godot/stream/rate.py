"""How fast a stream fills and how soon that costs records: what two looks at its counters tell.

Trimming takes the oldest entries, so a record is lost when trimming reaches it before a worker did.
The room until then shrinks by what is appended and grows by what is settled. Only differences of
the group's `entries-read` are used: the number itself is wrong after unread entries were trimmed.
While they are being trimmed it leaps over them, as if they had been read: so a stream without room
to speak of is losing records now, whatever the numbers say.
"""

from __future__ import annotations

import msgspec

SHORTEST_S = 0.05  # between two readings; less says nothing
BRINK = 0.02  # of the limit: what a batch that was just read leaves free


class Reading(msgspec.Struct, frozen=True):
    """The counters at one moment of our monotonic clock; `read` is None where Redis does not know.

    `added` and `read` count entries ever appended and ever delivered for the first time.
    """

    at_s: float
    added: int
    read: int | None
    pending: int


class Rate(msgspec.Struct, frozen=True):
    """Entries a second: appended, and by how much more than settled (None: not known)."""

    added_per_s: float
    growth_per_s: float | None


def rate(before: Reading, after: Reading) -> Rate | None:
    """Return what happened between two readings; None for different streams or too short a time."""
    seconds = after.at_s - before.at_s
    added = after.added - before.added
    if seconds < SHORTEST_S or added < 0:
        return None
    growth = None
    if before.read is not None and after.read is not None and after.read >= before.read:
        settled = after.read - before.read - (after.pending - before.pending)
        growth = (added - settled) / seconds
    return Rate(added / seconds, growth)


def buffer_seconds(room: int, found: Rate) -> float | None:
    """Return how long the stream holds if nothing is read any more; None: without end."""
    return room / found.added_per_s if found.added_per_s > 0 else None


def loss_in_seconds(room: int, limit: int, found: Rate) -> float | None:
    """Return in how many seconds trimming reaches unread entries, as things go; None: it does not.

    Where it is not known what is settled, nothing is taken to be.
    """
    if room <= limit * BRINK and found.added_per_s > 0:
        return 0.0
    growth = found.added_per_s if found.growth_per_s is None else found.growth_per_s
    return room / growth if growth > 0 else None
