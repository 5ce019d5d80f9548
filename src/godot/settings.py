"""Settings come from the environment, are read once, and never change afterwards.

Order: the variable, then `NAME_FILE` (the value stands in that file: secrets), then what a running
`godot up` wrote to `endpoint.json`, then the default. One table says everything, so that
the error messages and the documentation cannot disagree.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec

from clientlib import default_data_dir, read_endpoint
from godot.errors import SettingsError


class Setting(NamedTuple):
    """One row of the table: variable, field, how to read it, default as text, what is allowed."""

    variable: str
    field: str
    read: Callable[[str], Any]
    default: str | None
    allowed: str
    secret: bool = False
    endpoint_key: str | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting of the programs `godot` and `dewey`; the client has its own."""

    redis_url: str
    dewey_url: str | None
    dewey_reader_url: str | None
    dewey_owner_url: str | None
    dewey_token: str | None
    stream: str
    group: str
    maxlen: int
    batch_size: int
    batch_timeout_ms: int
    batch_max: int
    batch_max_bytes: int
    reclaim_idle_ms: int
    max_deliveries: int
    stop_timeout_s: float
    host: str
    mcp_port: int
    dewey_host: str
    dewey_mcp_port: int
    metrics_port: int
    heartbeat_s: int
    metrics_host: str | None
    tokens_file: Path | None
    allowed_hosts: tuple[str, ...]
    retention_days: int
    retention_bytes: int | None
    search_index: str | None
    partition_interval: str | None
    data_dir: Path
    origins: Mapping[str, str]  # field -> variable | file | endpoint | default


