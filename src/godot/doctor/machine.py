"""This machine: versions, settings, what `godot` in the PATH is, and room on the disk."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import godot
from godot.configuration import listing
from godot.doctor.result import Result
from godot.settings import Settings
from godot.wording import size

OLDEST_PYTHON = (3, 11)
FULL, NEARLY_FULL = 0.95, 0.85
ENOUGH_BYTES = 20 * 2**30  # a large disk may be fuller


def examine(settings: Settings) -> Iterator[Result]:
    """Yield the results; nothing here asks a server."""
    yield _versions()
    yield _settings()
    yield from _command()
    yield from _disk(settings.data_dir)


def _versions() -> Result:
    said = f"python {platform.python_version()}, godot {godot.__version__}"
    if sys.version_info < OLDEST_PYTHON:
        return Result("GD-5001", "failed", said, "install Python 3.11 or newer")
    return Result("GD-5001", "ok", said)


def _settings() -> Result:
    found = listing()
    wrong = [one.problem for one in found if one.problem is not None]
    if wrong:
        return Result("GD-5002", "failed", "; ".join(wrong), "godot config --origin")
    given = sum(one.origin != "default" for one in found)
    return Result("GD-5002", "ok", f"{len(found)} settings can be used, {given} of them are set")


def _command() -> Iterator[Result]:
    """Say whose `godot` a shell would run: the game engine's program has the same name."""
    found = shutil.which("godot")
    if found is None:
        text = "godot is not in the PATH"
        yield Result("GD-5003", "warning", text, f"call {sys.executable} -m godot, or extend PATH")
        return
    if _is_ours(Path(found)):
        yield Result("GD-5003", "ok", f"godot is {found}")
    else:
        text = f"godot in the PATH is {found}, not this program"
        yield Result("GD-5003", "warning", text, "call godot-logs instead")


def _is_ours(path: Path) -> bool:
    try:
        head = path.read_bytes()[:1_000]
    except OSError:
        return False
    return b"godot.__main__" in head


def _disk(data_dir: Path) -> Iterator[Result]:
    where = next((one for one in (data_dir, *data_dir.parents) if one.is_dir()), None)
    if where is None or not os.access(where, os.R_OK | os.X_OK):
        yield Result("GD-5004", "unknown", f"{data_dir} cannot be looked at")
        return
    usage = shutil.disk_usage(where)
    used = 1 - usage.free / usage.total
    text = f"the disk under {data_dir} is {used:.0%} full, {size(usage.free)} are free"
    if used >= FULL and usage.free < ENOUGH_BYTES:
        yield Result("GD-5004", "failed", text, "make room, or lower LOG_RETENTION_DAYS")
    elif used >= NEARLY_FULL and usage.free < ENOUGH_BYTES:
        yield Result("GD-5004", "warning", text, "make room before it is full")
    else:
        yield Result("GD-5004", "ok", text)
