from __future__ import annotations

from pathlib import Path

from clientlib.settings import TABLE as CLIENT_TABLE
from godot.configuration import CLIENT, listing, masked
from godot.settings import TABLE


def by_name(environ: dict[str, str], folder: Path) -> dict[str, tuple[str | None, str, str | None]]:
    found = listing({"GODOT_DATA_DIR": str(folder), **environ})
    return {one.variable: (one.value, one.origin, one.problem) for one in found}


def test_every_setting_of_programs_and_clients_is_listed_once(tmp_path: Path):
    names = [one.variable for one in listing({"GODOT_DATA_DIR": str(tmp_path)})]
    assert len(names) == len(set(names))
    assert set(names) == {one.variable for one in TABLE} | {one.variable for one in CLIENT_TABLE}
    defaults = {one.variable: one.default for one in CLIENT_TABLE}
    for one in CLIENT:
        if one.variable.startswith(("GODOT_BUFFER", "GODOT_FLUSH")):
            assert float(one.default or "") == defaults[one.variable]


def test_a_value_is_told_with_where_it_comes_from(tmp_path: Path):
    secret = tmp_path / "url"
    secret.write_text("postgresql://me:pa:ss@db/logs?sslpassword=x&application_name=y\n")
    (tmp_path / "endpoint.json").write_text('{"redis_url": "redis://:hush@box:1/0"}')
    found = by_name({"DEWEY_URL_FILE": str(secret), "GODOT_MAXLEN": "5000"}, tmp_path)
    assert found["GODOT_MAXLEN"] == ("5000", "variable", None)
    assert found["DEWEY_URL"] == (
        "postgresql://me:***@db/logs?sslpassword=***&application_name=y", "file", None
    )  # fmt: skip
    assert found["GODOT_REDIS_URL"] == ("redis://:***@box:1/0", "endpoint", None)
    assert found["GODOT_GROUP"] == ("dewey", "default", None)


def test_every_wrong_value_is_named_and_not_only_the_first(tmp_path: Path):
    wrong = {"GODOT_MAXLEN": "x", "GODOT_LEVEL": "loud", "DEWEY_TOKEN": "two words"}
    found = by_name(wrong, tmp_path)
    assert {name for name, (_, _, problem) in found.items() if problem} == set(wrong)
    assert found["DEWEY_TOKEN"][0] == "***"
    assert "two words" not in str(found["DEWEY_TOKEN"][2])


def test_what_only_two_values_together_make_wrong_is_told_of_the_first(tmp_path: Path):
    found = by_name({"GODOT_BATCH_SIZE": "500", "GODOT_BATCH_MAX": "100"}, tmp_path)
    assert "is more than GODOT_BATCH_MAX" in str(found["GODOT_BATCH_SIZE"][2])


def test_no_password_is_shown_wherever_it_stands():
    assert masked("token-without-url") == "***"
    assert masked("unix://u:p@/run/x.sock?db=0") == "unix://u:***@/run/x.sock?db=0"
    assert masked("redis://:p@ss@box:1/0") == "redis://:***@box:1/0"
    assert masked("redis://u:p/a?s#s@box") == "redis://u:***@box"
    assert masked("redis://box:6379/0?db=1") == "redis://box:6379/0?db=1"
    assert masked("postgresql:///x?user=a&password=b%26c") == "postgresql:///x?user=a&password=***"
