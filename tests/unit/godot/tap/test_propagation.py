"""Only a request without a trace is changed, and only where the trace goes."""

from __future__ import annotations

import pytest

from godot.tap import propagation
from godot.tap.propagation import Propagation, with_trace


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


def test_lines_pass_when_they_end_and_long_ones_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(propagation, "MAX_LINE_BYTES", 10)
    change = Propagation()
    assert change(b"abc") == b""
    assert change(b"def\nghi") == b"abcdef\n"
    assert change(b"x" * 20) == b"ghi" + b"x" * 20
    assert change(b"yy") == b"yy"
    assert change(b'{"id":1,"method":"x"}\nz') == b'{"id":1,"method":"x"}\nz'[:-1]
    assert change(b"") == b"z"
