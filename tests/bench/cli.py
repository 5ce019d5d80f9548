"""How long a person waits for the command line itself: help, completion, a look at the pipeline.

CPU is what the system counted for the process (user and system), so other programs matter less to
it than to the time on the clock. Where opentelemetry-sdk is installed redis imports it.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from statistics import median

from tests.bench.stack import stack

RUNS = 20
GODOT = (sys.executable, "-m", "godot")
COMPLETING = {"_GODOT_COMPLETE": "bash_complete", "COMP_WORDS": "godot gro", "COMP_CWORD": "1"}
NOTHING: dict[str, str] = {}


def run() -> Iterator[dict[str, object]]:
    with stack() as here, here.worker():
        cases: dict[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
            "bare interpreter": ((sys.executable, "-c", "pass"), NOTHING),
            "godot --help": ((*GODOT, "--help"), NOTHING),
            "godot groups --help": ((*GODOT, "groups", "--help"), NOTHING),
            "completion of a command's name": (GODOT, COMPLETING),
            "godot explain GD-2001": ((*GODOT, "explain", "GD-2001"), NOTHING),
            "godot status": ((*GODOT, "status"), here.environ),
        }
        for what, (command, variables) in cases.items():
            taken = [_milliseconds(command, variables) for _ in range(RUNS)]
            for name, values in zip(("clock", "CPU"), zip(*taken, strict=True), strict=True):
                yield {
                    "bench": "cli",
                    "what": f"{what}, {name}, median of {RUNS}",
                    "value": round(median(values), 1),
                    "unit": "ms",
                }


def _milliseconds(command: tuple[str, ...], variables: Mapping[str, str]) -> tuple[float, float]:
    """Return what a program took, by the clock and in CPU."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env={**os.environ, **variables}, capture_output=True, check=False)
    ended, after = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (ended - began) * 1000, cpu_s * 1000
