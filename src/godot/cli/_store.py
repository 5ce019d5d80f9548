"""The store that a command works on, and who works on it."""

from __future__ import annotations

import getpass
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dewey_logs import Store
    from godot.settings import Settings


def opened(settings: Settings) -> Store:
    """Open the configured store; raises StoreUnavailable when there is none."""
    from dewey_logs import open_store
    from godot.errors import StoreUnavailable

    if settings.dewey_url is None:
        raise StoreUnavailable("there is no store: DEWEY_URL is not set and no stack runs here")
    return open_store(
        settings.dewey_url,
        reader_url=settings.dewey_reader_url,
        token=settings.dewey_token,
        owner_url=settings.dewey_owner_url,
        application_name="godot-cli",
        retention_days=settings.retention_days,
    )


def myself(command: str) -> str:
    """Return who runs a command, for the record that the log keeps of it."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        name = "somebody"
    return f"{command} by {name} on {socket.gethostname()}"
