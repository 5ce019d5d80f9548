"""Stacks of stand-ins, each in a process of its own, and how to wait for what they do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from godot.embedded import instance
from godot.embedded.endpoint import Endpoint, read

RUN_STACK = str(Path(__file__).with_name("run_stack.py"))
DEADLINE_S = 90.0


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that is bound to happen."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)


class Run:
    """One stack in a process of its own; what it says is kept in a file."""

    def __init__(
        self,
        data_dir: Path,
        arguments: tuple[str, ...],
        env: Mapping[str, str],
        *,
        python: str = sys.executable,
        user: str | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.journal = Path(f"{data_dir}.journal")
        self.output = Path(f"{data_dir}.output")
        with self.output.open("a") as out:
            self.process = subprocess.Popen(
                [python, RUN_STACK, str(data_dir), *(arguments or ("1",))],
                stdout=out,
                stderr=out,
                user=user,
                extra_groups=[] if user else None,
                start_new_session=True,  # as on a terminal of its own
                env={
                    **{k: v for k, v in os.environ.items() if k != "GODOT_DATA_DIR"},
                    "GODOT_MCP_PORT": "0",
                    "DEWEY_MCP_PORT": "0",
                    "STAND_IN_JOURNAL": str(self.journal),
                    **env,
                },
            )

    def wait_ready(self) -> Endpoint:
        until(lambda: self.said("READY") or self.process.poll() is not None, "the stack is ready")
        endpoint = read(self.data_dir)
        assert endpoint is not None, self.output.read_text()
        return endpoint

    def said(self, text: str) -> bool:
        return text in self.output.read_text()

    def everything(self) -> dict[str, instance.Identity]:
        record = instance.read_record(self.data_dir)
        assert record is not None
        return {"supervisor": record.supervisor, **record.children}

    def end(self, signum: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(signum)
        return self.process.wait(DEADLINE_S)


Start = Callable[..., Run]
