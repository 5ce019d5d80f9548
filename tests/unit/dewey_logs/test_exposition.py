"""What a process tells on its metrics port, and how one finds the others."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from dewey_logs import exposition
from dewey_logs.errors import CannotListen
from dewey_logs.exposition import MetricsServer


def serve(data_dir: Path | None, role: str = "worker", **more: Any) -> MetricsServer:
    given: dict[str, Any] = {"port": 0, "host": "127.0.0.1", "ready": lambda: {"redis": True}}
    return exposition.serve(
        **{**given, **more}, role=role, registry=CollectorRegistry(), data_dir=data_dir
    )


def get(server: MetricsServer, path: str, host: str = "127.0.0.1") -> str:
    with urllib.request.urlopen(f"http://{host}:{server.port}{path}") as answer:
        found: str = answer.read().decode()
    return found


def discovered(server: MetricsServer, host: str = "127.0.0.1") -> list[tuple[str, str]]:
    found = json.loads(get(server, "/sd", host))
    assert all(len(one["targets"]) == 1 for one in found)
    return [(one["labels"]["role"], one["targets"][0]) for one in found]


def test_every_process_tells_where_all_of_them_are(tmp_path: Path):
    with serve(tmp_path) as worker, serve(tmp_path, "mcp") as mcp:
        both = [("mcp", f"127.0.0.1:{mcp.port}"), ("worker", f"127.0.0.1:{worker.port}")]
        assert discovered(worker) == discovered(mcp) == both
        assert 'godot_build_info{role="mcp",version=' in get(mcp, "/metrics")
    assert not list((tmp_path / "run").iterdir())


def test_who_was_killed_is_no_target_and_rubbish_is_none_either(tmp_path: Path):
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    with serve(tmp_path) as worker:
        run = tmp_path / "run"
        dead = {"role": "worker", "pid": int(gone.stdout), "metrics_url": "http://127.0.0.1:1/m"}
        (run / "worker-1.json").write_text(json.dumps(dead))
        (run / "mcp-2.json").write_text("[1, 2]")
        (run / "mcp-3.json").write_text('{"pid": ')
        (run / "mcp-4.json").write_text(json.dumps({"role": "mcp", "pid": os.getpid()}))
        assert discovered(worker) == [("worker", f"127.0.0.1:{worker.port}")]


def test_what_killed_processes_left_is_removed_a_day_later(tmp_path: Path):
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    run = tmp_path / "run"
    run.mkdir()
    dead, alive = int(gone.stdout), os.getpid()
    for name, pid, age_s in (("worker", dead, 90_000), ("mcp", dead, 60), ("dewey", alive, 90_000)):
        path = run / f"{name}-{pid}.json"
        path.write_text("{}")
        os.utime(path, (time.time() - age_s,) * 2)
    with serve(tmp_path, "other"):
        left = {path.name.partition("-")[0] for path in run.iterdir()}
    assert left == {"mcp", "dewey", "other"}


def test_without_a_data_folder_a_process_still_tells_of_itself(tmp_path: Path):
    with serve(tmp_path / "missing") as alone:
        assert discovered(alone) == [("worker", f"127.0.0.1:{alone.port}")]
    assert not (tmp_path / "missing").exists()


def test_a_port_that_is_taken_is_replaced_by_a_free_one(tmp_path: Path):
    with serve(tmp_path) as first, serve(tmp_path, "mcp", port=first.port) as second:
        assert second.port != first.port
        assert get(second, "/livez")


def test_only_this_machine_is_answered_whatever_the_host():
    with serve(None, host="0.0.0.0") as server:
        assert discovered(server) == [("worker", f"127.0.0.1:{server.port}")]


def test_loopback_has_two_addresses():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        with pytest.raises(CannotListen):
            serve(None, host="::1")
    else:
        with serve(None, host="::1") as server:
            assert discovered(server, "[::1]") == [("worker", f"[::1]:{server.port}")]


def test_an_address_of_another_machine_is_refused_by_name():
    with pytest.raises(CannotListen, match=r"GODOT_METRICS_HOST=192.0.2.1 cannot be listened on"):
        serve(None, exposed_at="192.0.2.1", port=9)


def test_nobody_is_asked_for_our_own_name(monkeypatch):
    def slow(name: str = "") -> str:
        raise AssertionError("a name server may take half a minute to answer")

    monkeypatch.setattr(socket, "getfqdn", slow)
    with serve(None, exposed_at="127.0.0.9") as server:
        assert discovered(server, "127.0.0.9") == [("worker", f"127.0.0.9:{server.port}")]


def test_a_scrape_that_fails_says_why_in_the_log(caplog):
    def broken() -> dict[str, bool]:
        raise ValueError("a mistake of ours")

    with serve(None, ready=broken) as server:
        with pytest.raises(http.client.RemoteDisconnected):
            get(server, "/readyz")
        assert get(server, "/livez")
    assert "a mistake of ours" in caplog.text


def test_readiness_is_what_the_process_says(tmp_path: Path):
    with serve(tmp_path, ready=lambda: {"redis": True, "store": False}) as server:
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(server, "/readyz")
        assert (caught.value.code, json.load(caught.value)) == (
            503,
            {"redis": True, "store": False},
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(server, "/elsewhere")
        assert caught.value.code == 404
        caught.value.close()
