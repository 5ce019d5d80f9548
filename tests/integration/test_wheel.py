"""The built wheel, installed where nothing else is, works without this checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def uv() -> str:
    own = ROOT / ".tools/bin/uv"
    found = str(own) if own.exists() else shutil.which("uv")
    assert found, "uv is missing: `make test` installs it"
    return found


def run(*command: str | Path, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (found,) = folder.glob("*.whl")
    return found


def environment(folder: Path, *install: str | Path) -> Path:
    assert run(uv(), "venv", "-q", "--python", sys.executable, folder, cwd=ROOT).returncode == 0
    python = folder / "bin/python"
    done = run(uv(), "pip", "install", "-q", "--python", python, *install, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return folder / "bin"


def test_the_wheel_holds_sql_rules_and_dashboards_and_no_tests(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    assert "dewey_logs/_sql/queries.sql" in names
    assert [name for name in names if name.startswith("dewey_logs/_sql/migrations/0001")]
    assert "godot/_ops/prometheus/godot.rules.yml" in names
    assert len([name for name in names if name.startswith("godot/_ops/grafana/dashboards/")]) == 3
    assert not [name for name in names if name.startswith(("tests", "ops"))]


def test_everything_runs_from_an_empty_environment(wheel: Path, tmp_path: Path, postgres_server):
    lock = ROOT / "requirements.lock"
    programs = environment(tmp_path / "env", "--require-hashes", "-r", lock)
    python = programs / "python"
    done = run(uv(), "pip", "install", "-q", "--python", python, "--no-deps", wheel, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    postgres_server.create_database("from_wheel")
    url = postgres_server.url("from_wheel")
    migrated = run(programs / "dewey", "migrate", cwd=tmp_path, DEWEY_URL=url)
    assert migrated.returncode == 0, migrated.stderr
    for name in ("godot", "godot-logs"):
        version = run(programs / name, "version", "-o", "json", cwd=tmp_path)
        assert version.returncode == 0, version.stderr
        assert '"godot"' in version.stdout


def test_the_client_needs_redis_and_msgspec_alone(wheel: Path, tmp_path: Path):
    programs = environment(tmp_path / "env", wheel, "-c", ROOT / "requirements.lock")
    listed = run(uv(), "pip", "list", "--python", programs / "python", cwd=tmp_path)
    installed = {line.split()[0] for line in listed.stdout.splitlines()[2:]}
    assert installed <= {"godot-logs", "redis", "hiredis", "msgspec", "async-timeout"}
    code = "from clientlib import ICCMLogger; ICCMLogger(component='x', redis_url='redis://127.0.0.1:1')"
    assert run(programs / "python", "-c", code, cwd=tmp_path).returncode == 0
    for name in ("godot", "dewey"):
        told = run(programs / name, "--help", cwd=tmp_path)
        assert told.returncode == 1
        assert "godot-logs[server]" in told.stderr
        assert "Traceback" not in told.stderr
