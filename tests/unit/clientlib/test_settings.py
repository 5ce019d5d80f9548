from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clientlib import DEFAULT_FIELDS, ConfigError, Level, configured_redactor
from clientlib.settings import (
    DEFAULT_REDIS_URL,
    ClientSettings,
    found_redis_url,
    level_of_number,
    load,
)


def read(environ: dict[str, str], **arguments: Any) -> tuple[ClientSettings, list[str]]:
    complaints: list[str] = []
    environ = {"GODOT_DATA_DIR": "/nonexistent", **environ}
    return load(arguments, complaints.append, environ), complaints


def test_defaults_are_those_of_the_design():
    found, complaints = read({})
    assert complaints == []
    assert found.enabled
    assert found.level is Level.INFO
    assert found.redis_url == DEFAULT_REDIS_URL == "redis://127.0.0.1:6379/0"
    assert (found.stream, found.maxlen) == ("logs", 100_000)
    assert (found.buffer_records, found.buffer_bytes) == (10_000, 33_554_432)
    assert found.flush_timeout_s == 2.0
    assert found.component  # the program's name


def test_variables_win_over_defaults_and_arguments_over_variables():
    environ = {"GODOT_COMPONENT": "env", "GODOT_LEVEL": "debug", "GODOT_STREAM": "s"}
    found, _ = read(environ, component="arg")
    assert (found.component, found.level, found.stream) == ("arg", Level.DEBUG, "s")


def test_own_redacted_fields_of_argument_and_environment_add_up():
    found, _ = read({"GODOT_REDACT_FIELDS": "ssn, iban,"}, redact_fields=["pin"])
    assert found.redact_fields == ("pin", "ssn", "iban")
    assert read({}, redact_fields="a,b")[0].redact_fields == ("a", "b")


def test_fields_of_the_environment_are_taken_once():
    assert read({"GODOT_REDACT_FIELDS": "ssn, iban,"})[0].redact_fields == ("ssn", "iban")


def test_a_redactor_without_a_logger_has_the_fields_of_the_variable_or_its_file(tmp_path: Path):
    file = tmp_path / "fields"
    file.write_text("ssn,iban\n")
    for environ in ({"GODOT_REDACT_FIELDS": "ssn,iban"}, {"GODOT_REDACT_FIELDS_FILE": str(file)}):
        redactor = configured_redactor(environ=environ)
        assert redactor.fields == (*DEFAULT_FIELDS, "ssn", "iban")
    lines: list[str] = []
    redactor = configured_redactor(lines.append, {"GODOT_REDACT_FIELDS_FILE": str(tmp_path / "no")})
    assert redactor.fields == DEFAULT_FIELDS
    assert lines
    assert lines[0].startswith("GODOT_REDACT_FIELDS_FILE=")


def test_a_value_may_stand_in_a_file(tmp_path: Path):
    file = tmp_path / "url"
    file.write_text("redis://:pw@h:1/0\n")
    assert read({"GODOT_REDIS_URL_FILE": str(file)})[0].redis_url == "redis://:pw@h:1/0"


def test_a_running_stack_is_found_by_its_endpoint_file(tmp_path: Path):
    endpoint = {"redis_url": "unix:///run/x.sock?db=0", "stream": "logs-x"}
    (tmp_path / "endpoint.json").write_text(json.dumps(endpoint))
    found, _ = read({"GODOT_DATA_DIR": str(tmp_path)})
    assert (found.redis_url, found.stream) == ("unix:///run/x.sock?db=0", "logs-x")
    found, _ = read({"GODOT_DATA_DIR": str(tmp_path), "GODOT_REDIS_URL": "redis://h:1"})
    assert found.redis_url == "redis://h:1"


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", '{"redis_url": 5}', '{"redis_url": "redis://h:x"}']
)
def test_a_damaged_endpoint_file_is_as_good_as_none(tmp_path: Path, content: str):
    (tmp_path / "endpoint.json").write_text(content)
    environ = {"GODOT_DATA_DIR": str(tmp_path)}
    assert read(environ)[0].redis_url == DEFAULT_REDIS_URL
    assert found_redis_url(environ) == DEFAULT_REDIS_URL


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LOGGING_ENABLED", "maybe"),
        ("GODOT_COMPONENT", "x" * 129),
        ("GODOT_LEVEL", "LOUD"),
        ("GODOT_STREAM", "two words"),
        ("GODOT_MAXLEN", "many"),
        ("GODOT_BUFFER_RECORDS", "0"),
        ("GODOT_BUFFER_BYTES", "-1"),
        ("GODOT_FLUSH_TIMEOUT_S", "nan"),
    ],
)
def test_a_wrong_variable_is_one_line_and_the_default(variable: str, value: str):
    found, (line,) = read({variable: value})
    assert found == read({})[0]
    assert line.startswith(f"{variable}={value!r}"[:60])
    assert "allowed" in line


@pytest.mark.parametrize(
    "url", ["http://u:geheim@h/", "redis://", "redis://h:port/geheim", "rediss+cluster://geheim@h"]
)
def test_a_wrong_url_is_never_shown(url: str):
    found, (line,) = read({"GODOT_REDIS_URL": url})
    assert found.redis_url == DEFAULT_REDIS_URL
    assert "geheim" not in line
    with pytest.raises(ConfigError) as caught:
        read({}, redis_url=url)
    assert "geheim" not in str(caught.value)
    assert "redis://host:port/db" in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"component": ""},
        {"component": "x" * 129},
        {"level": "LOUD"},
        {"level": 1.5},
        {"redact_fields": 5},
        {"stream": ""},
        {"buffer_records": 0},
        {"flush_timeout_s": "soon"},
        {"maxlen": 5},
    ],
)
def test_a_wrong_argument_raises_and_says_what_is_allowed(arguments: dict[str, Any]):
    (name,) = arguments
    with pytest.raises(ConfigError, match=rf"^{name}=.*allowed is"):
        read({}, **arguments)


@pytest.mark.parametrize(
    ("number", "level"),
    [(0, "TRACE"), (9, "TRACE"), (10, "DEBUG"), (25, "INFO"), (30, "WARN"), (99, "ERROR")],
)
def test_numbers_fall_into_levels(number: int, level: str):
    assert level_of_number(number).name == level
    assert read({}, level=number)[0].level.name == level
