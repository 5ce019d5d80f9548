from __future__ import annotations

import os

import hiredis

from clientlib.announce import Announcement


def test_a_producer_says_who_it_is_and_how_far_it_sent():
    reader = hiredis.Reader()
    reader.feed(Announcement("logs").command("00000000aa", 17, "my  service", 3))
    command, key, field, value = reader.gets()
    assert (command, key, field) == (b"HSET", b"logs:producers", b"00000000aa")
    sent, component, host, pid, version, started_at, dropped = value.decode().split(" ")
    assert (sent, component, pid, dropped) == ("17", "my_service", str(os.getpid()), "3")
    assert host
    assert version
    assert started_at.endswith("Z")
