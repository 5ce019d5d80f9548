"""Run a stack over DATA_DIR whose programs are stand-ins; prints what `godot up` would say.

run_stack.py DATA_DIR [WORKERS] [ROLE=FLAG ...]

With `late=ROLE` the time for starting is over once that program has begun and all others are ready.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from godot.embedded import stack
from godot.embedded.plan import Options
from godot.errors import GodotError

START_S = 90.0  # a busy machine is no finding


def main() -> None:
    data_dir, workers, *given = sys.argv[1:]
    flags = dict(item.split("=") for item in given)

    def stand_in(role: str) -> tuple[str, ...]:
        program = str(Path(__file__).with_name("stand_in.py"))
        return (sys.executable, program, role, *([flags[role]] if role in flags else []))

    ready: list[str] = []
    journal = Path(os.environ["STAND_IN_JOURNAL"])
    clock = time.monotonic

    def say(line: str) -> None:
        print(line, flush=True)
        ready.extend(line.split()[1:2] if "✓" in line else ())

    def late() -> float:
        begun = {"worker-1", "dewey"} < {
            *ready
        } and f"{flags['late']} started" in journal.read_text()
        return clock() + START_S * begun

    if "late" in flags:
        time.monotonic = late
    options = Options(
        data_dir=Path(data_dir),
        workers=int(workers),
        ephemeral="ephemeral" in flags,
        start_timeout_s=START_S,
        worker=stand_in("worker"),
        mcp=stand_in("mcp"),
        dewey=stand_in("dewey"),
    )
    try:
        signum = stack.run(
            options,
            say=say,
            on_ready=lambda endpoint: print("READY", flush=True),
        )
    except GodotError as exc:
        sys.exit(f"{type(exc).__name__}: {exc}")
    print(f"ended by {signum.name}", flush=True)


if __name__ == "__main__":
    main()
