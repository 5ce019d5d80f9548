from __future__ import annotations

import fcntl
import json
import os

import pytest

from clientlib.fallback import LAST_RETRY_S, Outage, Printer, line_of, say
from clientlib.framing import Framer
from tests.unit.clientlib.unsent import PRODUCER, idle_logger


def commands(count: int, message: str = "m") -> list[bytes]:
    logger = idle_logger()
    for i in range(count):
        logger.info(message, {"i": i, "token": "secret"}, "t")
    return Framer("s", 1_000).frame(logger._intake.take(10_000), PRODUCER, 1)


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_a_line_is_the_records_fields_as_json():
    (command,) = commands(1)
    line = line_of(command)
    assert line.endswith(b"\n")
    found = json.loads(line)
    assert list(found) == ["id", "created_at", "component", "level", "message", "trace_id", "data"]
    assert found["data"] == {"i": 0, "token": "[REDACTED]"}


def test_lines_are_printed_whole_and_in_order(pipe):
    reader, writer = pipe
    printer = Printer(writer)
    assert printer.print(commands(100)) == 100
    os.close(writer)
    with os.fdopen(os.dup(reader), "rb") as stream:
        lines = stream.read().splitlines()
    assert [json.loads(line)["data"]["i"] for line in lines] == list(range(100))
    assert printer.printed == 100


def test_a_pipe_that_nobody_reads_does_not_stop_the_printer(pipe):
    reader, writer = pipe
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4_096)
    printer = Printer(writer)
    taken = printer.print(commands(300))
    assert 0 < taken < 100
    os.read(reader, 65_536)
    assert 0 < printer.print(commands(300)[taken:]) < 100, "it goes on when somebody reads"


def test_a_line_that_was_cut_short_spoils_no_other(pipe):
    reader, writer = pipe
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4_096)
    printer = Printer(writer)
    assert printer.print(commands(1, "x" * 10_000)) == 0
    said = os.read(reader, 65_536)
    assert printer.print(commands(5)) == 5
    said += os.read(reader, 65_536)
    cut, *lines = said.splitlines()
    assert cut.endswith(b"xxx")
    assert [json.loads(line)["data"]["i"] for line in lines] == list(range(5))


def test_a_closed_stdout_is_no_error(pipe):
    reader, writer = pipe
    os.close(reader)
    printer = Printer(writer)
    assert (printer.print(commands(3)), printer.printed) == (0, 0)


def test_what_we_say_about_ourselves_is_one_line_on_stderr(capfd):
    say("one\ntwo   three")
    assert capfd.readouterr().err == "godot: one two three\n"


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_an_outage_is_told_once_when_it_begins_and_once_when_it_is_over(capfd):
    clock = Clock()
    outage = Outage(clock, lambda: 1.0)
    assert not outage
    outage.failed("redis://h:1", "refused")
    outage.failed("redis://h:1", "timeout")
    assert outage
    clock.now_s += 12.34
    outage.over("redis://h:1", "9 printed")
    outage.over("redis://h:1", "9 printed")
    assert not outage
    assert outage.count == 1
    assert capfd.readouterr().err.splitlines() == [
        "godot: redis://h:1 does not take records (refused); "
        "they are printed on stdout as JSON until it does",
        "godot: redis://h:1 takes records again after 12.3 s: 9 printed",
    ]


def test_waiting_times_double_up_to_a_limit_and_begin_anew_after_success():
    clock = Clock()
    outage = Outage(clock, lambda: 1.0)
    waits = []
    for _ in range(9):
        outage.failed("p", "r")
        waits.append(round(outage.wait_s, 3))
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, LAST_RETRY_S, LAST_RETRY_S, LAST_RETRY_S]
    outage.over("p", "")
    outage.failed("p", "r")
    assert outage.wait_s == pytest.approx(0.1)


def test_a_clock_that_is_set_back_ends_no_attempts():
    clock = Clock()
    outage = Outage(clock)
    outage.failed("p", "r")
    clock.now_s = 1.0
    assert outage.wait_s == 0.0


def test_jitter_halves_a_waiting_time_at_most():
    clock = Clock()
    outage = Outage(clock, lambda: 0.0)
    outage.failed("p", "r")
    assert outage.wait_s == pytest.approx(0.05)


def test_a_caller_who_waits_makes_the_next_attempt_come_soon():
    clock = Clock()
    outage = Outage(clock, lambda: 1.0)
    for _ in range(9):
        outage.failed("p", "r", hurried=True)
    assert outage.wait_s == pytest.approx(0.25)
    clock.now_s += 1
    assert outage.wait_s == 0
