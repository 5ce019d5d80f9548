"""Counting every HTTP request, also those that go no further than the gate."""

from __future__ import annotations

import asyncio
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dewey_logs.tools.metrics import ToolMetrics

FAILED, HUNG_UP = 500, 499


class Counted:
    """ASGI: passes everything on, and counts what is answered.

    What ends without an answer counts as a failure of ours, or of a caller who hung up.
    """

    def __init__(self, app: ASGIApp, metrics: ToolMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = None

        async def passed_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._metrics.answered(scope["path"], status, time.perf_counter() - began)
            await send(message)

        without = FAILED
        try:
            await self._app(scope, receive, passed_on)
        except asyncio.CancelledError:
            without = HUNG_UP
            raise
        finally:
            if status is None:
                self._metrics.answered(scope["path"], without, time.perf_counter() - began)
