"""Alert rules and dashboards as they come with the package, of the same version as its metrics.

In the wheel the folder is packaged as `_ops`; in a checkout it is `ops/` at the root.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

RUNBOOKS = "docs/runbooks"  # where pages are linked to, unless somebody keeps them elsewhere
RULES = "godot.rules.yml"


@cache
def folder() -> Path:
    """Return the folder that holds `prometheus/` and `grafana/`."""
    package = Path(__file__).resolve().parent
    packaged = package / "_ops"
    return packaged if packaged.is_dir() else package.parents[1] / "ops"


def rules(runbooks: str | None = None) -> dict[str, str]:
    """Return the rules by file name; `runbooks` is where their pages are."""
    return _linked([folder() / "prometheus" / RULES], runbooks)


def dashboards(runbooks: str | None = None) -> dict[str, str]:
    """Return every dashboard by file name; `runbooks` is where the pages they link to are."""
    return _linked(sorted((folder() / "grafana" / "dashboards").glob("*.json")), runbooks)


def _linked(paths: list[Path], runbooks: str | None) -> dict[str, str]:
    base = (runbooks or RUNBOOKS).rstrip("/")
    return {
        path.name: path.read_text("utf-8").replace(f"{RUNBOOKS}/", f"{base}/") for path in paths
    }
