"""Run a stack over DATA_DIR whose programs are stand-ins; prints what `godot up` would say.

run_stack.py DATA_DIR [WORKERS] [ROLE=FLAG ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

from godot.embedded import stack
from godot.embedded.plan import Options
from godot.errors import GodotError


def main() -> None:
    data_dir, workers, *given = sys.argv[1:]
    flags = dict(item.split("=") for item in given)

    def stand_in(role: str) -> tuple[str, ...]:
        program = str(Path(__file__).with_name("stand_in.py"))
        return (sys.executable, program, role, *([flags[role]] if role in flags else []))

    options = Options(
        data_dir=Path(data_dir),
        workers=int(workers),
        ephemeral="ephemeral" in flags,
        start_timeout_s=float(flags.get("timeout", "30")),
        worker=stand_in("worker"),
        mcp=stand_in("mcp"),
        dewey=stand_in("dewey"),
    )
    try:
        signum = stack.run(
            options,
            say=lambda line: print(line, flush=True),
            on_ready=lambda endpoint: print("READY", flush=True),
        )
    except GodotError as exc:
        sys.exit(f"{type(exc).__name__}: {exc}")
    print(f"ended by {signum.name}", flush=True)


if __name__ == "__main__":
    main()
