"""`make tap-public`: public MCP servers with `godot tap` before them and without.

Each is asked by the SDK's client and by the protocol's inspector, both ways; the answers have to be
equal, everything that passed has to be in the store under its trace, and the report has to show the
call that reported its progress and the one that was given up. Exits with 1 when anything is not so.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dewey_logs import LogRecordView, Store, open_store
from godot.tap import report, report_text
from godot.tap.capture import captures
from godot.tap.stored import recorded
from tests.bench.stack import Stack, stack
from tests.conformance.node import run
from tests.conformance.public import LONG, Public, everything, servers
from tests.conformance.sdk import STEPS, answers

STORED_S = 60.0
TAP = (sys.executable, "-m", "godot", "tap")


def main() -> int:
    complaints: list[str] = []
    with stack() as here, here.worker():
        public = servers(here.folder)
        for server in public:
            long = server.name == "everything"
            tapped = (*TAP, "--as", server.name, "--", *server.command)
            log = here.folder / f"{server.name}.log"
            modes = ("auto", "legacy") if long else ("auto",)
            for mode in modes:
                plain = answers(server.command, server, mode, log, here.environ, long=long)
                found = answers(tapped, server, mode, log, here.environ, long=long)
                complaints += _differing(f"{server.name}, SDK {mode}", plain, found)
            plain = _inspected(server, server.command, here)
            found = _inspected(server, tapped, here)
            complaints += _differing(f"{server.name}, inspector", plain, found)
        over_http = _over_http(public[0], here)
        complaints += over_http
        names = [*(server.name for server in public), "everything-http"]
        with open_store(here.environ["DEWEY_URL"]) as store:
            complaints += _kept(store, names)
            complaints += _reported(store, names)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    print("NOT as it should be" if complaints else "all as it should be")
    return 1 if complaints else 0


def _over_http(server: Public, here: Stack) -> list[str]:
    complaints = []
    with _listening(everything("streamableHttp"), here) as plain_url:
        tap = (*TAP, "--as", "everything-http", "--to", plain_url, "--listen")
        with _listening(tap, here, give_port=True) as tapped_url:
            log = here.folder / "http.log"
            for mode in ("auto", "legacy"):
                plain = answers(plain_url, server, mode, log, long=True)
                found = answers(tapped_url, server, mode, log, long=True)
                complaints += _differing(f"{server.name} over HTTP, SDK {mode}", plain, found)
            plain = _inspected(server, plain_url, here)
            found = _inspected(server, tapped_url, here)
            complaints += _differing(f"{server.name} over HTTP, inspector", plain, found)
    return complaints


@contextmanager
def _listening(command: tuple[str, ...], here: Stack, *, give_port: bool = False) -> Iterator[str]:
    """Run what listens on PORT, or on a port that its last argument says; give its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    environ = {**os.environ, **here.environ, "PORT": port}
    with (here.folder / f"port-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, port] if give_port else command, env=environ, stdout=log, stderr=log
        )
        try:
            while not _answers(int(port)):
                assert process.poll() is None, Path(log.name).read_text("utf-8")
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


def _inspected(server: Public, target: str | tuple[str, ...], here: Stack) -> dict[str, str]:
    """Return what the inspector prints of the tools, and of the first calls."""
    if isinstance(target, str):
        to = (target, "--transport", "http", "--stored-auth-only")
    else:
        command, *arguments = target
        config = here.folder / "mcp.json"
        entry = {"command": command, "args": arguments, "env": here.environ}
        config.write_text(json.dumps({"mcpServers": {"it": entry}}), "utf-8")
        to = ("--config", str(config), "--server", "it")

    def ask(*more: str) -> str:
        done = run(
            "mcp-inspector", "--cli", *to, "--quiet", "--format", "json", "--method", *more,
            home=here.folder,
        )  # fmt: skip
        # beside errors it prints where it keeps its own log, and how long things took
        return f"{done.returncode} {_steady(done.stdout or done.stderr[-500:])}"

    found = {"tools/list": ask("tools/list")}
    for tool, arguments_of in server.calls[:2]:
        given = ("--tool-name", tool, "--tool-args-json", json.dumps(arguments_of))
        found[tool] = ask("tools/call", *given)
    return found


def _steady(text: str) -> str:
    return re.sub(r'"?(?:duration|elapsed|took)\w*"?: *[\d.]+', "", text)


def _differing(what: str, plain: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Print how many answers were compared; return those that differ."""
    different = [key for key in plain if plain[key] != found.get(key)]
    print(f"{what}: {len(plain)} answers, {len(plain) - len(different)} identical behind the tap")
    return [f"{what}: {key}: {plain[key]!s:.300} / {found.get(key)!s:.300}" for key in different]


def _kept(store: Store, names: list[str]) -> list[str]:
    """Wait until every tap's last record is stored; say what is missing, by number and by trace."""
    deadline = time.monotonic() + STORED_S
    complaints: list[str] = []
    while True:
        records = list(recorded(store, names, "1h"))
        runs: dict[str, list[LogRecordView]] = {}
        for record in records:
            runs.setdefault(_tap(record)["run"], []).append(record)
        open_ones = [
            run for run, found in runs.items() if not any(r.message == "tap ended" for r in found)
        ]
        if not open_ones and {record.component for record in records} == set(names):
            break
        assert time.monotonic() < deadline, f"not stored: {open_ones}"
        time.sleep(0.2)
    for run_id, found in runs.items():
        numbers = {_tap(record)["n"] for record in found}
        if missing := set(range(1, max(numbers) + 1)) - numbers:
            complaints.append(f"{found[0].component} {run_id}: not stored: {sorted(missing)[:10]}")
    traces: dict[str, set[str]] = {}
    for record in records:
        if record.trace_id:
            traces.setdefault(record.trace_id, set()).add(record.id)
    lost = 0
    for trace_id, ids in traces.items():
        trace = store.trace(trace_id, 1_000)
        lost += len(ids - {row.record.id for row in trace.rows} if trace else ids)
    print(
        f"{len(records)} records in {len(runs)} runs; of {len(traces)} traces {lost} records lost"
    )
    return complaints + ([f"{lost} records are not found by their trace"] if lost else [])


def _tap(record: LogRecordView) -> dict[str, Any]:
    data: Any = record.data
    return dict(data["tap"])


def _reported(store: Store, names: list[str]) -> list[str]:
    complaints = []
    for capture in captures(recorded(store, names, "1h")):
        document: Any = report.server_document(capture)
        for line in report_text.server_lines(document):
            print(line[:200])
        # what a server asks of an inspector that ends at once stays without an answer
        unanswered = [each for each in document["unanswered"] if each["direction"] == "to_server"]
        wrong = (unanswered, document["no_json_rpc"], document["protocol"]["broken"])
        complaints += [f"{capture.component}: {each[:3]}" for each in wrong if each]
        if "everything" not in capture.component:
            continue
        finished = [p for p in document["progress"] if p["answered_ms"] and p["tool"] == LONG]
        if [p["notifications"] for p in finished[:1]] != [STEPS]:
            complaints.append(f"{capture.component}: no progress of a long call: {finished}")
        if not any(each["tool"] == LONG for each in document["given_up"]):
            complaints.append(f"{capture.component}: no call that was given up")
    return complaints


if __name__ == "__main__":
    sys.exit(main())
