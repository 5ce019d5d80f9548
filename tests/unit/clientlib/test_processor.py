from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest
import structlog

from clientlib import GodotProcessor, ICCMLogger
from clientlib.processor import _LEVELS
from tests.unit.clientlib.unsent import framed, idle_logger


@pytest.fixture
def godot() -> ICCMLogger:
    return idle_logger("svc")


def wrapped(*processors: Any) -> Any:
    return structlog.wrap_logger(structlog.ReturnLogger(), processors=list(processors))


@pytest.mark.parametrize(
    ("method", "level", "original"),
    [
        ("debug", "DEBUG", None),
        ("info", "INFO", None),
        ("msg", "INFO", None),
        ("warning", "WARN", None),
        ("error", "ERROR", None),
        ("critical", "ERROR", "CRITICAL"),
    ],
)
def test_levels_fall_into_ours_and_critical_keeps_its_name(godot, method, level, original):
    getattr(wrapped(GodotProcessor(logger=godot)), method)("m")
    (record,) = framed(godot)
    assert (record["level"], record["message"], record["component"]) == (level, "m", "svc")
    notes = json.loads(record["data"])["godot"] if "data" in record else None
    assert notes == (None if original is None else {"level": original})


def test_the_event_is_the_message_and_everything_else_data(godot):
    log = wrapped(
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        GodotProcessor(logger=godot),
    )
    log.bind(user=5).info("paid", order=17, password="p", trace_id="t-1")
    (record,) = framed(godot)
    assert record["trace_id"] == "t-1"
    assert json.loads(record["data"]) == {"user": 5, "order": 17, "password": "[REDACTED]"}


def test_an_event_that_cannot_be_taken_is_counted_and_reaches_no_program(godot, capfd):
    class Hostile:
        def __bool__(self) -> bool:
            raise RuntimeError("hunter2")

    log = wrapped(GodotProcessor(logger=godot))
    for _ in range(2):
        log.info("m", exc_info=Hostile())
    assert godot._intake.refusals() == [("unreadable", 2)]
    said = capfd.readouterr().err
    assert said == "godot: events of structlog could not be taken: RuntimeError\n"


@pytest.mark.parametrize("level", [5, "high", ["a"], None])
def test_a_level_that_is_no_name_of_one_is_data(godot, level):
    wrapped(GodotProcessor(logger=godot)).info("tank", level=level)
    assert json.loads(framed(godot)[0]["data"]) == {"level": level}


def test_an_exception_in_each_of_structlogs_forms_is_the_tracebacks_text(godot):
    log = wrapped(GodotProcessor(logger=godot))
    try:
        raise KeyError("k")
    except KeyError as exc:
        log.exception("failed")
        log.error("failed", exc_info=exc)
        log.error("failed", exc_info=(type(exc), exc, exc.__traceback__))
    log.error("none", exc_info=True)
    *found, none = [json.loads(record["data"]) for record in framed(godot)]
    assert [data["exception"].splitlines()[-1] for data in found] == ["KeyError: 'k'"] * 3
    assert none == {"exception": "no exception"}


def test_the_chain_ends_here_unless_it_is_told_to_go_on(godot):
    assert wrapped(GodotProcessor(logger=godot)).info("m", a=1) is None

    def seen(_logger: Any, _name: str, event: Any) -> str:
        return json.dumps(event)

    passed = wrapped(GodotProcessor(logger=godot, pass_on=True), seen).info("m", a=1)
    assert json.loads(passed) == {"a": 1, "event": "m"}
    assert [json.loads(record["data"]) for record in framed(godot)] == [{"a": 1}] * 2


class Printing:
    """What a chain that goes on to its logger would call."""

    def msg(self, *_: Any, **__: Any) -> str:
        return "printed"

    def __getattr__(self, name: str) -> Any:
        return self.msg


class Returning(structlog.ReturnLogger):
    """One that may do something else with what it is given."""

    def msg(self, *args: Any, **kw: Any) -> Any:
        return "printed"

    info = notice = msg


