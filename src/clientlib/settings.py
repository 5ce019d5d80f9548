"""The client's settings from the environment, and what to do about wrong ones.

A wrong argument is a bug of the programmer and raises ConfigError at construction. A wrong variable
is found by whoever starts the program, who wants it to run: one line on stderr says what is wrong,
and the default is used. `NAME_FILE` names a file that holds the value of `NAME`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from clientlib.endpoint import default_data_path, read_endpoint
from clientlib.errors import ConfigError, RecordError
from clientlib.fallback import say
from clientlib.record import MAX_COMPONENT_CHARS, Level, parse_level
from clientlib.redaction import Redactor

DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"
_DESCENDING = tuple(sorted(Level, reverse=True))
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


class ClientSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a logger needs to know."""

    enabled: bool
    component: str
    level: Level
    redact_fields: tuple[str, ...]
    redis_url: str
    redis_url_given: bool
    stream: str
    maxlen: int
    buffer_records: int
    buffer_bytes: int
    flush_timeout_s: float

    @property
    def destination(self) -> Destination:
        return Destination(
            redis_url=self.redis_url,
            given=self.redis_url_given,
            stream=self.stream,
            maxlen=self.maxlen,
            buffer_records=self.buffer_records,
            buffer_bytes=self.buffer_bytes,
        )


class Destination(msgspec.Struct, frozen=True):
    """Where records go and how many may wait: what makes two loggers share one sender.

    Nobody may have `given` the URL: then it is looked up again whenever a connection is made, so
    that a program finds a stack that was started after it.
    """

    redis_url: str
    given: bool
    stream: str
    maxlen: int
    buffer_records: int
    buffer_bytes: int


class Setting(NamedTuple):
    """One variable: its field, how to read it, the default, what is allowed."""

    variable: str
    field: str
    read: Callable[[str], Any]
    default: object
    allowed: str
    endpoint_key: str | None = None
    secret: bool = False


