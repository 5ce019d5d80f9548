"""How long a person waits for the command line itself: help, completion, a look at the pipeline."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

RUNS = 15
HELP = (sys.executable, "-m", "godot", "--help")
COMPLETING = {"_GODOT_COMPLETE": "bash_complete", "COMP_WORDS": "godot gro", "COMP_CWORD": "1"}


def run() -> Iterator[dict[str, object]]:
    cases: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
        "bare interpreter": ((sys.executable, "-c", "pass"), {}),
        "godot --help": (HELP, {}),
        "godot groups --help": ((*HELP[:-1], "groups", "--help"), {}),
        "completion of a command's name": (HELP[:-1], COMPLETING),
        "godot explain GD-2001": ((*HELP[:-1], "explain", "GD-2001"), {}),
    }
    for what, (command, variables) in cases.items():
        taken = [_milliseconds(command, variables) for _ in range(RUNS)]
        yield {
            "bench": "cli",
            "what": f"{what}, median of {RUNS}",
            "value": round(median(taken), 1),
            "unit": "ms",
        }


def _milliseconds(command: tuple[str, ...], variables: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env={**os.environ, **variables}, capture_output=True, check=False)
    return (time.perf_counter() - began) * 1000
