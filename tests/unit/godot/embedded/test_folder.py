from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from godot.embedded import folder, ports
from godot.errors import StackProblem


def test_an_empty_folder_is_made_ready_and_a_closed_one_opened_only_as_far_as_root_needs(
    tmp_path: Path,
) -> None:
    data_dir = tmp_path / "deep" / "data"
    folder.prepare(data_dir)
    assert stat.S_IMODE(data_dir.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
    assert {path.name for path in data_dir.iterdir()} == {".godot-stack", "run", "logs"}
    folder.prepare(data_dir)


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    mode = tmp_path.stat().st_mode
    with pytest.raises(StackProblem, match=r"holds other things \(thesis.txt …\)"):
        folder.prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    assert tmp_path.stat().st_mode == mode


@pytest.mark.parametrize("name", ["run/app.pid", "logs/mine.log", "postgres/x", "valkey/x"])
def test_folders_with_names_like_ours_are_neither_used_nor_wiped(tmp_path: Path, name: str) -> None:
    mine = tmp_path / name
    mine.parent.mkdir()
    mine.write_text("mine")
    for act in (folder.prepare, folder.wipe):
        with pytest.raises(StackProblem, match="holds other things") as error:
            act(tmp_path)
        assert error.value.code == "GD-4005"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]


def test_a_link_is_no_marker(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (tmp_path / "file").write_text("")
    (data_dir / folder.MARKER).symlink_to(tmp_path / "file")
    with pytest.raises(StackProblem, match="holds other things"):
        folder.wipe(data_dir)


def test_wiping_what_is_empty_or_gone_is_no_failure(tmp_path: Path) -> None:
    folder.wipe(tmp_path)
    folder.wipe(tmp_path / "none")


def test_a_full_disk_is_said_before_anything_is_written_to_it(tmp_path: Path) -> None:
    with pytest.raises(StackProblem, match=r"has \d+ MiB left, a new stack needs 1073741824"):
        folder.prepare(tmp_path / "data", needed_bytes=1 << 50)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackProblem, match="file/data cannot be used: Not a directory"):
        folder.prepare(tmp_path / "file" / "data")


def test_wiping_removes_what_we_made_and_nothing_else(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    folder.prepare(data_dir)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "photo.jpg").write_text("mine")
    (data_dir / "valkey").symlink_to(precious)  # whoever put it there: the link goes, not its aim
    (data_dir / "postgres" / "cluster").mkdir(parents=True)
    (data_dir / "notes.txt").write_text("mine")
    folder.wipe(data_dir)
    assert [path.name for path in data_dir.iterdir()] == ["notes.txt"]
    assert (precious / "photo.jpg").exists()


def test_an_ephemeral_stack_refuses_a_folder_with_data(tmp_path: Path) -> None:
    folder.require_no_data(tmp_path)
    (tmp_path / "postgres").mkdir()
    with pytest.raises(StackProblem, match="--ephemeral would remove"):
        folder.require_no_data(tmp_path)


def test_a_taken_port_is_an_error_unless_any_will_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackProblem, match=f"port {port} on 127.0.0.1 is taken") as error:
            ports.choose("127.0.0.1", port, "GODOT_MCP_PORT", otherwise_any=False)
        assert "GODOT_MCP_PORT" in error.value.next_step
        other = ports.choose("127.0.0.1", port, "GODOT_MCP_PORT", otherwise_any=True)
        assert other not in (0, port)
    assert ports.choose("127.0.0.1", port, "GODOT_MCP_PORT", otherwise_any=False) == port
    assert ports.choose("127.0.0.1", 0, "GODOT_MCP_PORT", otherwise_any=False) > 0
