"""Which processes belong to a data folder, so that two never run over one and none is forgotten.

A lock (flock) tells whether a supervisor lives: the kernel drops it however the process ends, so a
killed one never blocks the next. Process ids are recorded with their start time, because ids are
used again: what was not started by us is never signalled.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import msgspec

from godot.errors import StackProblem

RUN_FOLDER = "run"
LOCK_FILE = "up.lock"
RECORD_FILE = "stack.json"
MOMENT_S = 1.0


class Identity(msgspec.Struct, frozen=True):
    """One process for good: its id, its start in clock ticks since boot, and which boot."""

    pid: int
    started: int
    boot: str


class Record(msgspec.Struct, frozen=True):
    """What runs over a data folder."""

    supervisor: Identity
    children: dict[str, Identity]
    ephemeral: bool = False


def identify(pid: int) -> Identity | None:
    """Return who the process is now; None when there is none or it has ended (a zombie)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return None
    # the second field is the program's name in brackets and may contain anything
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else Identity(pid, int(fields[18]), boot)


def alive(process: Identity) -> bool:
    """Say whether this very process still runs."""
    return identify(process.pid) == process


def send(process: Identity, signum: signal.Signals) -> None:
    """Signal this very process; nothing happens when it is gone."""
    if alive(process):
        try:
            os.kill(process.pid, signum)
        except ProcessLookupError:
            return
        except PermissionError as exc:
            raise StackProblem(
                f"process {process.pid} belongs to another user", "run this as that user", "GD-4011"
            ) from exc


def wait_gone(processes: Iterable[Identity], timeout_s: float) -> list[Identity]:
    """Wait until all have ended; return those that have not."""
    deadline = time.monotonic() + timeout_s
    left = [process for process in processes if alive(process)]
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = [process for process in left if alive(process)]
    return left


def leftovers(data_dir: Path) -> dict[str, Identity]:
    """Return the recorded children that still run, by name."""
    record = read_record(data_dir)
    children = record.children if record is not None else {}
    return {name: process for name, process in children.items() if alive(process)}


def end_leftovers(data_dir: Path, servers: Collection[str], timeout_s: float) -> list[str]:
    """Wait for children whose supervisor was killed; return the names of those that had to be.

    The kernel told them to stop. Servers get the time they need: one that still writes must not
    meet its successor. Once they are gone our programs have nothing to finish with, and what they
    hold is delivered again: they get a moment only.
    """
    there = leftovers(data_dir)
    own_servers = [process for name, process in there.items() if name in servers]
    late = wait_gone(own_servers, timeout_s)
    late += wait_gone(
        [process for process in there.values() if process not in own_servers],
        MOMENT_S if had_servers(data_dir, servers) else timeout_s,
    )
    for process in late:
        send(process, signal.SIGKILL)
    wait_gone(late, 10.0)
    return [name for name, process in there.items() if process in late]


def had_servers(data_dir: Path, servers: Collection[str]) -> bool:
    """Say whether the recorded stack ran servers of its own."""
    record = read_record(data_dir)
    return record is not None and not record.children.keys().isdisjoint(servers)


class Lock:
    """The right to run over a data folder; held until closed or until the process ends."""

    def __init__(self, data_dir: Path) -> None:
        """Take the lock. Raises StackProblem naming the process that holds it."""
        folder = data_dir / RUN_FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        self._descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise StackProblem(
                f"a stack already runs over {data_dir} (process {holder or 'unknown'})",
                "use it (godot env), stop it (godot down), or choose another --data-dir",
                "GD-4002",
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def write_record(data_dir: Path, children: Mapping[str, int], *, ephemeral: bool = False) -> None:
    """Write down who runs, so that `down` and the next `up` can find them."""
    me = identify(os.getpid())
    assert me is not None, "this process has no /proc entry"
    known = {name: identify(pid) for name, pid in children.items()}
    record = Record(me, {name: who for name, who in known.items() if who is not None}, ephemeral)
    replace_file(data_dir / RUN_FOLDER / RECORD_FILE, msgspec.json.encode(record))


def read_record(data_dir: Path) -> Record | None:
    try:
        text = (data_dir / RUN_FOLDER / RECORD_FILE).read_bytes()
        return msgspec.json.decode(text, type=Record)
    except (OSError, msgspec.DecodeError):
        return None


def remove_record(data_dir: Path) -> None:
    (data_dir / RUN_FOLDER / RECORD_FILE).unlink(missing_ok=True)


def replace_file(path: Path, content: bytes) -> None:
    """Write a private file so that a reader sees the old content or the new, never a part."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    fresh.replace(path)
