"""Where the servers of the tests keep their files: in memory, where there is room for them.

A database of its own for every test is a thousand small files made and synced; on a disk that is
what many tests mostly wait for. What a server promises about its disk is tried by tests/chaos.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM_BYTES = 4 << 30


@contextmanager
def server_folder() -> Iterator[Path]:
    """Give an empty folder for servers, as `mktemp -d` makes it; remove it in the end."""
    folder = Path(tempfile.mkdtemp(prefix="godot-test-", dir=_memory()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _memory() -> Path | None:
    try:
        return MEMORY if shutil.disk_usage(MEMORY).free >= ROOM_BYTES else None
    except OSError:
        return None