def _integer(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return read


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 3600:
        raise ValueError(text)
    return value


def _word(text: str) -> str:
    if not text or len(text) > 128 or any(c.isspace() or not c.isprintable() for c in text):
        raise ValueError(text)
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _host(name: str) -> str:
    """Return a host's name that can be looked up; no server is asked."""
    if not all(0 < len(label) < 64 for label in name.removesuffix(".").split(".")):
        raise ValueError(name)
    return name


def _redis_url(text: str) -> str:
    parts = urlsplit(text)
    if not text.startswith(("redis://", "rediss://", "unix://")):  # as redis-py wants it written
        raise ValueError(text)
    if not (parts.hostname or parts.path):
        raise ValueError(text)
    if parts.scheme == "unix" and parts.hostname:  # two slashes, or a password with an @ and a /
        raise ValueError(text)
    _host(parts.hostname or "localhost")
    _ = parts.port  # raises ValueError when it is no port, as int does for what is no number
    for database in parse_qs(parts.query).get("db", []):
        int(database)
    if parts.scheme != "unix" and parts.path.strip("/"):
        int(parts.path.strip("/"))
    return text


def _database_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError(text)
    if "," not in parts.netloc:  # several hosts have several ports
        _ = parts.port
        _host(parts.hostname or "localhost")
    return text


def _store_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https"):
        return _database_url(text)
    _ = parts.port
    if not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError(text)
    _host(parts.hostname)
    return text


def _one_of(allowed: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(text)
        return text

    return read


_INDEXES = ("live", "sealed")  # these two are read by Dewey: dewey_logs/layout.py
_INTERVALS = ("1h", "2h", "3h", "4h", "6h", "8h", "12h", "1d")
_REDIS_URLS = "redis://host:port/db, rediss://… or unix:///path?db=0"
_DATABASE_URLS = "postgresql://…"
_STORE_URLS = "postgresql://… or http(s)://…/mcp, a Dewey"

TABLE: tuple[Setting, ...] = (
    Setting(
        "GODOT_REDIS_URL",
        "redis_url",
        _redis_url,
        "redis://127.0.0.1:6379/0",
        _REDIS_URLS,
        True,
        "redis_url",
    ),
    Setting("DEWEY_URL", "dewey_url", _store_url, None, _STORE_URLS, True, "dewey_url"),
    Setting(
        "DEWEY_READER_URL",
        "dewey_reader_url",
        _database_url,
        None,
        _DATABASE_URLS,
        True,
        "dewey_reader_url",
    ),
    Setting(
        "DEWEY_OWNER_URL",
        "dewey_owner_url",
        _database_url,
        None,
        _DATABASE_URLS,
        True,
        "dewey_owner_url",
    ),
    Setting("DEWEY_TOKEN", "dewey_token", _word, None, "a token, as godot token prints it", True),
    Setting("GODOT_STREAM", "stream", _word, "logs", "a key name without spaces", False, "stream"),
    Setting("GODOT_GROUP", "group", _word, "dewey", "a group name without spaces", False, "group"),
    Setting(
        "GODOT_MAXLEN",
        "maxlen",
        _integer(1_000, 100_000_000),
        "100000",
        "1000 to 100000000 entries",
    ),
    Setting("GODOT_BATCH_SIZE", "batch_size", _integer(1, 1_000), "100", "1 to 1000 records"),
    Setting(
        "GODOT_BATCH_TIMEOUT_MS", "batch_timeout_ms", _integer(1, 10_000), "100", "1 to 10000 ms"
    ),
    Setting("GODOT_BATCH_MAX", "batch_max", _integer(1, 1_000), "1000", "1 to 1000 records"),
    Setting(
        "GODOT_BATCH_MAX_BYTES",
        "batch_max_bytes",
        _integer(65_536, 67_108_864),
        "2097152",
        "65536 to 67108864 bytes",
    ),
    Setting(
        "GODOT_RECLAIM_IDLE_MS",
        "reclaim_idle_ms",
        _integer(1_000, 86_400_000),
        "60000",
        "1000 to 86400000 ms",
    ),
    Setting(
        "GODOT_MAX_DELIVERIES", "max_deliveries", _integer(1, 1_000), "5", "1 to 1000 deliveries"
    ),
    Setting("GODOT_STOP_TIMEOUT_S", "stop_timeout_s", _seconds, "10", "seconds, up to 3600"),
    Setting("GODOT_HOST", "host", _word, "127.0.0.1", "an address to listen on"),
    Setting("GODOT_MCP_PORT", "mcp_port", _integer(0, 65_535), "9060", "0 to 65535"),
    Setting("DEWEY_HOST", "dewey_host", _word, "127.0.0.1", "an address to listen on"),
    Setting("DEWEY_MCP_PORT", "dewey_mcp_port", _integer(0, 65_535), "9061", "0 to 65535"),
    Setting("GODOT_METRICS_PORT", "metrics_port", _integer(0, 65_535), "9464", "0 to 65535"),
    Setting("GODOT_HEARTBEAT_S", "heartbeat_s", _integer(0, 120), "60", "0 (none) to 120 s"),
    Setting("GODOT_METRICS_HOST", "metrics_host", _word, None, "an address to listen on"),
    Setting("GODOT_TOKENS_FILE", "tokens_file", Path, None, "a file of tokens: godot token --help"),
    Setting("GODOT_ALLOWED_HOSTS", "allowed_hosts", _names, "", "names, separated by commas"),
    Setting("LOG_RETENTION_DAYS", "retention_days", _integer(1, 3_650), "7", "1 to 3650 days"),
    Setting(
        "LOG_RETENTION_BYTES",
        "retention_bytes",
        _integer(2**20, 2**60),
        None,
        "1048576 to 1152921504606846976 bytes",
    ),
    Setting("LOG_SEARCH_INDEX", "search_index", _one_of(_INDEXES), None, ", ".join(_INDEXES)),
    Setting(
        "LOG_PARTITION_INTERVAL",
        "partition_interval",
        _one_of(_INTERVALS),
        None,
        ", ".join(_INTERVALS),
    ),
    Setting("GODOT_DATA_DIR", "data_dir", Path, None, "a folder"),
)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read every setting.

    Raises SettingsError for the first wrong value: variable, value, and what is allowed.
    """
    env = os.environ if environ is None else environ
    data_dir = Path(env.get("GODOT_DATA_DIR") or default_data_dir()).absolute()
    endpoint = endpoint_of(env, data_dir)
    values: dict[str, Any] = {"data_dir": data_dir}
    origins = {"data_dir": "variable" if env.get("GODOT_DATA_DIR") else "default"}
    for setting in TABLE:
        if setting.field == "data_dir":
            continue
        text, origin = text_of(setting, env, endpoint)
        origins[setting.field] = origin
        values[setting.field] = None if text is None else value_of(setting, text, origin)
    if (values["dewey_url"] or "").startswith("http"):
        for field in ("dewey_reader_url", "dewey_owner_url"):
            if values[field] is not None:
                raise SettingsError(
                    f"{field.upper()} has no effect where DEWEY_URL is a Dewey's: unset it"
                )
    if values["batch_size"] > values["batch_max"]:
        raise SettingsError(
            f"GODOT_BATCH_SIZE={values['batch_size']} is more than "
            f"GODOT_BATCH_MAX={values['batch_max']}: allowed is at most that"
        )
    return Settings(**values, origins=origins)


def endpoint_of(env: Mapping[str, str], data_dir: Path) -> Mapping[str, object]:
    """Return what a running stack announces, as far as it is meant."""
    endpoint = read_endpoint(data_dir)
    if env.get("DEWEY_URL") or env.get("DEWEY_URL_FILE"):  # another store than the stack's
        return {key: value for key, value in endpoint.items() if not key.startswith("dewey_")}
    return endpoint


def text_of(
    setting: Setting, env: Mapping[str, str], endpoint: Mapping[str, object]
) -> tuple[str | None, str]:
    """Return what a setting is set to, as text, and by what."""
    if env.get(setting.variable):
        return env[setting.variable], "variable"
    file = env.get(f"{setting.variable}_FILE")
    if file:
        try:
            return Path(file).read_text("utf-8").strip(), "file"
        except (OSError, UnicodeDecodeError) as exc:
            raise SettingsError(f"{setting.variable}_FILE={file}: cannot be read ({exc})") from exc
    announced = endpoint.get(setting.endpoint_key) if setting.endpoint_key else None
    if isinstance(announced, str):
        return announced, "endpoint"
    return setting.default, "default"


def value_of(setting: Setting, text: str, origin: str) -> object:
    """Read a value; raise SettingsError for one that is not allowed."""
    try:
        if setting.read is not Path:  # which may be any bytes
            text.encode()
        return setting.read(text)
    except ValueError:
        shown = "(hidden)" if setting.secret else repr(text)
        where = setting.variable + ("_FILE" if origin == "file" else "")
        raise SettingsError(
            f"{where}={shown} is not usable: allowed is {setting.allowed}"
        ) from None
