"""The embedded stack under demo traffic, and the hands that break and mend it.

The supervisor starts again what dies, within a second. So it is stopped (SIGSTOP) for as long as a
fault is to last: what it has started runs on meanwhile.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from godot.delivery import Delivery
from godot.embedded import instance
from godot.embedded.endpoint import Endpoint, read, variables
from godot.settings import Settings, load
from godot.stream.append import Appender
from tests.prometheus.programs import Failed

GODOT = (sys.executable, "-m", "godot")
RATE = 50
FLOOD = 150_000
PAGE = 1_000
ENVIRONMENT = {
    "GODOT_MCP_PORT": "0",
    "DEWEY_MCP_PORT": "0",
    "GODOT_HEARTBEAT_S": "1",
    "GODOT_RECLAIM_IDLE_MS": "5000",
}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Running:
    """A stack that runs."""

    def __init__(self, data_dir: Path, metrics_port: int) -> None:
        self.data_dir = data_dir
        self.metrics_port = metrics_port

    @property
    def endpoint(self) -> Endpoint:
        found = read(self.data_dir)
        assert found is not None
        return found

    @property
    def settings(self) -> Settings:
        return load(variables(self.endpoint))

    @contextmanager
    def without(self, *names: str) -> Iterator[None]:
        """Stop these children, and have them back in the end."""
        record = instance.read_record(self.data_dir)
        assert record is not None
        instance.send(record.supervisor, signal.SIGSTOP)
        try:
            for name in names:
                how = signal.SIGINT if name == "postgresql" else signal.SIGTERM
                instance.send(record.children[name], how)
            left = instance.wait_gone([record.children[name] for name in names], 30)
            if left:
                raise Failed(f"these did not stop: {left}")
            yield
        finally:
            instance.send(record.supervisor, signal.SIGCONT)

    def flood(self) -> None:
        """Append more than the stream holds."""
        with Delivery(self.settings) as delivery:
            for _ in range(FLOOD // PAGE):
                delivery.send([delivery.make("flood", "too much") for _ in range(PAGE)])

    def poison(self) -> None:
        """Append an entry that nobody can store."""
        with Appender(self.settings) as appender:
            appender.append_fields([[(b"component", b"poison"), (b"level", b"SHOUTING")]])

    def godot(self, *arguments: str) -> None:
        """Run a command of ours over the stack."""
        environ = {**os.environ, "GODOT_DATA_DIR": str(self.data_dir)}
        subprocess.run([*GODOT, *arguments], env=environ, check=True, capture_output=True)


@contextmanager
def running(data_dir: Path) -> Iterator[Running]:
    """Run `godot up --demo`; its output is kept in the folder beside."""
    port = free_port()
    environ = {
        **os.environ,
        **ENVIRONMENT,
        "GODOT_DATA_DIR": str(data_dir),
        "GODOT_METRICS_PORT": str(port),
    }
    said = data_dir.with_suffix(".output")
    with said.open("wb") as out:
        process = subprocess.Popen(
            [*GODOT, "up", "--demo", f"{RATE}/s", "--wait", "120s"],
            env=environ,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        while read(data_dir) is None:
            if process.poll() is not None:
                raise Failed(f"the stack does not run:\n{said.read_text()}")
            time.sleep(0.1)
        yield Running(data_dir, port)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
