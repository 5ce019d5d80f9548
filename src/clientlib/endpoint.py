"""How a program finds a running `godot up` without any variable being set.

The embedded stack writes its connection settings to `endpoint.json` in its data folder (mode 0600,
so only the same user finds it). Reading it costs one small file at construction; nothing here
raises, because a missing or damaged file only means that no stack is running.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

ENDPOINT_FILE = "endpoint.json"


def default_data_dir() -> Path:
    """Return where the embedded stack keeps its data.

    For root it is /var/lib/godot: PostgreSQL then runs as `nobody`, who cannot enter root's home.
    """
    from pathlib import Path  # a client needs none

    return Path(default_data_path())


def default_data_path() -> str:
    """Return the same as text."""
    if os.geteuid() == 0:
        return "/var/lib/godot"
    base = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local/share")
    return os.path.join(base, "godot")


def read_endpoint(data_dir: str | os.PathLike[str]) -> dict[str, object]:
    """Return what a running `godot up` wrote about itself, or an empty dict."""
    try:
        with open(os.path.join(data_dir, ENDPOINT_FILE), "rb") as file:
            return msgspec.json.decode(file.read(), type=dict[str, object])
    except (OSError, ValueError):
        return {}
