"""A real worker that can be told to die at the two worst moments of a batch.

SIGUSR1: after the commit, before the acknowledgement. SIGUSR2: inside the transaction, after the
rows went in and before the commit.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from types import FrameType
from typing import Any

from dewey_logs.writer import Writer
from godot.__main__ import main
from godot.stream.group import Consumer
from godot.stream.ids import StreamID

doomed: set[int] = set()
acknowledge = Consumer.acknowledge
settle = Writer._settle


def on_signal(number: int, frame: FrameType | None) -> None:
    doomed.add(number)


def die_if(number: signal.Signals) -> None:
    if number in doomed:
        os.kill(os.getpid(), signal.SIGKILL)


def deadly_acknowledge(self: Consumer, ids: Sequence[StreamID]) -> int:
    die_if(signal.SIGUSR1)
    return acknowledge(self, ids)


def deadly_settle(self: Writer, *arguments: Any) -> None:
    settle(self, *arguments)
    die_if(signal.SIGUSR2)


signal.signal(signal.SIGUSR1, on_signal)
signal.signal(signal.SIGUSR2, on_signal)
Consumer.acknowledge = deadly_acknowledge  # type: ignore[method-assign]  # the mutation
Writer._settle = deadly_settle  # type: ignore[method-assign,assignment]  # the mutation
main()
