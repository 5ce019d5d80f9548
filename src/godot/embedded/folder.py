"""The data folder: made ready before anything starts, emptied only of what we made.

Nothing outside of it is created or changed. Whether a folder is ours is said by a marker file,
which only a new or an empty folder is given: names like `run` and `logs` prove nothing, and
`down --wipe` must never meet someone's files.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from godot.embedded.instance import RUN_FOLDER
from godot.embedded.services import LOG_FOLDER
from godot.errors import StackProblem

SERVERS = ("valkey", "postgres")
MARKER = ".godot-stack"
MARKER_TEXT = "Made by `godot up`, which keeps a stack here; `godot down --wipe` removes it.\n"
# the marker last: a removal that was interrupted can be repeated
OURS = ("endpoint.json", RUN_FOLDER, LOG_FOLDER, *SERVERS, MARKER)
NEEDED_BYTES = 268_435_456  # a new cluster, its first WAL files and the copy for `nobody`: 150 MB


def prepare(data_dir: Path, *, needed_bytes: int = NEEDED_BYTES) -> None:
    """Make the folder and its parts. Raises StackProblem when the stack could not live there."""
    with explained(data_dir):
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        require_ours(data_dir)
        if not _is_marked(data_dir):
            (data_dir / MARKER).write_text(MARKER_TEXT, "utf-8")
        for part in (RUN_FOLDER, LOG_FOLDER):
            (data_dir / part).mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0 and not data_dir.stat().st_mode & stat.S_IXOTH:
            # PostgreSQL runs as `nobody` and has to pass through; it can list and read nothing
            data_dir.chmod(0o711)
        new = not (data_dir / "postgres" / "cluster").exists()
        free_bytes = shutil.disk_usage(data_dir).free
    if new and free_bytes < needed_bytes:
        raise StackProblem(
            f"the disk under {data_dir} has {free_bytes >> 20} MiB left, "
            f"a new stack needs {needed_bytes >> 20}",
            "make room, or choose another --data-dir",
            "GD-4006",
        )


def require_ours(data_dir: Path) -> None:
    """Raise StackProblem when a folder holds anything and was not made ready by us."""
    with explained(data_dir):
        # listed first: who prepares it at the same time writes the marker before anything else
        found = sorted(entry.name for entry in data_dir.iterdir()) if data_dir.exists() else []
        if found and not _is_marked(data_dir):
            raise StackProblem(
                f"{data_dir} holds other things ({', '.join(found[:3])} …)",
                "choose an empty folder with --data-dir",
                "GD-4005",
            )


def _is_marked(data_dir: Path) -> bool:
    marker = data_dir / MARKER
    return marker.is_file() and not marker.is_symlink()


def require_no_data(data_dir: Path) -> None:
    """Raise StackProblem when a stack has lived here: an ephemeral one would remove its data."""
    if any((data_dir / server).exists() for server in SERVERS):
        raise StackProblem(
            f"{data_dir} holds the data of a stack, which --ephemeral would remove at the end",
            "leave --data-dir away: a temporary folder is made",
            "GD-4005",
        )


@contextmanager
def explained(data_dir: Path) -> Iterator[None]:
    """Turn what the file system refuses into a line that says what to do."""
    try:
        yield
    except OSError as exc:
        if exc.errno == errno.ENOSPC:
            raise StackProblem(
                f"the disk under {data_dir} is full", "make room on it", "GD-4006"
            ) from exc
        where = exc.filename or data_dir
        raise StackProblem(
            f"{where} cannot be used: {exc.strerror or exc}",
            "choose another --data-dir (or set GODOT_DATA_DIR)",
            "GD-4007",
        ) from exc


def contents(data_dir: Path) -> list[Path]:
    """Return what in the folder is ours."""
    return [path for name in OURS if (path := data_dir / name).exists() or path.is_symlink()]


def wipe(data_dir: Path) -> None:
    """Remove what we made; the folder itself and anything else in it stays.

    Raises StackProblem, and removes nothing, when the folder is not one of ours.
    """
    require_ours(data_dir)
    with explained(data_dir):
        for path in contents(data_dir):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def size_bytes(path: Path) -> int:
    """Return how much the files under a path hold; those that vanish meanwhile count nothing."""
    if not path.is_dir():
        return path.stat().st_size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except OSError:
                continue
    return total
