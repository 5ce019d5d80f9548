"""Everything that writes in a run: producers' threads, and programs with the real client."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

from godot.embedded.process import Child
from tests.chaos.fleet import ROOT
from tests.chaos.producers import Named, Specials, Thread, Wanderers
from tests.chaos.programs import ProgramReport
from tests.chaos.world import World

ABORT_PATIENCE_S = 3.0


class Load(NamedTuple):
    """How much is written: threads and programs, and records a second of each."""

    named: int = 4
    named_rate: float = 120.0
    programs: int = 2
    program_rate: float = 60.0
    wanderers: int = 1
    wanderer_pause_s: float = 0.1


class Sources:
    """Everything that writes, started together and stopped together.

    The `prefix` tells the programs of several sources in one world apart.
    """

    def __init__(self, world: World, seed: str, load: Load, prefix: str = "") -> None:
        settings = world.settings()
        self._world = world
        self._seed = seed
        self.specials = Specials(settings, world.book, seed)
        self.threads: list[Thread] = [
            self.specials,
            *(
                Wanderers(settings, world.book, seed, pause_s=load.wanderer_pause_s)
                for _ in range(load.wanderers)
            ),
            *(
                Named(
                    f"service-{i}",
                    settings,
                    world.book,
                    seed,
                    rate=load.named_rate,
                    announce=i % 2 == 0,
                )
                for i in range(load.named)
            ),
        ]
        self.programs = [
            self._program(f"program-{prefix}{i}", load.program_rate) for i in range(load.programs)
        ]
        world.at_close.callback(self.close)
        for thread in self.threads:
            thread.start()

    def _program(self, name: str, rate: float) -> Child:
        world = self._world
        return Child(
            name,
            [
                *(sys.executable, "-m", "tests.chaos.program"),
                *(name, str(rate), self._seed, str(self._report(name))),
            ],
            log=world.folder / f"{name}.log",
            cwd=ROOT,
            env={
                **world.environ,
                "PATH": os.defpath,
                "GODOT_REDIS_URL": world.redis_url,
            },
        )

    def _report(self, name: str) -> Path:
        return self._world.folder / f"{name}.json"

    def stop(self, patience_s: float) -> bool:
        """Let everyone deliver what they have; False when somebody could not in time."""
        for program in self.programs:
            program.ask_to_stop()
        for thread in self.threads:
            thread.stop.set()
        deadline = time.monotonic() + patience_s
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        done = not any(thread.is_alive() for thread in self.threads)
        for thread in self.threads:
            thread.abort.set()
        for program in self.programs:
            done = program.wait(max(1.0, deadline - time.monotonic())) == 0 and done
        return done

    def failures(self) -> list[str]:
        """Return what ended a thread before its time."""
        return [thread.error for thread in self.threads if thread.error]

    def reports(self) -> list[ProgramReport]:
        found = []
        for program in self.programs:
            path = self._report(program.name)
            said = json.loads(path.read_text("utf-8")) if path.exists() else {}
            found.append(
                ProgramReport(
                    program.name,
                    int(said.get("producer", "0"), 16),
                    said.get("logged", 0),
                    said.get("delivered", False),
                    sum(said.get("dropped", {}).values()),
                )
            )
        return found

    def close(self) -> None:
        """End everyone at once; what they still have is not of interest any more."""
        for thread in self.threads:
            thread.stop.set()
            thread.abort.set()
        for program in self.programs:
            program.kill()
        for thread in self.threads:
            thread.join(ABORT_PATIENCE_S)
