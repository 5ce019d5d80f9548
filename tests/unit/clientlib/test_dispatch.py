"""One step of the sender, with a server that takes everything at once."""

from __future__ import annotations

import threading
import time

import pytest

from clientlib.buffer import Intake
from clientlib.dispatch import Dispatch
from clientlib.framing import Source
from clientlib.outbox import MAX_SENT_BYTES
from clientlib.redaction import STANDARD
from clientlib.transport import Answers
from tests.unit.clientlib.unsent import destination


def test_what_another_thread_has_in_hand_at_the_end_is_told(monkeypatch, capfd):
    monkeypatch.setattr("clientlib.dispatch.PACKING_S", 0.01)
    intake = Intake(10_000, 33_554_432, lambda: None)
    dispatch = Dispatch(destination(), intake)
    begun, end = threading.Event(), threading.Event()

    def frame_whole(batch, producer, first) -> tuple[list[bytes], list[int]]:
        begun.set()
        end.wait()
        return [], []

    monkeypatch.setattr(dispatch.framer, "frame_whole", frame_whole)
    for _ in range(3):
        intake.put((20, 1, Source("c", STANDARD), None, None, "m", b"", None), 1)
    thread = threading.Thread(target=dispatch._take)
    thread.start()
    begun.wait()
    dispatch.print_rest()
    end.set()
    thread.join()
    assert "3 records neither sent nor printed" in capfd.readouterr().err


@pytest.mark.parametrize("size", [10, 3_000])
def test_what_is_packed_ahead_is_bounded_however_much_waits(monkeypatch, size: int):
    intake = Intake(10_000, 33_554_432, lambda: None)
    dispatch = Dispatch(destination(), intake)
    outbox = dispatch.shipping.outbox
    most = sent = 0

    def exchange(commands: list[bytes], patience_s=None, meanwhile=None) -> Answers:
        nonlocal most, sent
        if meanwhile is not None:
            meanwhile()
        most = max(most, outbox._bytes)
        sent += 1
        return Answers([None] * len(commands))

    monkeypatch.setattr(dispatch.shipping.transport, "exchange", exchange)
    source = Source("c", STANDARD)
    data = b'{"k":"%b"}' % (b"v" * size)
    for _ in range(40):
        while len(intake.queue) < 4_000:
            snapshot = (20, time.time_ns(), source, None, None, "m", data, None)
            intake.put(snapshot, len(data))
        dispatch.step()
    assert sent == 40
    assert dispatch.shipping.sent > 4_000
    assert most < 4 * MAX_SENT_BYTES
