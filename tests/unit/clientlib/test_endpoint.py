from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from clientlib import default_data_dir, read_endpoint


def test_root_and_others_have_their_own_place(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_data_dir() == Path("/var/lib/godot")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", "/x")
    assert default_data_dir() == Path("/x/godot")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/ann")
    assert default_data_dir() == Path("/home/ann/.local/share/godot")


def test_the_endpoint_is_what_the_file_says(tmp_path: Path):
    assert read_endpoint(tmp_path) == {}
    (tmp_path / "endpoint.json").write_text(json.dumps({"redis_url": "redis://h", "pid": 5}))
    assert read_endpoint(tmp_path) == {"redis_url": "redis://h", "pid": 5}
