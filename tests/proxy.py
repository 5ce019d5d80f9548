"""A TCP proxy in front of a server's unix socket that can cut, stall, delay, or swallow replies."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections import deque
from pathlib import Path

MAX_HELD = 1_048_576  # bytes on their way in one direction; beyond that the sender has to wait
PATIENCE_S, HURRY_S = 0.02, 0.002


class _Half:
    """One direction of one connection: what was read and may not, or cannot, be passed on yet."""

    def __init__(self, source: socket.socket, target: socket.socket, is_reply: bool) -> None:
        self.source = source
        self.target = target
        self.is_reply = is_reply
        self.parts: deque[tuple[float, bytes]] = deque()  # when due, what; b"" is the end
        self.held = 0
        self.reading = True


class Proxy:
    """Forwards bytes until told otherwise; every switch works on open connections as well.

    `stall`: nothing passes, in either direction. `swallow_replies`: requests pass, answers vanish
    (the server has done what the client will never hear of). `refuse`: new connections are closed.
    `request_delay_s`, `reply_delay_s`: everything passes that much later. `cut()` resets every open
    connection. A peer that does not read holds up nobody but its own connection.
    """

    def __init__(self, upstream: Path | tuple[str, int]) -> None:
        self.upstream = upstream
        self.stall = False
        self.swallow_replies = False
        self.refuse = False
        self.request_delay_s = 0.0
        self.reply_delay_s = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._halves: dict[socket.socket, _Half] = {}  # by source
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def heal(self) -> None:
        """Let everything pass again."""
        self.stall = self.swallow_replies = self.refuse = False
        self.request_delay_s = self.reply_delay_s = 0.0

    def cut(self) -> None:
        """Reset every open connection."""
        with self._lock:
            for source in list(self._halves):
                self._drop(source, reset=True)

    def connections(self) -> int:
        with self._lock:
            return len(self._halves) // 2

    def close(self) -> None:
        self._closing.set()
        self._thread.join(60)
        self.cut()
        self._listener.close()
        self._selector.close()

    def _run(self) -> None:
        busy = False
        while not self._closing.is_set():
            for key, _ in self._selector.select(HURRY_S if busy else PATIENCE_S):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif not self.stall:
                        self._read(key.fileobj)  # type: ignore[arg-type]  # sockets only
            if self.stall:
                self._closing.wait(0.01)
                continue
            with self._lock:
                busy = self._pass_on()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        if self.refuse:
            client.close()
            return
        family = socket.AF_UNIX if isinstance(self.upstream, Path) else socket.AF_INET
        server = socket.socket(family)
        server.settimeout(1.0)
        try:
            server.connect(str(self.upstream) if isinstance(self.upstream, Path) else self.upstream)
        except OSError:
            server.close()
            client.close()
            return
        for half in (_Half(client, server, False), _Half(server, client, True)):
            half.source.setblocking(False)
            self._halves[half.source] = half
            self._selector.register(half.source, selectors.EVENT_READ)

    def _read(self, source: socket.socket) -> None:
        half = self._halves.get(source)
        if half is None:
            return
        try:
            data = source.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data and half.is_reply and self.swallow_replies:
            return
        delay_s = self.reply_delay_s if half.is_reply else self.request_delay_s
        half.parts.append((time.monotonic() + delay_s, data))
        half.held += len(data)
        if not data or half.held > MAX_HELD:
            half.reading = False
            self._selector.unregister(source)
        if not delay_s:
            self._send(half)

    def _pass_on(self) -> bool:
        """Send what is due; say whether anything is still held."""
        waiting = [half for half in self._halves.values() if half.parts]
        for half in waiting:
            if half.source in self._halves:  # its other direction may just have ended both
                self._send(half)
        return bool(waiting)

    def _send(self, half: _Half) -> None:
        now = time.monotonic()
        while half.parts and half.parts[0][0] <= now:
            due, data = half.parts.popleft()
            if not data:
                self._drop(half.source)
                return
            try:
                sent = half.target.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._drop(half.source)
                return
            half.held -= sent
            if sent < len(data):
                half.parts.appendleft((due, data[sent:]))
                return
        if not half.reading and half.held <= MAX_HELD and not _ended(half):
            half.reading = True
            self._selector.register(half.source, selectors.EVENT_READ)

    def _drop(self, source: socket.socket, *, reset: bool = False) -> None:
        half = self._halves.pop(source, None)
        if half is None:
            return
        self._halves.pop(half.target, None)
        for peer in (source, half.target):
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(peer)
            if reset:
                with contextlib.suppress(OSError):
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ended(half: _Half) -> bool:
    return bool(half.parts) and not half.parts[-1][1]
