"""`endpoint.json`: how programs on this machine find the stack without any variable.

It exists only while the stack is ready, and only its owner can read it, because it may hold
passwords of servers that were given to us. Keys stay; more may be added: clients read it.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec

from godot.embedded.instance import alive, read_record, replace_file

ENDPOINT_FILE = "endpoint.json"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything of a running stack is reached."""

    redis_url: str
    dewey_url: str
    stream: str
    group: str
    godot_mcp_url: str | None
    dewey_mcp_url: str | None
    metrics_urls: tuple[str, ...]
    pid: int
    started_at: str
    data_dir: str
    # the same store for other logins; None: as the writer, which `dewey_url` is for
    dewey_reader_url: str | None = None
    dewey_owner_url: str | None = None


def write(endpoint: Endpoint) -> None:
    """Publish a stack that is ready."""
    path = Path(endpoint.data_dir) / ENDPOINT_FILE
    replace_file(path, msgspec.json.format(msgspec.json.encode(endpoint)) + b"\n")


def read(data_dir: Path) -> Endpoint | None:
    """Return what is published, whether or not it still runs."""
    try:
        return msgspec.json.decode((data_dir / ENDPOINT_FILE).read_bytes(), type=Endpoint)
    except (OSError, msgspec.DecodeError):
        return None


def running(data_dir: Path) -> Endpoint | None:
    """Return what is published if the process that published it is alive."""
    endpoint, record = read(data_dir), read_record(data_dir)
    if endpoint is None or record is None or record.supervisor.pid != endpoint.pid:
        return None
    return endpoint if alive(record.supervisor) else None


def remove(data_dir: Path) -> None:
    (data_dir / ENDPOINT_FILE).unlink(missing_ok=True)


def variables(endpoint: Endpoint) -> dict[str, str]:
    """Return the settings with which any program reaches the stack, by variable."""
    found = {
        "GODOT_REDIS_URL": endpoint.redis_url,
        "DEWEY_URL": endpoint.dewey_url,
        "DEWEY_READER_URL": endpoint.dewey_reader_url,
        "DEWEY_OWNER_URL": endpoint.dewey_owner_url,
        "GODOT_STREAM": endpoint.stream,
        "GODOT_GROUP": endpoint.group,
        "GODOT_DATA_DIR": endpoint.data_dir,
    }
    return {name: value for name, value in found.items() if value is not None}


def shell_text(endpoint: Endpoint) -> str:
    """Return lines for `eval "$(godot env)"`."""
    return "\n".join(
        f"export {name}={shlex.quote(value)}" for name, value in variables(endpoint).items()
    )