@pytest.mark.parametrize("logger", [structlog.ReturnLogger(), Printing(), Returning()])
@pytest.mark.parametrize("method", [*_LEVELS, "notice"])  # the last is a program's own
def test_no_logger_is_given_anything_to_print_and_a_call_returns_nothing(godot, logger, method):
    bound = structlog.BoundLogger(logger, [GodotProcessor(logger=godot)], {})
    assert getattr(bound, method)("m", a=1) is None
    assert [record["message"] for record in framed(godot)] == ["m"]


def configured(processor: GodotProcessor) -> Any:
    made = processor.configuration
    assert made.pop("cache_logger_on_first_use")
    return structlog.wrap_logger(made.pop("logger_factory")(), **made)


def test_a_call_as_configured_does_what_structlogs_own_does(godot, capfd):
    async def waiting(log: Any) -> None:
        await log.ainfo("async", c=3)

    log = configured(GodotProcessor(logger=godot))
    plain = structlog.wrap_logger(
        structlog.PrintLogger(),
        processors=[structlog.contextvars.merge_contextvars, GodotProcessor(logger=godot)],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )
    said = []
    for one in (plain, log):
        with structlog.contextvars.bound_contextvars(user=5, order=1):
            one.bind(order=17, event="bound").info("paid %d of %s", 3, "x", trace_id="t-1")
        one.bind(event="bound").info(None)
        one.info(event="named")
        one.log(30, "by number")
        one.critical("worst")
        asyncio.run(waiting(one))
        try:
            raise KeyError("k")
        except KeyError:
            assert one.exception("failed", context={"a": 1}, self_=2) is None
        records = framed(godot)
        said.append([(r["message"], r["level"], json.loads(r.get("data", "{}"))) for r in records])
    assert said[0] == said[1]
    assert said[1][0] == ("paid 3 of x", "INFO", {"user": 5, "order": 17})
    assert capfd.readouterr() == ("", "")


def test_what_follows_the_processor_as_configured_is_called_and_prints_nothing(godot, capfd):
    seen: list[Any] = []

    def after(_logger: Any, _name: str, event: Any) -> str:
        seen.append(event)
        return "text"

    processor = GodotProcessor(logger=godot, pass_on=True)
    kind = processor.configuration["wrapper_class"]
    assert kind(structlog.PrintLogger(), [processor, after], {}).info("m", a=1) is None
    assert seen == [{"a": 1, "event": "m"}]
    assert capfd.readouterr().out == ""


def test_the_call_site_is_found_beyond_the_short_way(godot):
    kind = GodotProcessor(logger=godot).configuration["wrapper_class"]
    where = structlog.processors.CallsiteParameterAdder(
        {structlog.processors.CallsiteParameter.MODULE}, additional_ignores=["clientlib"]
    )
    kind(structlog.PrintLogger(), [where, GodotProcessor(logger=godot)], {}).info("m")
    assert json.loads(framed(godot)[0]["data"]) == {"module": "test_processor"}


def test_events_can_be_captured_from_loggers_that_are_cached(godot):
    made = GodotProcessor(logger=godot).configuration
    try:
        structlog.configure(**made)
        log = structlog.get_logger()
        log.info("before")
        with structlog.testing.capture_logs() as captured:
            log.info("meanwhile")
        log.info("after")
    finally:
        structlog.reset_defaults()
    assert [record["message"] for record in framed(godot)] == ["before", "after"]
    assert [event["event"] for event in captured] == ["meanwhile"]


def test_what_is_below_the_level_is_not_sent_and_hostile_events_are(godot):
    class Hostile:
        def __str__(self):
            raise RuntimeError

        __repr__ = __str__

    quiet = idle_logger("svc", "ERROR")
    log = wrapped(GodotProcessor(logger=quiet))
    log.info("no")
    log.error("yes", a=Hostile())
    log.error(Hostile())
    assert [record["message"] for record in framed(quiet)][:1] == ["yes"]


def test_one_line_makes_it_from_settings():
    processor = GodotProcessor("svc", "redis://127.0.0.1:1/0", redact_fields=["iban"], stream="s")
    assert processor._godot.component == "svc"


def test_every_name_of_the_client_imports_where_structlog_is_missing():
    code = "import sys; sys.modules['structlog'] = None; from clientlib import *; GodotProcessor"
    subprocess.run([sys.executable, "-c", code], check=True)
