"""Calls of the tools over HTTP, alone and 200 at a time: latency, the server's CPU, its event loop.

Two hundred ask the same, which is asked a few times for all of them, or each asks of a time of his
own, which is as much work for each.

The caller is a process of its own that writes finished bytes on connections that stay open, notes
when the last byte of an answer came, and reads the answers once the clock has stopped: a tenth of a
millisecond of CPU a call, which is told beside the server's. So is how long its loop waited for a
processor, which on a machine with other work is most of what callers wait. How long its loop is
held shows in `/livez`, which is asked all the while and needs nothing else.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

import psycopg

from dewey_logs import Batch, open_store
from tests.bench.servers import serving
from tests.bench.stack import Stack, stack
from tests.bench.through import rows

AT_ONCE = 200
CALLS = 2_000
STORED = 20_000
LIVEZ_EVERY_S = 0.02
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PROTOCOLS = ("2025-11-25", "2026-07-28")  # before today's the SDK makes a session for every call
META = {
    "io.modelcontextprotocol/protocolVersion": PROTOCOLS[-1],
    "io.modelcontextprotocol/clientCapabilities": {},
}
CASES: dict[str, tuple[str, dict[str, object]]] = {
    "logger_query of 20 rows": ("logger_query", {"limit": 20}),
    "logger_stats": ("logger_stats", {}),
    "logger_patterns": ("logger_patterns", {}),
    "logger_log": ("logger_log", {"component": "bench", "message": "m"}),
}


def posted(address: str, protocol: str, tool: str, arguments: dict[str, object]) -> bytes:
    """Return a request as it stands on the wire."""
    call: dict[str, object] = {"name": tool, "arguments": arguments}
    if protocol == PROTOCOLS[-1]:
        call["_meta"] = META
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call})
    return (
        f"POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {protocol}\r\n"
        f"Mcp-Method: tools/call\r\nMcp-Name: {tool}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


class Line(asyncio.Protocol):
    """One connection that stays open; an answer is timed when its last byte is there."""

    def __init__(self) -> None:
        self.taken: list[float] = []  # milliseconds
        self.answers: list[bytes] = []
        self._received = b""
        self._whole = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    async def ask(self, request: bytes) -> None:
        self._received, self._whole = b"", 0
        self._answered = asyncio.get_running_loop().create_future()
        self._began = time.perf_counter()
        self._transport.write(request)
        await self._answered

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._whole:
            head, blank, _ = self._received.partition(b"\r\n\r\n")
            if not blank:
                return
            size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            self._whole = len(head) + len(blank) + size
        if len(self._received) == self._whole:
            self.taken.append((time.perf_counter() - self._began) * 1000)
            self.answers.append(self._received)
            self._answered.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError("hung up"))

    def close(self) -> None:
        self._transport.close()


async def opened(host: str, port: int) -> Line:
    return (await asyncio.get_running_loop().create_connection(Line, host, port))[1]


class Calls:
    """What a run took, in milliseconds, and how long it lasted."""

    def __init__(self, taken: list[float], held: list[float], seconds: float, cpu_s: float) -> None:
        cuts = quantiles(taken, n=100)
        self.p50, self.p99 = cuts[49], cuts[98]
        self.rate = len(taken) / seconds
        self.count = len(taken)
        self.livez = max(held)
        self.cpu_ms = cpu_s * 1000 / len(taken)


async def measured(
    url: str,
    protocol: str,
    tool: str,
    arguments: dict[str, object],
    at_once: int,
    each_his_own: bool = False,
) -> Calls:
    """Make CALLS calls, fewer when they go one by one, and ask /livez meanwhile."""
    at = urlsplit(url)
    assert at.hostname is not None
    assert at.port is not None
    asked = [
        arguments | ({"since": f"-{3600 + i}s"} if each_his_own else {}) for i in range(at_once)
    ]
    requests = [posted(at.netloc, protocol, tool, one) for one in asked]
    alive = f"GET /livez HTTP/1.1\r\nHost: {at.netloc}\r\n\r\n".encode()
    lines = [await opened(at.hostname, at.port) for _ in range(at_once)]
    probe = await opened(at.hostname, at.port)

    async def caller(line: Line, request: bytes) -> None:
        for _ in range(CALLS // 200 if at_once > 1 else CALLS // 20):
            await line.ask(request)

    async def watch() -> None:
        while True:
            await probe.ask(alive)
            await asyncio.sleep(LIVEZ_EVERY_S)

    watching = asyncio.create_task(watch())
    began, cpu_began = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(caller, lines, requests))
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    watching.cancel()
    for line in (*lines, probe):
        line.close()
    for answer in (answer for line in lines for answer in line.answers):
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), answer[:300]
        assert not json.loads(body)["result"].get("isError"), answer[:300]
    taken = [milliseconds for line in lines for milliseconds in line.taken]
    return Calls(taken, probe.taken, seconds, cpu_s)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def waited_seconds(pid: int) -> float:
    """Return how long a process's event loop has waited for a processor."""
    return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[1]) / 1e9


def fixed_loop_ms() -> float:
    """Return the CPU that a fixed loop takes, which says in which state the machine is."""
    began = time.process_time()
    for _ in range(1_000_000):
        pass
    return (time.process_time() - began) * 1000


def pid_of(here: Stack) -> int:
    (announced,) = (here.folder / "run").glob("mcp-*.json")
    return int(announced.stem.partition("-")[2])


def filled(here: Stack) -> None:
    with open_store(here.environ["DEWEY_URL"]) as store:
        for _ in range(STORED // 1000):
            store.write(Batch(stream="bench", rows=rows(1000)))
    with psycopg.connect(here.environ["DEWEY_URL"], autocommit=True) as connection:
        connection.execute("ANALYZE")


def run() -> Iterator[dict[str, object]]:
    def figure(what: str, value: float, unit: str) -> dict[str, object]:
        return {"what": what, "value": round(value, 2), "unit": unit}

    with stack() as here:
        filled(here)
        with serving(here, "godot") as url:
            pid = pid_of(here)
            for what, (tool, arguments) in CASES.items():
                ways = [*product((1, AT_ONCE), PROTOCOLS, (False,))]
                if tool != "logger_log":
                    ways.append((AT_ONCE, PROTOCOLS[-1], True))
                for at_once, protocol, own in ways:
                    before, waited = cpu_seconds(pid), waited_seconds(pid)
                    found = asyncio.run(measured(url, protocol, tool, arguments, at_once, own))
                    cpu_ms = (cpu_seconds(pid) - before) * 1000 / found.count
                    waited_ms = (waited_seconds(pid) - waited) * 1000 / found.count
                    of = f"{what}, {protocol}, {at_once} at once{', each his own' * own}"
                    yield figure(f"{of}, p50", found.p50, "ms")
                    yield figure(f"{of}, p99", found.p99, "ms")
                    yield figure(f"{of}, rate", found.rate, "calls/s")
                    yield figure(f"{of}, the server's CPU a call", cpu_ms, "ms")
                    yield figure(f"{of}, its loop's wait for a processor a call", waited_ms, "ms")
                    yield figure(f"{of}, the caller's CPU a call", found.cpu_ms, "ms")
                    yield figure(f"{of}, the loop held, at worst", found.livez, "ms")
                    yield figure(f"{of}, a fixed loop", fixed_loop_ms(), "ms")
