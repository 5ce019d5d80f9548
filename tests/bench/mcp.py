"""Calls of the tools over HTTP, alone and 200 at a time: latency, the server's CPU, its event loop.

The caller writes finished bytes on connections that stay open, so that what is measured is the
server. How long its loop is held shows in `/livez`, which is asked all the while and needs nothing
else.
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


class Line:
    """One connection that stays open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> tuple[float, bytes]:
        """Return the milliseconds until the whole answer was there, and the answer."""
        began = time.perf_counter()
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        size = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        body = await self._reader.readexactly(size)
        assert head.startswith(b"http/1.1 200"), body[:300]
        return (time.perf_counter() - began) * 1000, body

    def close(self) -> None:
        self._writer.close()


async def opened(host: str, port: int) -> Line:
    return Line(*await asyncio.open_connection(host, port))


class Calls:
    """What a run took, in milliseconds, and how long it lasted."""

    def __init__(self, taken: list[float], held: list[float], seconds: float) -> None:
        cuts = quantiles(taken, n=100)
        self.p50, self.p99 = cuts[49], cuts[98]
        self.rate = len(taken) / seconds
        self.count = len(taken)
        self.livez = max(held)


async def measured(
    url: str, protocol: str, tool: str, arguments: dict[str, object], at_once: int
) -> Calls:
    """Make CALLS calls, fewer when they go one by one, and ask /livez meanwhile."""
    at = urlsplit(url)
    assert at.hostname is not None
    assert at.port is not None
    request = posted(at.netloc, protocol, tool, arguments)
    alive = f"GET /livez HTTP/1.1\r\nHost: {at.netloc}\r\n\r\n".encode()
    lines = [await opened(at.hostname, at.port) for _ in range(at_once)]
    probe = await opened(at.hostname, at.port)
    taken: list[float] = []
    held: list[float] = []

    async def caller(line: Line) -> None:
        for _ in range(CALLS // 200 if at_once > 1 else CALLS // 20):
            milliseconds, body = await line.ask(request)
            result = json.loads(body)["result"]
            assert not result.get("isError"), body[:300]
            taken.append(milliseconds)

    async def watch() -> None:
        while True:
            held.append((await probe.ask(alive))[0])
            await asyncio.sleep(LIVEZ_EVERY_S)

    watching = asyncio.create_task(watch())
    began = time.perf_counter()
    await asyncio.gather(*map(caller, lines))
    seconds = time.perf_counter() - began
    watching.cancel()
    for line in (*lines, probe):
        line.close()
    return Calls(taken, held, seconds)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


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
                for at_once, protocol in product((1, AT_ONCE), PROTOCOLS):
                    before = cpu_seconds(pid)
                    found = asyncio.run(measured(url, protocol, tool, arguments, at_once))
                    cpu_ms = (cpu_seconds(pid) - before) * 1000 / found.count
                    of = f"{what}, {protocol}, {at_once} at once"
                    yield figure(f"{of}, p50", found.p50, "ms")
                    yield figure(f"{of}, p99", found.p99, "ms")
                    yield figure(f"{of}, rate", found.rate, "calls/s")
                    yield figure(f"{of}, the server's CPU a call", cpu_ms, "ms")
                    yield figure(f"{of}, the loop held, at worst", found.livez, "ms")
