from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godot.ingest.structured import parse_json, parse_logfmt

AT = datetime(2026, 11, 22, 13, 0, 1, tzinfo=UTC)


def test_a_structlog_line() -> None:
    line = parse_json(
        '{"event":"paid","level":"warning","logger":"shop","timestamp":"2026-11-22T13:00:01Z","n":3}'
    )
    assert line is not None
    assert (line.message, line.level, line.component, line.created_at) == (
        "paid",
        "WARNING",
        "shop",
        AT,
    )
    assert line.data == {"n": 3}


def test_a_pino_line_is_on_pinos_scale() -> None:
    line = parse_json(
        '{"level":30,"time":1795352401000,"pid":7,"hostname":"h","name":"api","msg":"up"}'
    )
    assert line is not None
    assert (line.message, line.level, line.component) == ("up", "INFO", "api")
    assert line.data == {"level": 30, "pid": 7, "hostname": "h"}


def test_pythons_numbers_are_on_pythons_scale() -> None:
    line = parse_json('{"level":30,"msg":"hm"}')
    assert line is not None
    assert line.level == "WARN"


def test_a_journald_line_has_its_priority_and_time() -> None:
    line = parse_json(
        '{"MESSAGE":"failed","PRIORITY":"3","SYSLOG_IDENTIFIER":"sshd","_PID":"1",'
        '"__REALTIME_TIMESTAMP":"1795352401000000"}'
    )
    assert line is not None
    assert (line.message, line.level, line.component) == ("failed", "ERROR", "sshd")
    assert line.created_at == datetime.fromtimestamp(1_795_352_401, UTC)


def test_an_ecs_line_names_its_service_in_an_object() -> None:
    line = parse_json(
        '{"@timestamp":"2026-11-22T13:00:01Z","log.level":"ERROR","message":"m",'
        '"service":{"name":"cart","version":"2"},"trace.id":"abc"}'
    )
    assert line is not None
    assert (line.component, line.level, line.trace_id) == ("cart", "ERROR", "abc")
    assert line.data == {"service": {"name": "cart", "version": "2"}}


def test_a_line_of_dockers_json_file_loses_its_own_line_end() -> None:
    line = parse_json('{"log":"hello\\n","stream":"stderr","time":"2026-11-22T13:00:01Z"}')
    assert line is not None
    assert (line.message, line.data) == ("hello", {"stream": "stderr"})


def test_our_own_output_keeps_its_shape() -> None:
    line = parse_json(
        '{"id":"x","created_at":"2026-11-22T13:00:01Z","component":"c","level":"INFO",'
        '"message":"m","trace_id":"t","data":{"k":1}}'
    )
    assert line is not None
    assert line.data == {"id": "x", "k": 1}
    assert line.trace_id == "t"


def test_what_says_more_than_our_name_for_it_stays_in_data() -> None:
    line = parse_json('{"msg":"m","severity":"notice","time":"soon","level":{"a":1}}')
    assert line is not None
    assert line.level == "INFO"
    assert line.data == {"severity": "notice", "time": "soon", "level": {"a": 1}}


def test_an_object_without_a_message_is_its_own_message() -> None:
    text = '{"a":1}'
    line = parse_json(text)
    assert line is not None
    assert (line.message, line.data) == (text, {"a": 1})


@pytest.mark.parametrize("text", ["", "x", "[1]", '"s"', "{", '{"a":}', "{a}", "{" * 5000])
def test_what_is_no_object_is_left_to_others(text: str) -> None:
    assert parse_json(text) is None


def test_what_only_pythons_parser_reads_is_read() -> None:
    line = parse_json('{"msg":"m","x":NaN,"y":123456789012345678901234567890}')
    assert line is not None
    assert line.message == "m"


@given(
    st.dictionaries(
        st.text(max_size=12) | st.sampled_from(["level", "time", "msg", "service", "data", "id"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=5), inner, max_size=3)
            ),
            max_leaves=5,
        ),
        max_size=6,
    )
)
def test_any_object_is_read_without_failing(found: dict[str, object]) -> None:
    line = parse_json(json.dumps(found))
    assert line is not None
    assert line.message


def test_a_logfmt_line() -> None:
    line = parse_logfmt(
        'time=2026-11-22T13:00:01Z level=error msg="card \\"x\\" declined\\n" order=8812 empty='
    )
    assert line is not None
    assert (line.message, line.level, line.created_at) == ('card "x" declined\n', "ERROR", AT)
    assert line.data == {"order": "8812", "empty": ""}


@pytest.mark.parametrize(
    "text",
    [
        "x=1 is what we set",
        "status half-configured libc6:amd64 2.36",
        "set a=1",
        "a=1",
        '{"a":1}',
        "url=http://x/?a=b and more",
        'msg="unclosed',
        "=1 b=2",
    ],
)
def test_a_guess_needs_pairs_alone(text: str) -> None:
    assert parse_logfmt(text) is None


def test_bare_words_count_when_logfmt_was_asked_for() -> None:
    line = parse_logfmt("msg=hi cached", strict=False)
    assert line is not None
    assert line.data == {"cached": True}


@given(st.text(max_size=200))
def test_any_text_is_read_or_left(text: str) -> None:
    for strict in (True, False):
        line = parse_logfmt(text, strict=strict)
        assert line is None or line.message


def test_our_own_output_without_a_trace_is_not_nested_again():
    own = '{"created_at":"2026-11-27T14:15:13Z","level":"INFO","component":"a","message":"m",'
    for data, kept in (('{"k":1}', {"id": "x", "k": 1}), ("null", {"id": "x"})):
        line = parse_json(own + f'"trace_id":null,"data":{data},"id":"x"}}')
        assert line is not None
        assert line.data == kept
