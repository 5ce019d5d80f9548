"""What every HTTP request passes before MCP sees it: Host, Origin, token, rate, body.

The cheapest checks come first, and none reads a body: a stranger makes us hold nothing. A body is
read to its end here, with a limit of size and of time, so that no tool call waits for a caller who
dribbles. The SDK has its own Host check and body limit, but only on some addresses and some routes.
Health stands outside: who asks it from a container knows no name of ours, and it tells booleans.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dewey_logs.dialogue import MAX_BODY_BYTES, READ
from dewey_logs.tools.caller import CALLER_KEY, LINE_KEY, LOCAL, Caller
from dewey_logs.tools.hosts import Hosts
from dewey_logs.tools.line import Line, listening
from dewey_logs.tools.metrics import ToolMetrics
from dewey_logs.tools.rate import Rates
from dewey_logs.tools.tokens import TokenFile

OPEN_PATHS = ("/livez", "/readyz")
MAX_QUESTION_BYTES = 2**19  # of a token that may only read; the longest filter has 480 KB
BODY_S = 15.0
SAY_EVERY_S = 10.0

log = logging.getLogger(__name__)


class Access:
    """Who may come in: names of ours, and tokens where there are any.

    Raises BadTokens for a file that cannot be used, BadHost for a name that is none.
    """

    def __init__(
        self,
        *,
        tokens_file: Path | None = None,
        allowed_hosts: tuple[str, ...] = (),
        bound_to: str = "",
        max_body_bytes: int = MAX_BODY_BYTES,
        body_s: float = BODY_S,
    ) -> None:
        self.tokens = None if tokens_file is None else TokenFile(tokens_file)
        self.hosts = Hosts(allowed_hosts, bound_to)
        self.max_body_bytes = max_body_bytes
        self.body_s = body_s


class _Refusal(Exception):
    """Why a request goes no further: status, a reason to count it by, what to say, headers."""

    def __init__(self, status: int, reason: str, said: str, **headers: str) -> None:
        super().__init__(said)
        self.status = status
        self.reason = reason
        self.headers = headers


class Gate:
    """ASGI: lets a request through to the application, with its caller in the scope, or answers."""

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        metrics: ToolMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._access = access
        self._metrics = metrics
        self._rates = Rates(clock)
        self._clock = clock
        self._said: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (
            scope["type"] == "http"
            and scope["path"] in OPEN_PATHS
            and scope["method"] in ("GET", "HEAD")
        ):
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"no {scope['type']} is served here")
        try:
            scope[CALLER_KEY] = caller = self._caller(scope)
            body = await self._body(scope, receive, self._allowed(caller))
        except _Refusal as refusal:
            self._note(refusal, scope)
            await _answer(refusal, send)
        else:
            async with listening(receive) as line:
                scope[LINE_KEY] = line
                await self._app(scope, _replay(body, line), send)

    def _caller(self, scope: Scope) -> Caller:
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or not self._access.hosts.answers_to(hosts[0]):
            shown = hosts[0][:100] if hosts else "none"
            raise _Refusal(
                421, "host", f"Host {shown!r} is no name of this server: see GODOT_ALLOWED_HOSTS"
            )
        for origin in _values(scope, b"origin"):
            if not self._access.hosts.trusts(origin):
                raise _Refusal(403, "origin", f"pages of {origin[:100]!r} may not call this server")
        if self._access.tokens is None:
            return LOCAL
        given = _values(scope, b"authorization")
        kind, _, text = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        token = self._access.tokens.find(text.strip()) if kind.lower() == "bearer" else None
        if token is None:
            challenge = "Bearer" if not given else 'Bearer error="invalid_token"'
            said = "the token is not known" if given else "send Authorization: Bearer TOKEN"
            raise _Refusal(401, "token", said, **{"www-authenticate": challenge})
        wait_s = self._rates.wait_s(token.name, token.calls_per_s)
        if wait_s:
            said = f"{token.name} may call {token.calls_per_s:g} times a second"
            raise _Refusal(429, "rate", said, **{"retry-after": str(int(wait_s) + 1)})
        return Caller(token.name, token.scopes)

    def _allowed(self, caller: Caller) -> int:
        """Return how large a body may be: JSON takes fifty times as much memory once it is read."""
        asks_only = caller.scopes is not None and caller.scopes <= {READ}
        most = self._access.max_body_bytes
        return min(MAX_QUESTION_BYTES, most) if asks_only else most

    async def _body(self, scope: Scope, receive: Receive, allowed: int) -> bytes:
        too_large = _Refusal(413, "size", f"the body is larger than {allowed} bytes: split it")
        said = _values(scope, b"content-length")
        if said and _values(scope, b"transfer-encoding"):  # a proxy may have believed the other one
            raise _Refusal(400, "size", "Content-Length beside Transfer-Encoding")
        for declared in said:
            if not declared.isdecimal() or len(declared) > 18 or int(declared) > allowed:
                raise too_large
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._access.body_s):
                more = True
                while more:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise _Refusal(400, "gone", "the caller hung up")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > allowed:
                        raise too_large
                    more = message.get("more_body", False)
        except TimeoutError:
            raise _Refusal(
                408, "slow", f"the body did not arrive within {self._access.body_s:g} s"
            ) from None
        return b"".join(parts)

    def _note(self, refusal: _Refusal, scope: Scope) -> None:
        """Count every refusal; log the first of a kind and then one now and then."""
        self._metrics.refused(refusal.reason)
        now = self._clock()
        if now < self._said.get(refusal.reason, now):
            return
        self._said[refusal.reason] = now + SAY_EVERY_S
        peer = scope.get("client") or ("?",)
        log.warning(
            "request refused",
            extra={"action": "refuse", "status": refusal.status, "why": refusal.reason}
            | {"peer": peer[0]},
        )


def _values(scope: Scope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]


def _replay(body: bytes, line: Line) -> Receive:
    """Give the application the body as one message, and then the hanging up."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Message:
        if left:
            return left.pop()
        await line.hung_up()
        return {"type": "http.disconnect"}

    return give


async def _answer(refusal: _Refusal, send: Send) -> None:
    """Answer, and hang up: what is left of a body is nothing to wait for."""
    body = json.dumps({"error": str(refusal)}).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        **refusal.headers,
    }
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
