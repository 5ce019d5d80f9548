"""What docs, rules and dashboards say of metrics is what the processes really tell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from godot import ops
from godot.embedded.postgres import Postgres
from godot.embedded.valkey import Valkey
from godot.settings import load
from tests.conftest import copied
from tests.integration.exposed import everything, families, table

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"\bgodot_\w+")
RECORDED = re.compile(r"\bgodot:\w+(?::\w+)*")
SELECTED = re.compile(r"\b(godot_\w+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)(=~|!=|!~|=)"([^"]*)"')
GROUPED = re.compile(r"\bby \(([^)]*)\)")
LEGEND = re.compile(r"{{(\w+)}}")
OF_TARGETS = {"job", "instance", "role"}
MANY = 20


@pytest.fixture(scope="module")
def exposed(
    valkey_server: Valkey,
    postgres_server: Postgres,
    _template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, str]]:
    with copied(postgres_server, _template) as url:
        settings = load(
            {
                "GODOT_REDIS_URL": valkey_server.url,
                "DEWEY_URL": url,
                "GODOT_STREAM": "metrics-told",
                "GODOT_DATA_DIR": str(tmp_path_factory.mktemp("metrics")),
            }
        )
        yield everything(settings, url)


def queries() -> Mapping[str, list[str]]:
    """Return every expression of ours, by file."""
    found = {ops.RULES: re.findall(r"expr: (?:\|\n)?((?:.|\n)*?)\n +\w+:", ops.rules()[ops.RULES])}
    for name, text in ops.dashboards().items():
        panels = json.loads(text)["panels"]
        found[name] = [one["expr"] for panel in panels for one in panel.get("targets", ())]
    return found


def test_the_list_in_the_docs_is_what_is_told(exposed: dict[str, str]):
    said = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    wanted = table(exposed)
    missing = [line for line in wanted.splitlines() if line not in said.splitlines()]
    assert not missing, "docs/metrics.md lacks:\n" + "\n".join(missing)
    assert wanted in said, "docs/metrics.md lists what is not told, or in another order"


def test_every_metric_says_what_it_is_and_what_its_unit_is(exposed: dict[str, str]):
    found = [one for text in exposed.values() for one in families(text)]
    assert len({one.name for one in found}) > 50
    for one in found:
        assert one.name.startswith("godot_")
        assert one.help.endswith("."), one.name
        assert one.kind in ("counter", "gauge", "histogram"), one.name
        assert (one.kind == "counter") == one.name.endswith("_total"), one.name
        assert not one.name.endswith(("_ms", "_s", "_age_seconds")), "times are timestamps"
        for label, values in one.labels.items():
            assert label == "le" or len(values) <= MANY, f"{one.name}{{{label}}} is not bounded"
            assert label not in ("consumer", "component", "producer", "trace_id", "message")


def test_stream_and_group_are_told_by_one_role(exposed: dict[str, str]):
    for role, text in exposed.items():
        told = [
            one.name
            for one in families(text)
            if one.name.startswith(("godot_stream_", "godot_group_", "godot_producer"))
        ]
        assert bool(told) == (role == "mcp"), role


def test_rules_and_dashboards_name_what_exists(exposed: dict[str, str]):
    samples: dict[str, dict[str, set[str]]] = {}
    for text in exposed.values():
        for one in families(text):
            for name in one.samples:
                labels = samples.setdefault(name, {})
                for label, values in one.labels.items():
                    labels.setdefault(label, set()).update(values)
    recorded = set(re.findall(r"record: (\S+)", ops.rules()[ops.RULES]))
    labels_of = {name: OF_TARGETS.union(labels) for name, labels in samples.items()}
    for file, expressions in queries().items():
        assert len(expressions) > 10, file
        for expression in expressions:
            assert set(NAME.findall(expression)) <= samples.keys(), f"{file}: {expression}"
            assert set(RECORDED.findall(expression)) <= recorded, f"{file}: {expression}"
            there = [labels_of[name] for name in NAME.findall(expression)]
            for grouped in GROUPED.findall(expression):
                by = {label.strip() for label in grouped.split(",")}
                assert not there or by <= set.union(*there), f"{file}: {expression}"
            for name, matchers in SELECTED.findall(expression):
                for label, operator, value in MATCHER.findall(matchers):
                    if label in OF_TARGETS:
                        continue
                    known = samples[name].get(label)
                    assert known, f"{file}: {name} has no label {label}"
                    if operator == "=":
                        assert value in known, f"{file}: {name}{{{label}}} is never {value}"


def test_legends_name_labels_that_their_query_keeps():
    for name, text in ops.dashboards().items():
        for panel in json.loads(text)["panels"]:
            for one in panel.get("targets", ()):
                kept = {
                    label.strip() for by in GROUPED.findall(one["expr"]) for label in by.split(",")
                }
                assert set(LEGEND.findall(one["legendFormat"])) <= kept, (name, panel["title"])


def test_counters_are_told_before_they_count(exposed: dict[str, str]):
    for line in (
        'godot_worker_errors_total{stage="write"} 0.0',
        'godot_worker_records_total{outcome="rejected"} 0.0',
        'godot_worker_trimmed_entries_total{group="dewey",stream="metrics-told"} 0.0',
        'godot_worker_stage_duration_seconds_count{stage="ack"} 0.0',
    ):
        assert line in exposed["worker"]
    for line in (
        'godot_producer_dropped_records_total{stream="metrics-told"} 0.0',
        'godot_collector_errors_total{collector="heartbeat"} 0.0',
        'godot_http_requests_total{code="5xx",route="/mcp"} 0.0',
    ):
        assert line in exposed["mcp"]
    assert "godot_maintenance_errors_total 0.0" in exposed["dewey"]
