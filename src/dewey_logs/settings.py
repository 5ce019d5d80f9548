"""Settings out of the environment, for the `dewey` command.

They are those of the whole system, read here a second time because Dewey imports nothing of Godot:
the variable, then the file named by `NAME_FILE`, then a running stack's endpoint.json.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from dewey_logs.errors import DeweyError
from dewey_logs.layout import PARTITION_INTERVALS, SEARCH_INDEXES, Layout

MIN_RETENTION_BYTES = 2**20


class WrongSetting(DeweyError):
    """A variable with a value that cannot be used."""


class Reader:
    """Reads settings out of an environment."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str | None:
        """Return a variable, or what stands in the file that NAME_FILE names."""
        if self._environ.get(name):
            return self._environ[name]
        file = self._environ.get(f"{name}_FILE")
        if not file:
            return None
        try:
            return Path(file).read_text("utf-8").strip() or None
        except (OSError, UnicodeDecodeError) as exc:
            raise WrongSetting(f"{name}_FILE={file}: cannot be read ({exc})") from exc

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        text = self.text(name)
        if text is None:
            return default
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise WrongSetting(f"{name}={text!r} is not usable: allowed is {low} to {high}")
        return value

    def retention_days(self) -> int:
        return self.integer("LOG_RETENTION_DAYS", 7, 1, 3_650)

    def retention_bytes(self) -> int | None:
        """Return how large the log may grow, None without a limit."""
        return self.integer("LOG_RETENTION_BYTES", 0, MIN_RETENTION_BYTES, 2**60) or None

    def tokens_file(self) -> Path | None:
        """Return the file of those who may call, None where whoever reaches the port may."""
        text = self.text("GODOT_TOKENS_FILE")
        return Path(text) if text else None

    def allowed_hosts(self) -> tuple[str, ...]:
        """Return the names that the server answers to beside its address."""
        text = self.text("GODOT_ALLOWED_HOSTS") or ""
        return tuple(name for part in text.split(",") if (name := part.strip()))

    def layout(self) -> Layout:
        """Return what LOG_SEARCH_INDEX and LOG_PARTITION_INTERVAL choose."""
        return Layout(
            self.choice("LOG_SEARCH_INDEX", SEARCH_INDEXES),
            self.choice("LOG_PARTITION_INTERVAL", tuple(PARTITION_INTERVALS)),
        )

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        text = self.text(name)
        if text is not None and text not in allowed:
            raise WrongSetting(f"{name}={text!r} is not usable: allowed is {', '.join(allowed)}")
        return text

    def store_url(self) -> str:
        """Return DEWEY_URL, else that of the stack that runs on this machine."""
        url = self.text("DEWEY_URL") or self._announced("dewey_url")
        if url is None:
            raise WrongSetting(
                "DEWEY_URL is not set and no stack runs here: "
                "give a postgresql:// address, or start one with godot up"
            )
        return url

    def reader_url(self) -> str | None:
        """Return DEWEY_READER_URL, else the stack's unless another store was given."""
        return self.text("DEWEY_READER_URL") or self._beside_store("dewey_reader_url")

    def owner_url(self) -> str:
        """Return DEWEY_OWNER_URL, else the stack's like `reader_url`, else the store's."""
        return (
            self.text("DEWEY_OWNER_URL")
            or self._beside_store("dewey_owner_url")
            or self.store_url()
        )

    def _beside_store(self, key: str) -> str | None:
        return None if self.text("DEWEY_URL") else self._announced(key)

    def _announced(self, key: str) -> str | None:
        try:
            said = json.loads((self.data_dir() / "endpoint.json").read_bytes())
        except (OSError, ValueError):
            return None
        url = said.get(key) if isinstance(said, dict) else None
        return url if isinstance(url, str) else None

    def data_dir(self) -> Path:
        """Return where processes of this machine tell of each other."""
        given = self._environ.get("GODOT_DATA_DIR")
        if given:
            return Path(given)
        if os.geteuid() == 0:
            return Path("/var/lib/godot")
        base = self._environ.get("XDG_DATA_HOME")
        return (Path(base) if base else Path.home() / ".local" / "share") / "godot"
