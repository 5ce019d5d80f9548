"""`python -m godot`, and the console scripts `godot` and `godot-logs`."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal itself imports enum, and takes its time
import gc
import io
import os
import sys

INTERRUPTED = 130
YOUNG_OBJECTS = 100_000  # imports leave no garbage: looking for it took an eighth of their time


def main() -> None:
    """Run the command line and exit with its code.

    Where only the client is installed there is no command line: that is one line and exit code 1.
    """
    gc.set_threshold(YOUNG_OBJECTS)
    interruptible = _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler
    if interruptible:  # else our caller wants it ignored
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # nobody is there yet who would catch it
    try:
        from godot.cli import godot
    except ModuleNotFoundError as exc:
        if exc.name != "click":
            raise
        sys.exit("only the client is installed here: pip install 'godot-logs[server]'")
    if sys.stdout is None:  # closed by the caller, who wants no data
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # lives as long as we
    if sys.stderr is None:  # or no word
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # as long as we, too
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  # and this
    if isinstance(sys.stdout, io.TextIOWrapper):  # what a terminal of Latin-1 lacks is escaped
        sys.stdout.reconfigure(errors="backslashreplace")
    if interruptible:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    try:
        godot(prog_name="godot")
    except SystemExit as exc:
        if exc.code == INTERRUPTED:
            _end_at_once()
        raise
    finally:
        gc.freeze()  # nor is there any to look for at the end, which took another fifth


def _end_at_once() -> None:
    """End without taking the interpreter apart under the threads of a connection pool.

    Seen once, in thousands of interruptions: a segmentation fault instead of an exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        try:  # noqa: SIM105  # contextlib would be one more import before main
            stream.flush()
        except (OSError, ValueError):
            pass
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
