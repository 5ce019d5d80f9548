"""Real worker processes, each behind proxies of its own, restarted whenever they die.

One proxy for each worker and server: a stopped worker must not hold up its peers, and a fault can
cut off one worker alone. A worker that ends without being asked to is a finding, not an accident.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from godot.embedded.process import Child
from godot.embedded.valkey import Valkey
from tests.chaos.deweys import Dewey
from tests.proxy import Proxy

GODOT = "godot"  # the module that is run; the mutants have others
MORTAL = "tests.chaos.workers.mortal"
STOP_PATIENCE_S = 40.0
ROOT = Path(__file__).resolve().parents[2]


class Slot:
    """One worker's place: its two proxies and the process that runs now."""

    def __init__(
        self, index: int, module: str, folder: Path, redis: Proxy, postgres: Proxy
    ) -> None:
        self.index = index
        self.module = module
        self.log = folder / f"worker-{index}.log"
        self.redis = redis
        self.postgres = postgres
        self.child: Child | None = None
        self.held = False  # down until released
        self.gone = False  # down for good
        self.ending = ""  # how we asked it to end: kill or term
        self.asked_at = 0.0
        self.frozen = False
        self._worked = 0

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.running

    @property
    def works(self) -> bool:
        """Say whether the process that runs now has got past its start."""
        if self.child is None or not self.child.running:
            return False
        if self._worked != self.child.pid and "worker started" in self.child.last_words(500_000):
            self._worked = self.child.pid
        return self._worked == self.child.pid


class Fleet:
    """All workers; used from the main thread only, since children die with the thread they have."""

    def __init__(
        self,
        folder: Path,
        count: int,
        module: str,
        *,
        valkey: Valkey,
        postgres_socket: Path,
        environ: dict[str, str],
        redis_login: str,
        database_user: str,
        dewey: Dewey | None = None,
    ) -> None:
        self._environ = environ
        self._redis_login = redis_login
        self._database_user = database_user
        self.dewey = dewey  # through which the workers store; None: they do it themselves
        store = postgres_socket if dewey is None else ("127.0.0.1", dewey.port)
        self.starts = 0
        self.endings: list[str] = []  # of workers that nobody had asked to end
        self.slots = [
            Slot(
                index,
                MORTAL if module == GODOT and index == 0 else module,
                folder,
                Proxy(valkey.socket),
                Proxy(store),
            )
            for index in range(count)
        ]

    def tend(self) -> None:
        """Start every worker, and Dewey, that is not running and not held down."""
        if self.dewey is not None:
            self.dewey.tend()
        for slot in self.slots:
            if slot.child is not None and not slot.child.running:
                self._bury(slot, slot.child)
            elif slot.ending == "term" and time.monotonic() > slot.asked_at + STOP_PATIENCE_S:
                self.endings.append(f"worker {slot.index} ignored SIGTERM for {STOP_PATIENCE_S} s")
                self.kill(slot)
            if slot.child is None and not slot.held and not slot.gone:
                self._start(slot)

    def kill(self, slot: Slot) -> None:
        """End a worker as a crash would."""
        slot.ending = "kill"
        slot.frozen = False
        if slot.child is not None:
            slot.child.kill()

    def terminate(self, slot: Slot) -> None:
        """Ask a worker to end in order."""
        if slot.child is not None:
            slot.ending, slot.asked_at = "term", time.monotonic()
            slot.child.ask_to_stop()

    def freeze(self, slot: Slot) -> None:
        self._signal(slot, signal.SIGSTOP)
        slot.frozen = True

    def thaw(self, slot: Slot) -> None:
        if slot.frozen:
            slot.frozen = False
            self._signal(slot, signal.SIGCONT)

    def doom(self, slot: Slot, number: signal.Signals) -> None:
        """Tell the mortal worker to die at a point of its own."""
        slot.ending = "kill"
        self._signal(slot, number)

    def heal(self) -> None:
        for slot in self.slots:
            self.thaw(slot)
            slot.held = False
            slot.redis.heal()
            slot.postgres.heal()
        if self.dewey is not None:
            self.dewey.held = False
        self.tend()

    def close(self) -> None:
        """Stop every worker in order; what does not end in time is killed."""
        for slot in self.slots:
            self.thaw(slot)
            if slot.child is not None:
                slot.child.ask_to_stop()
        for slot in self.slots:
            if slot.child is not None:
                slot.child.wait(STOP_PATIENCE_S)
            slot.redis.close()
            slot.postgres.close()
        if self.dewey is not None:
            self.dewey.close()

    def pids(self) -> dict[str, int]:
        return {f"worker {s.index}": s.child.pid for s in self.slots if s.child and s.running}

    def _start(self, slot: Slot) -> None:
        slot.ending = ""
        self.starts += 1
        environ = {
            **os.environ,
            "GODOT_REDIS_URL": f"redis://{self._redis_login}127.0.0.1:{slot.redis.port}/0",
            "DEWEY_URL": self._way(slot),
            **self._environ,  # may name other ways
        }
        slot.child = Child(
            f"worker-{slot.index}",
            [sys.executable, "-m", slot.module, "worker"],
            log=slot.log,
            cwd=ROOT,
            env=environ,
        )

    def _way(self, slot: Slot) -> str:
        """Return a worker's way to the store, through its proxy."""
        if self.dewey is not None:
            return f"http://127.0.0.1:{slot.postgres.port}/mcp"
        address = f"{self._database_user}@127.0.0.1:{slot.postgres.port}"
        return f"postgresql://{address}/dewey?sslmode=disable&gssencmode=disable"

    def _bury(self, slot: Slot, child: Child) -> None:
        code = child.popen.returncode
        asked = slot.ending == "kill" or (slot.ending == "term" and code == 0)
        if not asked:
            words = child.last_words(600).splitlines()[-1:]
            why = f"with {code} after being asked to {slot.ending or 'nothing'}"
            self.endings.append(f"worker {slot.index} ended {why}: {' '.join(words)}")
        slot.child = None
        slot.ending = ""
        slot.frozen = False

    def _signal(self, slot: Slot, number: signal.Signals) -> None:
        if slot.running and slot.child is not None:
            slot.child.popen.send_signal(number)
