from __future__ import annotations

import os
import time

from godot.tap.recorder import NICER, Recorder


def test_the_recording_side_lets_the_passing_side_go_first(tmp_path):
    told = tmp_path / "nice"

    def record(*_: object) -> None:
        told.write_text(str(os.nice(0)), "ascii")

    recorder = Recorder("shop", {}, None, record)
    deadline = time.monotonic() + 60
    while not (told.exists() and told.read_text("ascii")) and time.monotonic() < deadline:
        time.sleep(0.01)
    recorder.finish()
    assert int(told.read_text("ascii")) == min(19, os.nice(0) + NICER)
