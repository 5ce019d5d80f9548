"""Every PostgreSQL that is found here: the wheel brings 16 and 18, Debian another."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import psycopg

from dewey_logs.migrations import migrate
from godot.embedded.plan import LOGINS
from godot.embedded.postgres import Postgres, installation

OLDEST = 15


@cache
def installations() -> dict[int, Path]:
    """Return where they are by major version, the oldest first."""
    wheel = installation().parent
    homes = [*Path("/usr/lib/postgresql").glob("*"), *wheel.glob("pginstall*")]
    found = {}
    for home in homes:
        program = home / "bin" / "postgres"
        if program.exists():
            said = subprocess.run(
                [program, "--version"], capture_output=True, text=True, check=True
            )
            version = re.search(r"\d+", said.stdout)
            assert version is not None
            found[int(version[0])] = home
    return {version: found[version] for version in sorted(found) if version >= OLDEST}


class Servers:
    """One of each version, started when it is asked for the first time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[int, Postgres] = {}
        self._migrated: set[int] = set()

    def __getitem__(self, version: int) -> Postgres:
        if version not in self._running:
            folder, home = self._folder / str(version), installations()[version]
            server = Postgres(folder, options=("shared_buffers=32MB",), home=home)
            server.start()
            self._running[version] = server
        return self._running[version]

    def migrated(self, version: int) -> str:
        """Return the name of a migrated database there, to copy it or to change nothing in it."""
        server, name = self[version], "dewey_roles"
        if version not in self._migrated:
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            migrate(server.url(name))
            for login, role in LOGINS.items():
                server.create_login(login, role)
            self._migrated.add(version)
        return name

    def close(self) -> None:
        for server in self._running.values():
            server.stop()
