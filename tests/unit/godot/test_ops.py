"""Rules, dashboards and runbooks as files: each holds what the others count on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from dewey_logs.cli import dewey
from godot import ops
from godot.cli import godot
from ops.grafana.__main__ import DASHBOARDS, FOLDER
from ops.grafana.form import text
from tests.prometheus.scaled import scaled

ROOT = Path(__file__).resolve().parents[3]
PAGES = ROOT / "docs" / "runbooks"
RULES = ops.rules()[ops.RULES]
ALERTS = re.findall(r"- alert: (\w+)\n(.*?)(?=\n      (?:- |#)|\n\n|\Z)", RULES, re.DOTALL)
SH = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([\w-]+\.md)\)")


def pages() -> list[Path]:
    return sorted(PAGES.glob("*.md"))


def panels(dashboard: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(dashboard)["panels"]
    return found


def test_every_alert_links_a_page_of_its_own_that_bears_its_name():
    assert len(ALERTS) == RULES.count("- alert:") > 10
    linked = {}
    for name, body in ALERTS:
        (page,) = re.findall(r"runbook_url: (\S+)", body)
        linked[page] = name
        assert (ROOT / page).read_text("utf-8").startswith(f"# {name}\n"), page
        for needed in ("summary: ", "description: ", "labels: {severity: "):
            assert needed in body, name
    assert set(linked) == {str(page.relative_to(ROOT)) for page in pages()}


def test_of_every_alert_it_is_tried_that_it_fires_and_that_it_is_quiet():
    tried = (ROOT / "ops" / "prometheus" / "godot.rules.test.yml").read_text("utf-8")
    alerts = {name for name, _ in ALERTS}
    assert set(re.findall(r"alertname: (\w+)\n +exp_alerts:\n +- exp_labels:", tried)) == alerts
    assert set(re.findall(r"alertname: (\w+), exp_alerts: \[\]}", tried)) == alerts


def test_the_docs_list_every_alert_with_its_severity_and_its_patience():
    listed = (ROOT / "docs" / "metrics.md").read_text("utf-8").splitlines()
    for name, body in ALERTS:
        (page,) = re.findall(r"runbook_url: docs/(\S+)", body)
        (severity,) = re.findall(r"severity: (\w+)", body)
        patience = (re.findall(r"for: (\w+)", body) or ["-"])[0]
        found = [line for line in listed if line.startswith(f"| [{name}]({page}) | {severity} | ")]
        assert len(found) == 1, name
        assert found[0].endswith(f" | {patience} |"), name


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_a_page_names_commands_and_pages_that_exist(page: Path):
    said = page.read_text("utf-8")
    assert {"## Look", "## Do"} <= set(said.splitlines())
    for target in LINK.findall(said):
        assert (PAGES / target).exists(), target
    lines = [line for block in SH.findall(said) for line in block.splitlines()]
    assert lines
    inline = re.findall(r"`((?:godot|dewey) [^`]+)`", said)
    for line in (*lines, *inline):
        program, *words = line.partition("#")[0].split()
        if program in ("godot", "dewey"):
            assert_command(godot if program == "godot" else dewey, words, line)
        else:
            assert program == "curl"


def assert_command(group: click.Group, words: list[str], line: str) -> None:
    command: click.Command | None = group
    for number, word in enumerate(words):
        if not isinstance(command, click.Group) or word.startswith("-"):
            break
        found = command.get_command(click.Context(command), word)
        assert found or number, line
        if found is None:
            break
        command = found
    assert command is not None
    options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    assert {word for word in words if word.startswith("-")} <= options, line


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.name)
def test_a_dashboard_is_what_the_script_makes_and_can_be_provisioned(dashboard):
    written = (FOLDER / f"{dashboard.name}.json").read_text("utf-8")
    assert written == text(dashboard), "run: python -m ops.grafana"
    whole = json.loads(written)
    assert (whole["id"], whole["uid"]) == (None, f"godot-{dashboard.name}")
    assert "__inputs" not in whole
    assert "${DS_" not in written
    assert {one["name"] for one in whole["templating"]["list"]} == {
        *("datasource", "job", "stream", "group")
    }
    ids = [panel["id"] for panel in panels(written)]
    assert len(ids) == len(set(ids))
    places = set()
    for panel in panels(written):
        place = panel["gridPos"]
        assert 0 <= place["x"] <= 24 - place["w"], panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in places, f"{panel['title']} covers another"
                places.add((x, y))
        if panel["type"] == "row":
            assert panel["title"].endswith("?")
            continue
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
        for target in (panel, *panel["targets"]):
            assert target["datasource"]["uid"] == "${datasource}"
        for link in panel["links"]:
            assert (ROOT / link["url"]).exists(), link


def test_there_are_three_dashboards_and_no_other_file():
    assert {path.name for path in FOLDER.iterdir()} == set(ops.dashboards())
    assert len(DASHBOARDS) == len(ops.dashboards()) == 3


def test_rules_are_exported_with_links_to_where_the_pages_are(tmp_path: Path):
    run = CliRunner().invoke
    assert run(godot, ["rules"]).output == run(godot, ["rules", "export"]).output == RULES
    wiki = "https://wiki.example/godot/"
    said = run(godot, ["rules", "export", "--runbooks", wiki]).output
    assert f"runbook_url: {wiki}heartbeat-late.md" in said
    assert "docs/runbooks" not in said
    to = tmp_path / "made" / "here"
    done = run(godot, ["rules", "export", "--to", str(to)])
    assert (done.exit_code, done.stdout) == (0, f"{to / ops.RULES}\n")
    assert (to / ops.RULES).read_text("utf-8") == RULES


def test_dashboards_are_exported_and_what_differs_is_not_replaced_unasked(tmp_path: Path):
    run = CliRunner().invoke
    command = ["dashboards", "export", "--to", str(tmp_path)]
    done = run(godot, command)
    written = [Path(line) for line in done.stdout.splitlines()]
    assert {path.name: path.read_text("utf-8") for path in written} == ops.dashboards()
    assert run(godot, command).exit_code == 0  # the same again is no change
    written[0].write_text("mine", "utf-8")
    refused = run(godot, command)
    assert (refused.exit_code, refused.stdout) == (5, "")
    assert str(written[0]) in refused.stderr
    assert written[0].read_text("utf-8") == "mine"
    assert run(godot, [*command, "--replace"]).exit_code == 0
    assert written[0].read_text("utf-8") == ops.dashboards()[written[0].name]
    for listing in (["dashboards"], ["dashboards", "export"]):
        assert run(godot, listing).stdout.splitlines() == [*ops.dashboards()]


def test_the_faster_rules_of_the_test_differ_in_times_alone():
    given = (
        "expr: rate(x[5m]) > 2 * 60 and y < 12 * 3600 and z > 0.05\n        for: 2m\n  [10m] [1h]\n"
    )
    assert scaled(given) == (
        "expr: rate(x[30s]) > 2 * 6 and y < 12 * 3600 and z > 0.05\n        for: 12s\n"
        "  [60s] [360s]\n"
    )
    assert re.sub(r"\d+[smh]?", "", scaled(RULES)) == re.sub(r"\d+[smh]?", "", RULES)
