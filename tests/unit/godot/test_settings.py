from __future__ import annotations

import json
from pathlib import Path

import pytest

from godot.errors import SettingsError
from godot.settings import TABLE, load


def test_defaults_need_no_variable(tmp_path: Path):
    found = load({"GODOT_DATA_DIR": str(tmp_path)})
    assert (found.stream, found.group, found.maxlen) == ("logs", "dewey", 100_000)
    assert found.redis_url == "redis://127.0.0.1:6379/0"
    assert found.dewey_url is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GODOT_BATCH_SIZE", "many"),
        ("GODOT_BATCH_SIZE", "0"),
        ("GODOT_MAXLEN", "10"),
        ("GODOT_REDIS_URL", "http://example.org"),
        ("GODOT_REDIS_URL", "redis+cluster://a,b"),
        ("GODOT_REDIS_URL", "redis://localhost:abc"),
        ("GODOT_REDIS_URL", "redis://localhost:70000"),
        ("GODOT_REDIS_URL", "redis://localhost/first"),
        ("GODOT_REDIS_URL", "REDIS://localhost"),
        ("GODOT_REDIS_URL", "unix:/run/redis.sock"),
        ("GODOT_REDIS_URL", "unix:///run/redis.sock?db=abc"),
        ("GODOT_REDIS_URL", "unix://run/redis.sock"),
        ("GODOT_REDIS_URL", "unix://:hu@sh/hush@/run/redis.sock"),
        ("GODOT_REDIS_URL", "redis://a..b"),
        ("GODOT_REDIS_URL", f"redis://{'a' * 64}.example"),
        ("GODOT_REDIS_URL", "redis://\udcff"),
        ("DEWEY_URL", "postgresql://a..b/x"),
        ("DEWEY_URL", "postgresql://localhost/\udcff"),
        ("DEWEY_URL", "http://a..b/mcp"),
        ("DEWEY_URL", "postgresql://localhost:99999/x"),
        ("DEWEY_URL", "mysql://x"),
        ("DEWEY_URL", "https://name:password@dewey.example/mcp"),
        ("DEWEY_READER_URL", "http://127.0.0.1:9061/mcp"),
        ("GODOT_STREAM", "two words"),
        ("GODOT_STOP_TIMEOUT_S", "-1"),
        ("GODOT_STOP_TIMEOUT_S", "nan"),
        ("LOG_RETENTION_DAYS", "0"),
    ],
)
def test_a_wrong_value_is_one_line_with_variable_and_what_is_allowed(
    variable: str, value: str, tmp_path: Path
):
    with pytest.raises(SettingsError) as caught:
        load({"GODOT_DATA_DIR": str(tmp_path), variable: value})
    line = str(caught.value)
    assert "\n" not in line
    assert variable in line
    assert next(s.allowed for s in TABLE if s.variable == variable) in line


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GODOT_REDIS_URL", "redis://[::1]:6379/0"),
        ("GODOT_REDIS_URL", "redis://redis_1.example.:6379"),
        ("GODOT_REDIS_URL", "unix:///run/a..b.sock?db=0"),
        ("DEWEY_URL", "postgresql://a.example:5432,b.example:5433/x"),
        ("DEWEY_URL", "postgresql:///x?host=/run/postgresql"),
        ("DEWEY_URL", "http://[::1]:9061/mcp"),
    ],
)
def test_a_url_of_a_host_that_can_be_looked_up_is_taken_as_it_is(
    variable: str, value: str, tmp_path: Path
):
    found = load({"GODOT_DATA_DIR": str(tmp_path), variable: value})
    assert value in (found.redis_url, found.dewey_url)


def test_a_wrong_secret_is_not_shown(tmp_path: Path):
    with pytest.raises(SettingsError) as caught:
        load({"GODOT_DATA_DIR": str(tmp_path), "DEWEY_URL": "mysql://u:hunter2@h/x"})
    assert "hunter2" not in str(caught.value)


def test_a_file_gives_the_value_and_the_variable_wins(tmp_path: Path):
    file = tmp_path / "url"
    file.write_text("postgresql://a/b\n", "utf-8")
    environ = {"GODOT_DATA_DIR": str(tmp_path), "DEWEY_URL_FILE": str(file)}
    assert load(environ).dewey_url == "postgresql://a/b"
    assert load(environ).origins["dewey_url"] == "file"
    assert load({**environ, "DEWEY_URL": "postgresql://c/d"}).dewey_url == "postgresql://c/d"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(SettingsError, match="DEWEY_URL_FILE"):
        load({"GODOT_DATA_DIR": str(tmp_path), "DEWEY_URL_FILE": str(tmp_path / "none")})


def test_a_running_stack_is_found_by_its_endpoint_file(tmp_path: Path):
    (tmp_path / "endpoint.json").write_text(
        json.dumps({"redis_url": "unix:///x.sock?db=0", "dewey_url": "postgresql:///dewey"}),
        "utf-8",
    )
    found = load({"GODOT_DATA_DIR": str(tmp_path)})
    assert found.redis_url == "unix:///x.sock?db=0"
    assert found.origins["redis_url"] == "endpoint"


def test_a_store_that_is_given_has_nothing_of_the_running_stack(tmp_path: Path):
    announced = {
        "redis_url": "unix:///x.sock?db=0",
        "dewey_url": "postgresql:///dewey?user=w",
        "dewey_reader_url": "postgresql:///dewey?user=r",
        "dewey_owner_url": "postgresql:///dewey?user=o",
    }
    (tmp_path / "endpoint.json").write_text(json.dumps(announced), "utf-8")
    here = {"GODOT_DATA_DIR": str(tmp_path)}

    def stores(**environ: str) -> tuple[str | None, ...]:
        found = load({**here, **environ})
        return (found.dewey_url, found.dewey_reader_url, found.dewey_owner_url)

    assert stores() == tuple(announced.values())[1:]
    assert stores(DEWEY_URL="postgresql://a/b") == ("postgresql://a/b", None, None)
    assert load({**here, "DEWEY_URL": "postgresql://a/b"}).redis_url == announced["redis_url"]
    assert stores(DEWEY_READER_URL="postgresql://replica/b") == (
        "postgresql:///dewey?user=w",
        "postgresql://replica/b",
        "postgresql:///dewey?user=o",
    )


def test_a_batch_cannot_be_larger_than_the_largest(tmp_path: Path):
    with pytest.raises(SettingsError, match="GODOT_BATCH_MAX"):
        load({"GODOT_DATA_DIR": str(tmp_path), "GODOT_BATCH_SIZE": "50", "GODOT_BATCH_MAX": "10"})


def test_the_store_may_be_a_dewey_and_then_no_login_to_the_database_has_an_effect(tmp_path: Path):
    given = {"GODOT_DATA_DIR": str(tmp_path), "DEWEY_URL": "http://127.0.0.1:9061/mcp"}
    assert load({**given, "DEWEY_TOKEN": "t"}).dewey_token == "t"
    with pytest.raises(SettingsError, match="DEWEY_READER_URL has no effect"):
        load({**given, "DEWEY_READER_URL": "postgresql://x/y"})
    with pytest.raises(SettingsError, match=r"DEWEY_OWNER_URL=\(hidden\) is not usable"):
        load({**given, "DEWEY_OWNER_URL": "http://127.0.0.1:9061/mcp"})
