"""`.env.example` is the list of settings that people copy: all of them, with their defaults."""

from __future__ import annotations

import re
from pathlib import Path

from clientlib.settings import TABLE as CLIENT
from godot.settings import TABLE

ROOT = Path(__file__).resolve().parents[3]
LINE = re.compile(r"^# ([A-Z_]+)=(.*)$", re.MULTILINE)
USED = re.compile(r"\$\{([A-Z_]+)(?::-([^}]*))?\}")


def listed() -> dict[str, str]:
    found = LINE.findall((ROOT / ".env.example").read_text("utf-8"))
    names = [name for name, _ in found]
    assert len(names) == len(set(names)), "a name stands there twice"
    return dict(found)


def of_compose() -> dict[str, str]:
    """Return what compose.yml itself reads, with its defaults."""
    return dict(USED.findall((ROOT / "compose.yml").read_text("utf-8")))


def test_it_lists_every_setting_and_nothing_else():
    known = {setting.variable for setting in TABLE} | {setting.variable for setting in CLIENT}
    assert set(listed()) == known | set(of_compose())


def test_its_values_are_the_defaults():
    shown = listed()
    ours = {s.variable: s.default or "" for s in TABLE}
    theirs = {s.variable: s.default for s in CLIENT}
    for name, text in ours.items():
        assert shown[name] == text, name
    words: dict[object, str] = {True: "true", (): "", None: ""}
    for name, default in theirs.items():
        text = words.get(default, str(getattr(default, "name", default)))
        assert shown[name].removesuffix(".0") == text.removesuffix(".0"), name


def test_compose_means_the_same_defaults():
    shown = listed()
    settings = {setting.variable for setting in TABLE}
    for name, default in of_compose().items():
        if name not in settings:
            assert shown[name] == default, name
        elif name not in ("GODOT_ALLOWED_HOSTS",):  # there a name of its own network
            assert default in (shown[name], ""), name
