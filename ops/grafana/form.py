"""What every dashboard of ours has in common, and how Grafana wants it written.

They are provisioned as they stand: a fixed uid, no id, no inputs to be asked for, the data source a
variable. A row's title is a question, and each panel says what it shows and in which unit. Queries
take raw metrics, not what the rules record, so that dashboards work without the rules.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

RUNBOOKS = "docs/runbooks"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
# what stands for the variables' filters in a query
FILTERS = {
    "JOB": 'job=~"$job"',
    "STREAM": 'job=~"$job",stream=~"$stream"',
    "GROUP": 'job=~"$job",stream=~"$stream",group=~"$group"',
}


class Panel(NamedTuple):
    """One panel: each query is an expression and what its lines are called.

    `red_above` or `red_below` colours a figure; `runbook` names the page that its link leads to.
    """

    title: str
    about: str
    unit: str
    queries: Sequence[tuple[str, str]]
    kind: str = "timeseries"
    width: int = 8
    red_above: float | None = None
    red_below: float | None = None
    runbook: str | None = None


class Row(NamedTuple):
    """A question, and the panels that answer it."""

    question: str
    panels: Sequence[Panel]


class Dashboard(NamedTuple):
    """A file: its name is part of the uid."""

    name: str
    title: str
    rows: Sequence[Row]


def stat(
    title: str,
    about: str,
    unit: str,
    query: str,
    *,
    red_above: float | None = None,
    red_below: float | None = None,
    runbook: str | None = None,
) -> Panel:
    return Panel(title, about, unit, [(query, "")], "stat", 4, red_above, red_below, runbook)


def quantiles(metric: str, by: str = "") -> list[tuple[str, str]]:
    """Return the median and the 99th percentile of a histogram."""
    labels = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    return [
        (
            f"histogram_quantile({q}, sum by ({labels})"
            f" (rate({metric}_bucket{{JOB}}[$__rate_interval])))",
            f"p{q * 100:g}{legend}",
        )
        for q in (0.5, 0.99)
    ]


def rate(metric: str, by: str = "", filters: str = "JOB") -> str:
    clause = f" by ({by})" if by else ""
    return f"sum{clause} (rate({metric}{{{filters}}}[$__rate_interval]))"


def document(dashboard: Dashboard) -> dict[str, Any]:
    """Return a dashboard as Grafana reads it."""
    return {
        "annotations": {"list": []},
        "description": "Made by python -m ops.grafana.",
        "editable": True,
        "graphTooltip": 1,
        "id": None,
        "links": [
            {
                "asDropdown": False,
                "includeVars": True,
                "keepTime": True,
                "tags": ["godot"],
                "title": "Godot",
                "type": "dashboards",
            }
        ],
        "panels": list(_placed(dashboard.rows)),
        "refresh": "30s",
        "schemaVersion": 39,
        "tags": ["godot"],
        "templating": {"list": list(_variables())},
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "title": dashboard.title,
        "uid": f"godot-{dashboard.name}",
        "version": 1,
    }


def _placed(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    number = top = 0
    for row in rows:
        number += 1
        yield {
            "collapsed": False,
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": top},
            "id": number,
            "panels": [],
            "title": row.question,
            "type": "row",
        }
        top += 1
        left = 0
        height = 4 if all(panel.kind == "stat" for panel in row.panels) else 8
        for panel in row.panels:
            number += 1
            place = {"h": height, "w": panel.width, "x": left, "y": top}
            yield _panel(panel, number, place)
            left += panel.width
        top += height


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.red_above is not None:
        steps.append({"color": "red", "value": panel.red_above})
    if panel.red_below is not None:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": panel.red_below}]
    options: dict[str, Any] = {"tooltip": {"mode": "multi", "sort": "desc"}}
    custom: dict[str, Any] = {"fillOpacity": 10, "lineWidth": 1, "showPoints": "never"}
    if panel.kind == "stat":
        options = {"colorMode": "value", "reduceOptions": {"calcs": ["lastNotNull"]}}
        custom = {}
    page = panel.runbook
    return {
        "datasource": SOURCE,
        "description": panel.about,
        "fieldConfig": {
            "defaults": {
                "custom": custom,
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": steps},
                "unit": panel.unit,
            },
            "overrides": [],
        },
        "gridPos": place,
        "id": number,
        "links": [{"title": "Runbook", "url": f"{RUNBOOKS}/{page}.md"}] if page else [],
        "options": options,
        "targets": [
            {
                "datasource": SOURCE,
                "expr": _filtered(query),
                "legendFormat": legend or "__auto",
                "refId": chr(ord("A") + place_of_query),
            }
            for place_of_query, (query, legend) in enumerate(panel.queries)
        ],
        "title": panel.title,
        "type": panel.kind,
    }


def _filtered(query: str) -> str:
    for name, text in FILTERS.items():
        query = query.replace(f"{{{name}", f"{{{text}")
    return query


def _variables() -> Iterator[dict[str, Any]]:
    yield {
        "current": {},
        "hide": 0,
        "label": "Data source",
        "name": "datasource",
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "type": "datasource",
    }
    for name, query in (
        ("job", "label_values(godot_build_info, job)"),
        ("stream", 'label_values(godot_stream_entries{job=~"$job"}, stream)'),
        ("group", 'label_values(godot_group_backlog_entries{job=~"$job"}, group)'),
    ):
        yield {
            "allValue": ".*",
            "current": {"selected": True, "text": "All", "value": "$__all"},
            "datasource": SOURCE,
            "definition": query,
            "hide": 0,
            "includeAll": True,
            "label": name.capitalize(),
            "multi": True,
            "name": name,
            "query": query,
            "refresh": 2,
            "sort": 1,
            "type": "query",
        }


def text(dashboard: Dashboard) -> str:
    """Return what its file holds."""
    return json.dumps(document(dashboard), indent=2, ensure_ascii=False) + "\n"
