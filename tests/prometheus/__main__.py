"""`make prometheus-test`: rules, metrics and dashboards, tried by Prometheus itself.

`rules` alone is what CI runs: promtool over the rules, their unit tests, the configuration, and
the metrics of a stack that runs. Without it a Prometheus also scrapes that stack under demo
traffic, evaluates every rule and every query of the dashboards, and sees faults come and go; the
rules run ten times faster for that (scaled.py). Names of faults inject these alone.
Exits with 1 when anything is not as it should be.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from godot import ops
from tests.folders import server_folder
from tests.prometheus import faults
from tests.prometheus.programs import ROOT, Failed, Prometheus, prometheus, promtool
from tests.prometheus.running import Running, free_port, running
from tests.prometheus.scaled import scaled

OURS = ROOT / "ops" / "prometheus"
ROLES = {"worker", "mcp", "dewey"}
SCRAPE_S = 2
SETTLE_S = 90.0
# of which there is nothing to be seen while all is well
MAY_BE_EMPTY = ("godot_group_oldest_", "godot_dead_letter", "_memory_limit_", "ALERTS")


def main(parts: list[str]) -> int:
    try:
        for line in check_rules():
            print(line, flush=True)
        with server_folder() as folder:
            data_dir = folder / "data"
            data_dir.mkdir()
            folder.chmod(0o711)
            with running(data_dir) as here:
                for line in check_metrics(here):
                    print(line, flush=True)
                if parts != ["rules"]:
                    for line in watch(here, folder, parts):
                        print(line, flush=True)
    except Failed as exc:
        print(exc, file=sys.stderr)
        print("NOT as it should be")
        return 1
    print("all as it should be")
    return 0


def check_rules() -> Iterator[str]:
    """Have promtool check what is written, and run the unit tests of the rules."""
    for *check, file in (
        ("rules", OURS / "godot.rules.yml"),
        ("config", OURS / "prometheus.yml"),
        # in a container the rules lie beside it
        ("config", "--syntax-only", ROOT / "ops" / "compose" / "prometheus.yml"),
    ):
        promtool("check", *check, file)
        yield f"promtool check {check[0]} {file.relative_to(ROOT)}: nothing to complain about"
    said = promtool("test", "rules", OURS / "godot.rules.test.yml")
    if "SUCCESS" not in said:
        raise Failed(said)
    names = (OURS / "godot.rules.test.yml").read_text("utf-8").count("\n  - name:")
    yield f"promtool test rules: {names} tests passed"


def check_metrics(here: Running) -> Iterator[str]:
    """Have promtool check what each process of a stack really tells."""
    with urllib.request.urlopen(f"http://127.0.0.1:{here.metrics_port}/sd") as answer:
        targets = json.load(answer)
    found = {target["labels"]["role"]: target["targets"][0] for target in targets}
    if found.keys() != ROLES:
        raise Failed(f"/sd tells of {sorted(found)}")
    for role, address in sorted(found.items()):
        with urllib.request.urlopen(f"http://{address}/metrics") as answer:
            text = answer.read().decode()
        said = promtool("check", "metrics", stdin=text)
        if said:
            raise Failed(f"promtool check metrics, {role}:\n{said}")
        yield f"promtool check metrics, {role}: nothing to complain about in {len(text):,} bytes"


def watch(here: Running, folder: Path, wanted: list[str]) -> Iterator[str]:
    """Have Prometheus scrape the stack, and break it, in every way or in those that are wanted."""
    place = folder / "prometheus"
    place.mkdir()
    (place / ops.RULES).write_text(scaled(ops.rules()[ops.RULES]), "utf-8")
    config = (OURS / "prometheus.yml").read_text("utf-8")
    config = config.replace("9464", str(here.metrics_port)).replace("15s", f"{SCRAPE_S}s")
    (place / "prometheus.yml").write_text(config, "utf-8")
    with prometheus(place / "prometheus.yml", free_port()) as watched:
        yield from _quiet(watched)
        yield from _dashboards(watched)
        for fault in faults.FAULTS:
            if not wanted or fault.name in wanted:
                yield faults.inject(fault, here, watched)
        yield from check_metrics(here)  # by now there is something of everything
        yield from _scrapes(watched)


def _quiet(watched: Prometheus) -> Iterator[str]:
    """See every target up, every rule evaluated, and no alert for a while."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        up = {one["labels"]["role"] for one in watched.targets() if one["health"] == "up"}
        unhealthy = [rule["name"] for rule in watched.rules() if rule["health"] != "ok"]
        if up == ROLES and not unhealthy:
            break
        if time.monotonic() > deadline:
            raise Failed(f"up: {sorted(up)}; not evaluated: {unhealthy}")
        time.sleep(0.5)
    yield f"targets up by /sd: {', '.join(sorted(up))}; {len(watched.rules())} rules evaluated"
    firing: set[str] = set()
    calm_until = time.monotonic() + faults.QUIET_S
    while time.monotonic() < calm_until:
        firing = watched.firing()
        if firing:
            calm_until = time.monotonic() + faults.QUIET_S
        if time.monotonic() > deadline + SETTLE_S:
            raise Failed(f"firing though all is well: {sorted(firing)}")
        time.sleep(0.5)
    yield "no alert while all is well"


def _dashboards(watched: Prometheus) -> Iterator[str]:
    """Ask every query of every dashboard; nearly all have something to show."""
    for name, text in ops.dashboards().items():
        queries = [
            target["expr"]
            for panel in json.loads(text)["panels"]
            for target in panel.get("targets", ())
        ]
        for query in queries:
            for variable, value in (
                ("$__rate_interval", "30s"),
                ("$job", ".*"),
                ("$stream", ".*"),
                ("$group", ".*"),
            ):
                query = query.replace(variable, value)
            _await_something(watched, f"{name}: {query}", query)
        yield f"{name}: {len(queries)} queries answered"


def _await_something(watched: Prometheus, what: str, query: str) -> None:
    """Wait until a query has something to show; what needs two scrapes takes its time."""
    deadline = time.monotonic() + SETTLE_S
    while not watched.query(query):
        if any(part in query for part in MAY_BE_EMPTY):
            return
        if time.monotonic() > deadline:
            raise Failed(f"nothing to show, {what}")
        time.sleep(0.5)


def _scrapes(watched: Prometheus) -> Iterator[str]:
    """Tell what scrapes took, faults included."""
    for what, function in (("median", "quantile_over_time(0.5,"), ("longest", "max_over_time(")):
        query = f"max by (role) ({function} scrape_duration_seconds[1h]))"
        for one in sorted(watched.query(query), key=lambda item: str(item["metric"])):
            seconds = float(one["value"][1])
            yield f"a scrape of {one['metric']['role']}, {what}: {seconds * 1000:.1f} ms"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