def _switch(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE + _FALSE:
        raise ValueError(text)
    return word in _TRUE


def _component(text: str) -> str:
    if not text.strip() or len(text) > MAX_COMPONENT_CHARS:
        raise ValueError(text)
    return text


def read_level(value: object) -> Level:
    """Return a level from its name, alias or stdlib number; raise ValueError for anything else."""
    if isinstance(value, str):
        try:
            return parse_level(value)[0]
        except RecordError:
            raise ValueError(value) from None
    if isinstance(value, int) and not isinstance(value, bool):
        return level_of_number(value)
    raise ValueError(value)


def level_of_number(number: int) -> Level:
    """Return the level that a stdlib logging number falls into."""
    for level in _DESCENDING:
        if number >= level:
            return level
    return Level.TRACE


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _url(text: str) -> str:
    from urllib.parse import urlsplit  # 3 ms that only a logger needs

    parts = urlsplit(text)
    if parts.scheme not in ("redis", "rediss", "unix") or not (parts.hostname or parts.path):
        raise ValueError(text)
    _ = parts.port  # raises ValueError when it is no number
    return text


def _word(text: str) -> str:
    if not text or len(text) > 128 or any(c.isspace() or not c.isprintable() for c in text):
        raise ValueError(text)
    return text


def _integer(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return read


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 3_600:
        raise ValueError(text)
    return value


_URLS = "redis://host:port/db, rediss://… or unix:///path?db=0 (clusters need shards: not built)"

TABLE: tuple[Setting, ...] = (
    Setting("LOGGING_ENABLED", "enabled", _switch, True, "true or false"),
    Setting("GODOT_COMPONENT", "component", _component, None, "1 to 128 characters"),
    Setting("GODOT_LEVEL", "level", read_level, Level.INFO, ", ".join(Level.__members__)),
    Setting("GODOT_REDACT_FIELDS", "redact_fields", _names, (), "names, separated by commas"),
    Setting("GODOT_REDIS_URL", "redis_url", _url, DEFAULT_REDIS_URL, _URLS, "redis_url", True),
    Setting("GODOT_STREAM", "stream", _word, "logs", "a key name without spaces", "stream"),
    Setting("GODOT_MAXLEN", "maxlen", _integer(1_000, 10**8), 100_000, "1000 to 100000000 entries"),
    Setting("GODOT_BUFFER_RECORDS", "buffer_records", _integer(1, 10**7), 10_000, "1 to 10000000"),
    Setting(
        *("GODOT_BUFFER_BYTES", "buffer_bytes", _integer(65_536, 1 << 40), 33_554_432),
        "65536 bytes or more",
    ),
    Setting("GODOT_FLUSH_TIMEOUT_S", "flush_timeout_s", _seconds, 2.0, "0 to 3600 seconds"),
)
_REDACT_FIELDS = next(setting for setting in TABLE if setting.field == "redact_fields")
_REDIS_URL = next(setting for setting in TABLE if setting.field == "redis_url")


def load(
    arguments: Mapping[str, object],
    complain: Callable[[str], None],
    environ: Mapping[str, str] | None = None,
) -> ClientSettings:
    """Return the settings: arguments (None: not given), then environment, endpoint, defaults.

    Raises ConfigError for a wrong argument; a wrong variable is one line to `complain`.
    """
    env = os.environ if environ is None else environ
    endpoint: Mapping[str, object] | None = None
    values: dict[str, Any] = {}
    for setting in TABLE:
        given = arguments.get(setting.field)
        if given is not None:
            values[setting.field] = _argument(setting, given)
            continue
        value = _variable(setting, env, complain)
        if setting.field == "redis_url":
            values["redis_url_given"] = value is not None
        if value is None and setting.endpoint_key:
            if endpoint is None:
                endpoint = read_endpoint(env.get("GODOT_DATA_DIR") or default_data_path())
            value = _told(setting, endpoint)
        values[setting.field] = setting.default if value is None else value
    values.setdefault("redis_url_given", True)
    if values["component"] is None:
        values["component"] = program_name()
    if arguments.get("redact_fields") is not None:  # these never take the place of the variable's
        values["redact_fields"] += _variable(_REDACT_FIELDS, env, complain) or ()
    return ClientSettings(**values)


def found_redis_url(environ: Mapping[str, str] | None = None) -> str:
    """Return the URL for a program that was given none: a running stack's, else the default."""
    env = os.environ if environ is None else environ
    endpoint = read_endpoint(env.get("GODOT_DATA_DIR") or default_data_path())
    return str(_told(_REDIS_URL, endpoint) or DEFAULT_REDIS_URL)


def _told(setting: Setting, endpoint: Mapping[str, object]) -> Any:
    """Return what a running stack says of itself; None where it is damaged."""
    found = endpoint.get(setting.endpoint_key or "")
    try:
        return setting.read(found) if isinstance(found, str) and found else None
    except ValueError:
        return None


def configured_redactor(
    complain: Callable[[str], None] = say, environ: Mapping[str, str] | None = None
) -> Redactor:
    """Return the redactor of the environment: its fields beside the standard ones.

    For whoever makes records without a logger; variable and file are read as a logger reads them.
    """
    env = os.environ if environ is None else environ
    return Redactor(_variable(_REDACT_FIELDS, env, complain) or ())


def program_name() -> str:
    """Return a component for programs that name none: the script's or package's name."""
    folder, file = os.path.split(sys.argv[0].rstrip("/") if sys.argv else "")
    name = os.path.splitext(file)[0]
    if name == "__main__":
        name = os.path.basename(folder)
    return name[:MAX_COMPONENT_CHARS] if name and name != "." and name[0] != "-" else "python"


def _argument(setting: Setting, given: object) -> object:
    try:
        if setting.field in ("enabled", "level") and not isinstance(given, str):
            return bool(given) if setting.field == "enabled" else read_level(given)
        if setting.field == "redact_fields" and not isinstance(given, str):
            return tuple(str(name) for name in given)  # type: ignore[attr-defined]  # TypeError below
        return setting.read(str(given))
    except (ValueError, TypeError):
        shown = "(hidden)" if setting.secret else repr(given)[:80]
        raise ConfigError(
            f"{setting.field}={shown} is not usable: allowed is {setting.allowed}"
        ) from None


def _variable(setting: Setting, env: Mapping[str, str], complain: Callable[[str], None]) -> Any:
    name, text = setting.variable, env.get(setting.variable)
    try:
        if not text and (file := env.get(f"{name}_FILE")):
            name, text = f"{name}_FILE", file
            with open(file, encoding="utf-8") as opened:
                text = opened.read().strip()
        return setting.read(text) if text else None
    except (ValueError, OSError) as exc:
        shown = "(hidden)" if setting.secret and isinstance(exc, ValueError) else repr(text)[:80]
        complain(
            f"{name}={shown} is not usable: allowed is {setting.allowed}; "
            f"using {setting.default if setting.default is not None else 'the default'}"
        )
        return None
