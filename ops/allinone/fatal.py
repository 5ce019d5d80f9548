"""supervisord's listener: a program that is FATAL brings everything down.

It only says who it was and asks supervisord to stop, which drains the others in order; the exit
code is made of that by `run`. The protocol is supervisor's: READY, a header line, a body, RESULT.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

MARK = Path("/tmp/godot/fatal")  # noqa: S108  # nosec B108  # the container's own tmpfs


def pairs(text: str) -> dict[str, str]:
    """Return what a line of `name:value` words says."""
    return dict(word.split(":", 1) for word in text.split())


def main() -> None:
    while True:
        sys.stdout.write("READY\n")
        sys.stdout.flush()
        header = sys.stdin.readline()
        if not header:
            return
        event = pairs(sys.stdin.read(int(pairs(header)["len"])))
        if not MARK.exists():
            MARK.write_text(event["processname"], "utf-8")
        os.kill(os.getppid(), signal.SIGTERM)
        sys.stdout.write("RESULT 2\nOK")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
