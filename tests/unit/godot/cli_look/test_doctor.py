from __future__ import annotations

import click

from godot.cli import doctor
from godot.doctor.result import Result


def test_what_doctor_found_stays_within_the_screen_and_words_stay_whole(monkeypatch):
    monkeypatch.setattr(doctor, "screen_width", lambda: 40)
    path = "/srv/a/long/path/without/any/blank/in/it"
    found = Result("GD-5023", "warning", f"queries log in as a reader by {path}", "make room")
    assert [click.unstyle(line) for line in doctor._lines(found)] == [
        "! GD-5023  queries log in as a reader by",
        f"           {path}",
        "           next: make room",
    ]
    found = Result("GD-5001", "ok", "")
    assert [click.unstyle(line) for line in doctor._lines(found)] == ["✓ GD-5001  "]
