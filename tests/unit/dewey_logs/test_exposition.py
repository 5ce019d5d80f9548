"""What a process tells on its metrics port, and how one finds the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from dewey_logs import exposition
from dewey_logs.exposition import MetricsServer


def serve(data_dir: Path | None, role: str = "worker", **more: Any) -> MetricsServer:
    given: dict[str, Any] = {"port": 0, "host": "127.0.0.1", "ready": lambda: {"redis": True}}
    return exposition.serve(
        **{**given, **more}, role=role, registry=CollectorRegistry(), data_dir=data_dir
    )


def get(server: MetricsServer, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}") as answer:
        found: str = answer.read().decode()
    return found


def discovered(server: MetricsServer) -> list[tuple[str, str]]:
    found = json.loads(get(server, "/sd"))
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
