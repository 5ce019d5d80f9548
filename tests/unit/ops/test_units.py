"""The systemd units: systemd itself reads them, and rates how much they keep away."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
UNITS = ROOT / "ops" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
MOST_EXPOSED = 20  # tenths; 2.0 is what systemd calls OK, 9.6 is a service without any care

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here"
)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as they would be installed, with programs that exist."""
    folder = tmp_path / "units"
    shutil.copytree(UNITS, folder)
    programs = tmp_path / "bin"
    programs.mkdir()
    for unit in folder.glob("*.service"):
        text = unit.read_text("utf-8")
        for name in re.findall(r"/opt/godot/bin/(\w+)", text):
            (programs / name).touch(0o755)
        unit.write_text(text.replace("/opt/godot/bin", str(programs)), "utf-8")
    return folder


def analyse(verb: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", verb, *arguments],
        env={"PATH": os.environ["PATH"], "SYSTEMD_UNIT_PATH": f"{folder}:"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_systemd_understands_every_line(installed: Path):
    units = [path.name.replace("@.", "@1.") for path in installed.glob("*.*") if path.is_file()]
    found = analyse("verify", installed, "--man=no", *units)
    ours = [line for line in found.stderr.splitlines() if "godot" in line]
    assert (found.returncode, ours) == (0, []), found.stderr


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.stem)
def test_a_service_is_kept_away_from_everything_else(installed: Path, service: Path):
    common = (installed / "godot-.service.d" / "10-common.conf").read_text("utf-8")
    unit = installed / service.name.replace("@", "-")
    unit.write_text(f"{service.read_text('utf-8')}\n{common}", "utf-8")  # it reads no drop-ins
    found = analyse(
        "security",
        installed,
        "--offline=yes",
        f"--threshold={MOST_EXPOSED}",
        "--no-pager",
        str(unit),
    )
    assert found.returncode == 0, found.stdout[-400:] + found.stderr


def test_every_file_that_a_unit_asks_for_is_made_by_the_script(tmp_path: Path):
    subprocess.run(
        ["/bin/sh", str(ROOT / "ops" / "secrets"), str(tmp_path / "made")],
        capture_output=True,
        check=True,
    )
    wanted = {
        name
        for service in SERVICES
        for name in re.findall(r":/etc/godot/secrets/(\w+)", service.read_text("utf-8"))
    }
    assert wanted <= {path.name for path in (tmp_path / "made").iterdir()}
