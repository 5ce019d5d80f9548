"""Which names a server answers to: without this any web page could talk to it.

A page's own name can be made to lead to 127.0.0.1, and then the browser takes the server for the
page's. It still says the page's name in `Host`, and the page itself in `Origin`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?")


class BadHost(ValueError):
    """A name that can be in no Host header."""


class Hosts:
    """The names that are answered to: loopback, the address listened on, and those given.

    A name given without a port stands for every port. Raises BadHost.
    """

    def __init__(self, given: Iterable[str] = (), bound_to: str = "") -> None:
        names = [*LOOPBACK_NAMES, *given]
        if bound_to and not is_any(bound_to):
            names.append(f"[{bound_to}]" if ":" in bound_to else bound_to)
        self._allowed = set()
        for name in names:
            parsed = _parsed(name)
            if parsed is None:
                raise BadHost(name)
            self._allowed.add(parsed)

    def answers_to(self, host: str) -> bool:
        """Say whether a Host header names this server."""
        parsed = _parsed(host)
        return parsed is not None and (parsed in self._allowed or (parsed[0], "") in self._allowed)

    def trusts(self, origin: str) -> bool:
        """Say whether a page from there may call: it has to be one of this server's own names."""
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        plain = not (parts.path or parts.query or parts.fragment or parts.username)
        return parts.scheme in ("http", "https") and plain and self.answers_to(parts.netloc)


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach an address; of names only localhost can be one."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_any(host: str) -> bool:
    """Say whether an address stands for all of this machine's, as 0.0.0.0 does."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _parsed(host: str) -> tuple[str, str] | None:
    found = _HOST.fullmatch(host.strip().lower())
    return None if found is None else (found[1], found[2] or "")
