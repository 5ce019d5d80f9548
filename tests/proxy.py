"""A TCP proxy in front of a server's unix socket that can cut, stall, or swallow replies."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from pathlib import Path
from types import TracebackType


class Proxy:
    """Forwards bytes until told otherwise; every switch works on open connections as well.

    `stall`: nothing passes, in either direction. `swallow_replies`: requests pass, answers vanish
    (the server has done what the client will never hear of). `refuse`: new connections are closed.
    `cut()` resets every open connection.
    """

    def __init__(self, upstream: Path | tuple[str, int]) -> None:
        self.upstream = upstream
        self.stall = False
        self.swallow_replies = False
        self.refuse = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._peers: dict[socket.socket, tuple[socket.socket, bool]] = {}
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Reset every open connection."""
        with self._lock:
            for peer in list(self._peers):
                self._drop(peer, reset=True)

    def connections(self) -> int:
        with self._lock:
            return len(self._peers) // 2

    def close(self) -> None:
        self._closing.set()
        self._thread.join(5)
        self.cut()
        self._listener.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            for key, _ in self._selector.select(0.02):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif not self.stall:
                        self._forward(key.fileobj)  # type: ignore[arg-type]
            if self.stall:
                self._closing.wait(0.01)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        if self.refuse:
            client.close()
            return
        family = socket.AF_UNIX if isinstance(self.upstream, Path) else socket.AF_INET
        server = socket.socket(family)
        try:
            server.connect(str(self.upstream) if isinstance(self.upstream, Path) else self.upstream)
        except OSError:
            server.close()
            client.close()
            return
        for here, there, is_reply in ((client, server, False), (server, client, True)):
            self._peers[here] = (there, is_reply)
            self._selector.register(here, selectors.EVENT_READ)

    def _forward(self, source: socket.socket) -> None:
        if source not in self._peers:
            return
        target, is_reply = self._peers[source]
        try:
            data = source.recv(65_536)
            if data and not (is_reply and self.swallow_replies):
                target.sendall(data)
        except OSError:
            data = b""
        if not data:
            self._drop(source)

    def _drop(self, source: socket.socket, *, reset: bool = False) -> None:
        entry = self._peers.pop(source, None)
        if entry is None:
            return
        self._peers.pop(entry[0], None)
        for peer in (source, entry[0]):
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(peer)
            if reset:
                with contextlib.suppress(OSError):
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
