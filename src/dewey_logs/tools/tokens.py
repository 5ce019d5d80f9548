"""Bearer tokens: a file of names, scopes and hashes, looked at again when it changes.

A token is 32 random bytes, so its plain SHA-256 gives nothing away and no slow hash is needed. One
a line: `NAME SCOPES SHA256 [CALLS_PER_SECOND]`, scopes separated by commas, `#` begins a comment.
A line is taken back by deleting it. A file that became unreadable leaves the tokens of before in
force, loudly: a slip of the editor must not cut off every worker.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from dewey_logs.dialogue import SCOPES
from dewey_logs.settings import WrongSetting

PREFIX = "gdt_"  # lets scanners for leaked secrets find one
CALLS_PER_S = 200.0  # of one token; twice as many at once
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")

log = logging.getLogger(__name__)


class BadTokens(WrongSetting):
    """A tokens file, or a line for one, that cannot be used; the message says why."""


class Token(msgspec.Struct, frozen=True):
    """What is known of a token: whose it is, what it may do, its SHA-256, how often it may call."""

    name: str
    scopes: frozenset[str]
    digest: bytes
    calls_per_s: float = CALLS_PER_S


class TokenFile:
    """The tokens in a file; raises BadTokens when it cannot be used at the start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = _state(path)
        self._tokens = _read(path)

    def find(self, text: str) -> Token | None:
        """Return the token with this text. Takes as long for a wrong one as for a right one."""
        self._look_again()
        digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
        found = None
        for token in self._tokens:
            if hmac.compare_digest(token.digest, digest):
                found = token
        return found

    def _look_again(self) -> None:
        state = _state(self._path)
        if state == self._seen:
            return
        self._seen = state
        try:
            self._tokens = _read(self._path)
        except BadTokens as exc:
            log.error(
                "tokens not read again, the former ones hold",
                extra={"action": "tokens", "reason": str(exc)},
            )
        else:
            log.info("tokens read again", extra={"action": "tokens", "tokens": len(self._tokens)})


def make(name: str, scopes: Iterable[str]) -> tuple[str, str]:
    """Return a new token and its line for the file; raises BadTokens for a bad name or scope."""
    listed = ",".join(sorted(set(scopes)))
    _require(name, listed)
    text = PREFIX + secrets.token_urlsafe(32)
    return text, f"{name} {listed} {hashlib.sha256(text.encode()).hexdigest()}"


def add(path: Path, line: str) -> None:
    """Append a line to the file, which is made (mode 0600) if need be; a name is there once.

    Raises BadTokens, or OSError when the file cannot be written.
    """
    name = line.split()[0]
    if path.exists() and any(token.name == name for token in _read(path)):
        raise BadTokens(f"{path} has a token {name!r} already: delete its line first")
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size and (file.seek(size - 1), file.read(1))[1] != b"\n":
            line = f"\n{line}"
        file.write(f"{line}\n".encode())


def _state(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file does."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> Sequence[Token]:
    try:
        mode = path.stat().st_mode
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise BadTokens(f"GODOT_TOKENS_FILE={path}: cannot be read ({exc})") from exc
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BadTokens(f"GODOT_TOKENS_FILE={path}: others may write to it; chmod 600 it")
    tokens: list[Token] = []
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            token = _token(text)
        except BadTokens as exc:
            raise BadTokens(f"GODOT_TOKENS_FILE={path}: line {number}: {exc}") from None
        if any(token.name == other.name for other in tokens):
            raise BadTokens(f"GODOT_TOKENS_FILE={path}: line {number}: a second {token.name!r}")
        tokens.append(token)
    return tokens


def _token(line: str) -> Token:
    parts = line.split()
    if len(parts) not in (3, 4):
        raise BadTokens("allowed is NAME SCOPES SHA256 [CALLS_PER_SECOND]")
    name, listed, digest = parts[:3]
    scopes = _require(name, listed)
    if not _DIGEST.fullmatch(digest):
        raise BadTokens("the hash is not 64 hexadecimal digits; make one with godot token")
    try:
        calls_per_s = float(parts[3]) if parts[3:] else CALLS_PER_S
    except ValueError:
        calls_per_s = 0.0
    if not 0 < calls_per_s <= 1_000_000:
        raise BadTokens(f"{parts[3][:32]!r} is no number of calls per second")
    return Token(name, scopes, bytes.fromhex(digest), calls_per_s)


def _require(name: str, listed: str) -> frozenset[str]:
    """Return the scopes of a token; raises BadTokens for a bad name or scope."""
    if not _NAME.fullmatch(name):
        raise BadTokens(f"name {name[:64]!r}: allowed are 1 to 64 letters, digits, '.', '_', '-'")
    scopes = frozenset(listed.split(","))
    unknown = sorted(scopes - set(SCOPES))
    if unknown:
        raise BadTokens(f"no scope {unknown[0][:64]!r}: allowed are {', '.join(SCOPES)}")
    return scopes
