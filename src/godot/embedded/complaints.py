"""What the children complain about, picked out of their logs for the person who runs `up`.

Everything stays in the files under `logs/`; only warnings and errors come to the terminal. A log
that grows past a limit is moved aside, once: the files of a stack that runs for months stay small.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

MAX_LOG_BYTES = 16_777_216
MAX_READ_BYTES = 262_144  # a flood goes to the file; the terminal gets the end of it
LOUD = ("WARN", "WARNING", "ERROR", "CRITICAL")


class Complaints:
    """Follows log files from where they end now."""

    def __init__(self) -> None:
        self._places: dict[Path, int] = {}

    def follow(self, path: Path) -> None:
        """Begin at the end of a file, which need not exist yet."""
        self._places.setdefault(path, _size(path))

    def new(self) -> Iterator[tuple[str, str]]:
        """Return (file's name without suffix, complaint) for each that was written since."""
        for path, place in self._places.items():
            text, self._places[path] = _read_lines(path, place)
            for line in text.splitlines():
                said = complaint_in(line)
                if said is not None:
                    yield path.stem, said
            if self._places[path] > MAX_LOG_BYTES:
                move_aside(path)
                self._places[path] = 0


def complaint_in(line: str) -> str | None:
    """Return what a line complains about; None for one that only informs.

    Our programs write JSON lines. Anything else was not meant for a log (a traceback before
    logging was set up, a warning of the interpreter) and is a complaint as it stands.
    """
    try:
        said = json.loads(line)
    except ValueError:
        return line.rstrip() or None
    if not isinstance(said, dict):
        return line.rstrip() or None
    if said.get("level") not in LOUD:
        return None
    known = ("time", "level", "logger", "message", "action", "exception")
    extra = [f"{key}={value}" for key, value in said.items() if key not in known]
    exception = str(said.get("exception", "")).strip().splitlines()
    return " ".join([str(said["level"]), str(said.get("message", "")), *extra, *exception[-1:]])


def move_aside(path: Path) -> None:
    """Keep a log as NAME.1 and empty it; its writer appends and goes on at the new end."""
    kept = path.with_name(f"{path.name}.1")
    try:
        shutil.copyfile(path, kept)
    except OSError:  # the disk is full: then room counts for more than old lines
        kept.unlink(missing_ok=True)
    os.truncate(path, 0)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read_lines(path: Path, place: int) -> tuple[str, int]:
    size = _size(path)
    if size < place:  # emptied by someone else
        place = 0
    if size == place:
        return "", place
    start = max(place, size - MAX_READ_BYTES)
    try:
        with path.open("rb") as log:
            log.seek(start)
            block = log.read(size - start)
            if start > place:  # begin with a whole line
                start += block.find(b"\n") + 1
                block = block[block.find(b"\n") + 1 :]
    except OSError:
        return "", place
    whole = block.rfind(b"\n") + 1  # the rest of the last line comes with the next call
    return block[:whole].decode("utf-8", "replace"), start + whole
