"""Only a request without a trace is changed, and only where the trace goes."""

from __future__ import annotations

import msgspec
import pytest

from clientlib import trace_id_from
from godot.tap import propagation
from godot.tap.propagation import Propagation, with_trace

TRACE = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    "line",
    [
        b"no JSON",
        b"[1]",
        b'{"method":"notifications/initialized"}',
        b'{"id":1,"result":{}}',
        b'{"id":1,"method":"x","params":[1]}',
        b'{"id":1,"method":"x","params":{"_meta":{"traceparent":"mine"}}}',
        b'{"id":1,"method":"x","params":{"_meta":{"X-Trace-ID":"mine"}}}',
        b'{"id":1,"method":"x","params":{"_meta":7}}',
        b'[ {"id":1,"result":{}}, {"method":"x"} ]',
        b'[ {"id":1,"method":"x"}, 7 ]',
        b'{"id":1,"method":"x","more":"%s"}' % (b"x" * propagation.MAX_LINE_BYTES),
    ],
)
def test_what_needs_no_trace_keeps_its_bytes(line: bytes):
    assert with_trace(line) == line


def test_the_rest_of_a_request_keeps_its_bytes():
    line = b'{"id":1.0,"method":"x","params":{"n":1e2,"_meta":{"progressToken": 7}},"more":[ 1 ]}\r'
    changed = with_trace(line)
    start, _, parent = changed.partition(b',"traceparent":"00-')
    assert start == b'{"id":1.0,"method":"x","params":{"n":1e2,"_meta":{"progressToken":7'
    assert parent.endswith(b'-01"}},"more":[ 1 ]}\r')


def test_requests_of_a_batch_have_a_trace_each():
    changed = with_trace(b'[{"id":1,"method":"x"},{"id":2,"result":{}},{"id":3,"method":"y"}]\r')
    one, result, other = msgspec.json.decode(changed)
    assert changed.endswith(b"]\r")
    assert result == {"id": 2, "result": {}}
    assert trace_id_from(one["params"]["_meta"]) != trace_id_from(other["params"]["_meta"])


@pytest.mark.parametrize(
    ("headers", "meta"),
    [
        ({"traceparent": PARENT}, {"traceparent": PARENT}),
        ({"X-Trace-ID": TRACE}, {"traceparent", "X-Trace-ID"}),
        ({"X-Trace-ID": "order-17"}, {"X-Trace-ID"}),
        ({"traceparent": "broken", "X-Trace-ID": TRACE}, {"traceparent", "X-Trace-ID"}),
    ],
)
def test_a_trace_in_the_headers_is_the_one_in_meta(headers: dict[str, str], meta: object):
    line = with_trace(b'{"id":1,"method":"x"}', headers.get)
    carried = msgspec.json.decode(line)["params"]["_meta"]
    assert meta in (carried, set(carried))
    assert trace_id_from(carried) == trace_id_from(headers)
    if "traceparent" in carried and "broken" not in headers.values():
        assert trace_id_from({"traceparent": carried["traceparent"]}) == TRACE


def test_lines_pass_when_they_end_and_long_ones_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(propagation, "MAX_LINE_BYTES", 10)
    change = Propagation()
    assert change(b"abc") == b""
    assert change(b"def\nghi") == b"abcdef\n"
    assert change(b"x" * 20) == b"ghi" + b"x" * 20
    assert change(b"yy") == b"yy"
    assert change(b'{"id":1,"method":"x"}\nz') == b'{"id":1,"method":"x"}\nz'[:-1]
    assert change(b"") == b"z"
