"""ops/Dockerfile: what the wheel is made of is there when it is made."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_everything_that_the_wheel_is_made_of_is_copied_before_it_is_made():
    build = (ROOT / "pyproject.toml").read_text("utf-8")
    wheel = tomllib.loads(build)["tool"]["hatch"]["build"]["targets"]["wheel"]
    before, made, _ = (ROOT / "ops" / "Dockerfile").read_text("utf-8").partition("hatchling build")
    assert made
    copied = {
        word
        for line in before.splitlines()
        if line.startswith("COPY ")
        for word in line.split()[1:-1]
    }
    for wanted in (*wheel["packages"], *wheel["force-include"], "pyproject.toml", "README.md"):
        parents = {str(parent) for parent in (Path(wanted), *Path(wanted).parents)}
        assert parents & copied, wanted
