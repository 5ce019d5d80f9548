"""Ending a long run from outside without leaving servers behind."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType


def interruptible(run: Callable[[], int]) -> int:
    """Run until it is done; SIGTERM ends it as a Ctrl-C does, with everything taken down."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, on_signal)
    try:
        return run()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
