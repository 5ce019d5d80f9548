"""Everything that somebody who helps wants to see, in one file, and no secret in it.

Passwords and tokens that are known are taken out wherever they stand; what only looks like one is
masked as in records (`clientlib.Redactor`). Of log records none is in it, of logs only our own.
"""

from __future__ import annotations

import io
import os
import tarfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from clientlib import configured_redactor, read_endpoint
from godot.configuration import listing
from godot.doctor.result import Result
from godot.settings import TABLE, Settings
from godot.snapshot import take
from godot.status import as_document

LOG_BYTES = 200_000  # of each log, its end


def contents(
    settings: Settings, results: Iterable[Result], versions: Mapping[str, object]
) -> dict[str, bytes]:
    """Return the files of a bundle by name, with every secret taken out."""
    documents: dict[str, object] = {
        "doctor.json": list(results),
        "config.json": [one._asdict() for one in listing()],
        "status.json": as_document(take(settings)),
        "versions.json": dict(versions),
    }
    texts = {
        name: msgspec.json.format(msgspec.json.encode(document)).decode()
        for name, document in documents.items()
    }
    for path in sorted((settings.data_dir / "logs").glob("*.log")):
        texts[f"logs/{path.name}"] = _end_of(path)
    secrets = _secrets(settings)
    return {name: _scrubbed(text, secrets).encode() for name, text in texts.items()}


def write(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a bundle that only its owner can read; raises OSError, also when there is one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"godot/{name}")
            member.size, member.mtime, member.mode = len(content), int(time.time()), 0o600
            archive.addfile(member, io.BytesIO(content))


def _end_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_BYTES))
            return file.read(LOG_BYTES).decode("utf-8", "replace")
    except OSError as exc:
        return f"(cannot be read: {exc.strerror or exc})"


def _secrets(settings: Settings) -> list[str]:
    """Return the passwords and tokens that are known, the longest first."""
    known: set[str] = set()
    endpoint = read_endpoint(settings.data_dir)
    values = [getattr(settings, one.field) for one in TABLE if one.secret]
    values += [endpoint.get(one.endpoint_key) for one in TABLE if one.secret and one.endpoint_key]
    for value in values:
        if isinstance(value, str):
            known.update(_parts(value))
    known |= {msgspec.json.encode(one).decode()[1:-1] for one in known}  # as our logs write it
    return sorted((one for one in known if len(one) > 3), key=len, reverse=True)  # URLs are masked


def _parts(value: str) -> Iterable[str]:
    if "://" not in value:
        yield value
        return
    parts = urlsplit(value)
    if parts.password:
        yield from (parts.password, unquote(parts.password))
    for name, found in parse_qs(parts.query).items():
        if any(word in name.lower() for word in ("pass", "secret", "token", "key")):
            yield from found


def _scrubbed(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    redact = configured_redactor().text
    return "\n".join(map(redact, text.split("\n")))
