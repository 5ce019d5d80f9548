from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godot.ingest.text import TextParser

LOCAL = datetime(2026, 11, 22, 14, 5, 31).astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "message", "level", "at"),
    [
        (
            "2026-11-22 14:05:31 status installed libc6:amd64 2.36",
            "status installed libc6:amd64 2.36",
            None,
            LOCAL,
        ),
        (
            "update-alternatives 2026-11-22 14:05:31: run with --quiet",
            "update-alternatives 2026-11-22 14:05:31: run with --quiet",
            None,
            LOCAL,
        ),
        ("[2026-11-22 14:05:31] ERROR: no", "ERROR: no", "ERROR", LOCAL),
        (
            "2026-11-22 14:05:31,000 - app - WARNING - careful",
            "app - WARNING - careful",
            "WARNING",
            LOCAL,
        ),
        (
            "2026-11-22T13:05:31Z info: started",
            "info: started",
            "INFO",
            datetime(2026, 11, 22, 13, 5, 31, tzinfo=UTC),
        ),
        (
            "2026/11/22 14:05:31 [error] 12#12: open() failed",
            "[error] 12#12: open() failed",
            "ERROR",
            LOCAL,
        ),
        (
            '1.2.3.4 - - [22/Nov/2026:14:05:31 +0100] "GET / HTTP/1.1" 200 5',
            '1.2.3.4 - - [22/Nov/2026:14:05:31 +0100] "GET / HTTP/1.1" 200 5',
            None,
            datetime(2026, 11, 22, 13, 5, 31, tzinfo=UTC),
        ),
        ("7:M 22 Nov 2026 14:05:31.000 # low memory", "low memory", "WARN", LOCAL),
        (
            "2026-11-22 14:05:31.000 UTC [7] LOG:  checkpoint",
            "[7] LOG:  checkpoint",
            "INFO",
            datetime(2026, 11, 22, 14, 5, 31, tzinfo=UTC),
        ),
        ("W: Failed to fetch", "W: Failed to fetch", "WARN", None),
        ("there was no error at all", "there was no error at all", None, None),
        (
            "a LOG-level and X-ERROR=3 count nothing",
            "a LOG-level and X-ERROR=3 count nothing",
            None,
            None,
        ),
        ("just words", "just words", None, None),
    ],
)
def test_lines_as_programs_write_them(
    text: str, message: str, level: str | None, at: datetime | None
) -> None:
    line = TextParser().parse(text)
    assert (line.message, line.level, line.created_at) == (message, level, at)


def test_traditional_syslog_names_host_program_and_pid() -> None:
    line = TextParser().parse("Nov 22 14:05:31 box sshd[812]: Accepted key")
    assert line.message == "Accepted key"
    assert line.data == {"host": "box", "program": "sshd", "pid": 812}
    assert line.created_at is not None


def test_modern_syslog_has_a_level_in_its_priority() -> None:
    line = TextParser().parse('<11>1 2026-11-22T13:05:31Z box app 7 ID1 [x y="z"] broken')
    assert (line.message, line.level) == ("broken", "ERROR")
    assert line.data == {
        "host": "box",
        "program": "app",
        "pid": "7",
        "msgid": "ID1",
        "sd": '[x y="z"]',
    }


def test_glog_lines_have_level_and_time() -> None:
    now = datetime.now()
    line = TextParser().parse(f"E{now:%m%d %H:%M:%S}.000001 77 main.go:9] oops")
    assert (line.message, line.level) == ("77 main.go:9] oops", "ERROR")
    assert line.created_at is not None


def test_the_lines_of_a_stack_trace_have_the_time_of_its_head() -> None:
    parser = TextParser()
    parser.parse("2026-11-22 14:05:31 ERROR boom")
    assert parser.parse("  File x, line 1").created_at == LOCAL
    assert parser.parse("ValueError: x").created_at is None


def test_apts_history_has_one_time_for_each_run() -> None:
    parser = TextParser()
    start = parser.parse("Start-Date: 2026-11-22  14:05:31")
    assert (start.message, start.created_at) == ("Start-Date: 2026-11-22  14:05:31", LOCAL)
    assert parser.parse("Commandline: apt-get upgrade").created_at == LOCAL
    parser.blank()
    assert parser.parse("Commandline: apt-get upgrade").created_at is None


def test_a_line_that_is_only_a_time_keeps_it_as_its_message() -> None:
    assert TextParser().parse("2026-11-22 14:05:31").message == "2026-11-22 14:05:31"


@pytest.mark.parametrize(
    "line",
    [
        "Nov 22 10:00:00 host prog[{}]: x",
        "2026-11-22T10:00:00Z host prog[{}]: x",
        "{}:M 22 Nov 2026 10:00:00.000 * x",
    ],
)
def test_a_number_longer_than_any_pid_is_text(line: str) -> None:
    found = TextParser().parse(line.format("9" * 5_000))
    assert "9" * 5_000 in found.message
    assert "pid" not in (found.data or {})


@given(st.text(max_size=300))
def test_any_text_has_a_message(text: str) -> None:
    line = TextParser().parse(text)
    assert line.message == text or text.endswith(line.message)
