"""Certificates made where they are needed, and a proxy that speaks TLS for servers that do not."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


class Certificate(NamedTuple):
    """Two PEM files."""

    chain: Path
    key: Path


class Authority:
    """Somebody who vouches for names; `ca` is the file to trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self.ca = folder / "ca.pem"
        self._key = folder / "ca.key"
        _openssl(
            *(*KEY, "-keyout", self._key, "-out", self.ca, "-subj", f"/CN={folder.name}"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),  # Python 3.13 asks for it
        )

    def vouch(self, *names: str) -> Certificate:
        """Return a certificate for host names."""
        found = Certificate(self._folder / f"{names[0]}.pem", self._folder / f"{names[0]}.key")
        kinds = ",".join(f"{'IP' if n[0].isdecimal() else 'DNS'}:{n}" for n in names)
        _openssl(
            *(*KEY, "-keyout", found.key, "-out", found.chain, "-subj", f"/CN={names[0]}"),
            *("-CA", self.ca, "-CAkey", self._key, "-addext", f"subjectAltName={kinds}"),
            *("-addext", "basicConstraints=CA:FALSE"),
        )
        return found


def _openssl(*arguments: str | Path) -> None:
    command = ["openssl", "req", "-x509", *map(str, arguments)]
    subprocess.run(command, capture_output=True, check=True)


class Terminator:
    """Listens with TLS and passes bytes on in the clear, as a proxy before a server does.

    `upstream` is a unix socket or a port of this machine.
    """

    def __init__(self, upstream: Path | int, certificate: Certificate) -> None:
        self._upstream = upstream
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.chain, certificate.key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._thread.start()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)
        self._loop.close()

    async def _run(self) -> None:
        server = await asyncio.start_server(self._serve, sock=self._listener, ssl=self._context)
        await self._stop.wait()
        server.close()
        open_still = asyncio.all_tasks() - {asyncio.current_task()}
        for task in open_still:
            task.cancel()
        await asyncio.gather(*open_still, return_exceptions=True)
        await asyncio.sleep(0.01)  # what was aborted is closed by the loop

    async def _serve(self, asked: StreamReader, client: StreamWriter) -> None:
        ends = [client]
        try:
            if isinstance(self._upstream, int):
                answers, server = await asyncio.open_connection("127.0.0.1", self._upstream)
            else:
                answers, server = await asyncio.open_unix_connection(self._upstream)
            ends.append(server)
            both = {asyncio.create_task(_pass_on(asked, server))}
            both.add(asyncio.create_task(_pass_on(answers, client)))
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()
        except OSError:
            pass
        finally:
            for end in ends:
                end.transport.abort()


async def _pass_on(source: StreamReader, target: StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
