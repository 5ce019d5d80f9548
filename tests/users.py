"""The users of ops/redis/users.acl, on a server of the tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("producer", "worker", "tools", "reader", "admin")
EVERYTHING = "user default on nopass ~* &* +@all\n"


def password(name: str) -> str:
    return f"secret-of-{name}"


def acl_file(folder: Path, stream: str, *, default: str = "") -> Path:
    """Write the file as ops/redis/users prints it; `default` takes the place of its own line.

    The folder has to be there and be the server's.
    """
    secrets = folder / "passwords"
    secrets.mkdir()
    for name in NAMES:
        (secrets / f"redis_{name}").write_text(f"{password(name)}\n", "utf-8")
    made = subprocess.run(
        ["/bin/sh", str(ROOT / "ops" / "redis" / "users"), str(secrets)],
        env={"PATH": os.defpath, "GODOT_STREAM": stream},
        capture_output=True,
        text=True,
        check=True,
    )
    file = folder / "users.acl"
    lines = made.stdout
    if default:
        lines = default + "".join(
            line for line in lines.splitlines(True) if not line.startswith("user default")
        )
    file.write_text(lines, "utf-8")
    return file


def socket_url(name: str, socket: Path) -> str:
    """Return a user's address of a server on a unix socket."""
    return f"unix://{name}:{password(name)}@{quote(str(socket))}?db=0"
