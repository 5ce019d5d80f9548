"""Writes the dashboards: `python -m ops.grafana`."""

from __future__ import annotations

from pathlib import Path

from ops.grafana import clients, overview, pipeline
from ops.grafana.form import text

FOLDER = Path(__file__).parent / "dashboards"
DASHBOARDS = (overview.OVERVIEW, pipeline.PIPELINE, clients.CLIENTS)


def main() -> None:
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard.name}.json").write_text(text(dashboard), "utf-8")


if __name__ == "__main__":
    main()
