"""How a producer makes itself known: one field of the hash `{stream}:producers`.

The value is `sent_seq component host pid version started_at dropped`; `sent_seq` is the highest
sequence number handed to Redis so far, so that a producer whose every entry was trimmed is known
all the same.
"""

from __future__ import annotations

import os
import time

from clientlib.record import timestamp
from clientlib.resp import bulk

VERSION = "0.1.0"


class Announcement:
    """Spells the HSET of one process's producer."""

    def __init__(self, stream: str) -> None:
        self.key = f"{stream}:producers"
        self._started_at = timestamp(time.time_ns() // 1_000)
        self._host = ""

    def command(self, producer: str, sent: int, component: str, dropped: int) -> bytes:
        """Return the packed command."""
        self._host = self._host or "_".join(os.uname().nodename.split()) or "-"
        name = "_".join(component.split()) or "-"
        value = f"{sent} {name} {self._host} {os.getpid()} {VERSION} {self._started_at} {dropped}"
        parts = ("HSET", self.key, producer, value)
        return b"*4\r\n" + b"".join([bulk(part.encode("utf-8", "replace")) for part in parts])
