"""prometheus and promtool, as `make prometheus-test` unpacks them from Debian's package."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".prometheus" / "usr" / "bin"
START_S = 30.0


class Failed(Exception):
    """Something is not as it should be; the text says what."""


def promtool(*arguments: str | Path, stdin: str | None = None) -> str:
    """Run promtool and return what it says; raises Failed when it finds anything wrong."""
    done = subprocess.run(
        [str(BIN / "promtool"), *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    said = f"{done.stdout}{done.stderr}".strip()
    if done.returncode:
        raise Failed(f"promtool {' '.join(map(str, arguments))}:\n{said}")
    return said


class Prometheus:
    """A running server, asked over its API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data of one answer; raises Failed when it is none."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}{query}", timeout=10) as answer:
                said = json.load(answer)
        except urllib.error.HTTPError as exc:
            raise Failed(f"{path} {parameters}: {exc.read().decode()}") from exc
        if said["status"] != "success":
            raise Failed(f"{path} {parameters}: {said}")
        return said["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of now."""
        found: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return found

    def targets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("targets", state="active")["activeTargets"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        alerts = self.get("alerts")["alerts"]
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}


@contextmanager
def prometheus(config: Path, port: int) -> Iterator[Prometheus]:
    """Run a server over a configuration; its data and its log are kept beside that."""
    folder = config.parent
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(BIN / "prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        here = Prometheus(f"http://127.0.0.1:{port}")
        _wait_ready(here, process, Path(log.name))
        yield here
    finally:
        process.terminate()
        process.wait(30)


def _wait_ready(here: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            urllib.request.urlopen(f"{here.url}/-/ready", timeout=2).close()
        except OSError as exc:
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"prometheus does not run:\n{log.read_text()}") from exc
            time.sleep(0.1)
        else:
            return
