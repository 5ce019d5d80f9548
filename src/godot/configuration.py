"""The settings in force, as a person may see them: where each comes from, and no secret.

Programs stop at the first wrong value; whoever looks for what is wrong wants to see all of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from clientlib import default_data_dir, parse_level
from godot.errors import SettingsError
from godot.settings import TABLE, Setting, endpoint_of, load, text_of, value_of

# up to the last @: a password may have any character, also one that should have been written as %40
_PASSWORD = re.compile(r"(?<=://)([^:@]*):.*@", re.DOTALL)
_QUERY = re.compile(r"([?&][^=&]*(?:pass|secret|token|key)[^=&]*=)[^&]*", re.IGNORECASE)


class Listed(NamedTuple):
    """One setting: secrets are masked, a wrong value is kept and named."""

    variable: str
    value: str | None
    default: str | None
    allowed: str
    origin: str
    problem: str | None


def _switch(text: str) -> bool:
    if text.strip().lower() not in ("true", "1", "yes", "on", "false", "0", "no", "off"):
        raise ValueError(text)
    return True


def _level(text: str) -> str:
    return parse_level(text)[0].name  # RecordError is a ValueError


def _number(read: Callable[[str], float], low: float, high: float) -> Callable[[str], float]:
    def checked(text: str) -> float:
        if not low <= (value := read(text)) <= high:
            raise ValueError(text)
        return value

    return checked


def _client(
    variable: str, read: Callable[[str], Any], default: str | None, allowed: str
) -> Setting:
    return Setting(variable, variable, read, default, allowed)


# those of the client alone; a program reads them itself, and takes the default for a wrong one
CLIENT: tuple[Setting, ...] = (
    _client("LOGGING_ENABLED", _switch, "true", "true or false"),
    _client("GODOT_COMPONENT", str, None, "1 to 128 characters"),
    _client("GODOT_LEVEL", _level, "INFO", "TRACE, DEBUG, INFO, WARN, ERROR"),
    _client("GODOT_REDACT_FIELDS", str, "", "names, separated by commas"),
    _client("GODOT_BUFFER_RECORDS", _number(int, 1, 10**7), "10000", "1 to 10000000"),
    _client("GODOT_BUFFER_BYTES", _number(int, 65_536, 1 << 40), "33554432", "65536 bytes or more"),
    _client("GODOT_FLUSH_TIMEOUT_S", _number(float, 0, 3_600), "2", "0 to 3600 seconds"),
)


def listing(environ: Mapping[str, str] | None = None) -> list[Listed]:
    """Return every setting, those of the client included; never raises for a wrong value."""
    env = os.environ if environ is None else environ
    data_dir = Path(env.get("GODOT_DATA_DIR") or default_data_dir()).absolute()
    endpoint = endpoint_of(env, data_dir)
    found = [_listed(one, env, endpoint, data_dir) for one in (*TABLE, *CLIENT)]
    if any(one.problem for one in found):
        return found
    try:
        load(env)
    except SettingsError as exc:  # what no single value is to blame for
        name = re.split("[= ]", str(exc), maxsplit=1)[0]
        return [one._replace(problem=str(exc)) if one.variable == name else one for one in found]
    return found


def _listed(
    setting: Setting, env: Mapping[str, str], endpoint: Mapping[str, object], data_dir: Path
) -> Listed:
    if setting.field == "data_dir":
        setting = setting._replace(default=str(data_dir))
    value, origin, problem = None, "variable", None
    try:
        value, origin = text_of(setting, env, endpoint)
        if value is not None and origin != "default":
            value_of(setting, value, origin)
    except SettingsError as exc:
        problem = str(exc)
    if value is not None and setting.secret:
        value = masked(value)
    return Listed(setting.variable, value, setting.default, setting.allowed, origin, problem)


def masked(secret: str) -> str:
    """Return an address without what only its owner may know; any other secret as ***."""
    if "://" not in secret:
        return "***"
    return _QUERY.sub(r"\1***", _PASSWORD.sub(r"\1:***@", secret))
