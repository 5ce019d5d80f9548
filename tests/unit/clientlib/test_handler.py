from __future__ import annotations

import json
import logging
import logging.config
import threading
import uuid
import warnings
from collections.abc import Iterator

import pytest

from clientlib import GodotHandler, ICCMLogger, parse_record_id
from tests.unit.clientlib.unsent import framed, idle_logger


@pytest.fixture
def godot() -> ICCMLogger:
    return idle_logger("svc")


@pytest.fixture
def log(godot: ICCMLogger) -> Iterator[logging.Logger]:
    """A logger of the test's own, with our handler."""
    logger = logging.Logger(f"app.{uuid.uuid4().hex[:8]}", 1)
    handler = GodotHandler(logger=godot)
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


def data_of(record: dict[str, str]) -> dict[str, object]:
    found = json.loads(record["data"])
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("number", "level", "original"),
    [
        (7, "TRACE", "Level 7"),  # uvicorn has a name for 5
        (10, "DEBUG", None),
        (20, "INFO", None),
        (25, "INFO", "Level 25"),
        (30, "WARN", None),
        (40, "ERROR", None),
        (50, "ERROR", "CRITICAL"),
    ],
)
def test_levels_fall_into_ours_and_others_keep_their_name(log, godot, number, level, original):
    log.log(number, "m")
    (record,) = framed(godot)
    assert record["level"] == level
    notes = data_of(record).get("godot")
    assert notes == (None if original is None else {"level": original})


def test_a_name_of_ours_counts_by_its_number_and_is_not_kept(log, godot):
    log.handle(logging.makeLogRecord({"msg": "m", "levelno": 35, "levelname": "DEBUG"}))
    (record,) = framed(godot)
    assert record["level"] == "WARN"
    assert "godot" not in data_of(record)


def test_extra_lacks_what_formatters_leave(log, godot):
    record = log.makeRecord(log.name, 20, "f", 1, "m", (), None, None, {"b": 1, "trace_id": "t"})
    record.asctime, record.message, record.a = "now", "m", 2
    log.handle(record)
    (found,) = framed(godot)
    assert data_of(found) == {"logger": log.name, "b": 1, "a": 2}
    assert found["trace_id"] == "t"


def test_arguments_are_formatted_extra_is_data_and_the_trace_id_its_own_field(log, godot):
    log.info("paid %d of %s", 3, "x", extra={"order": 17, "password": "p", "trace_id": "t-1"})
    (record,) = framed(godot)
    assert record["message"] == "paid 3 of x"
    assert record["trace_id"] == "t-1"
    assert record["component"] == "svc"
    assert data_of(record) == {"logger": log.name, "order": 17, "password": "[REDACTED]"}


def test_extra_is_found_wherever_it_stands_among_what_every_record_has(log, godot):
    record = log.makeRecord(log.name, 20, "f", 1, "m", (), None)
    every = dict(vars(record))
    record.__dict__.clear()
    record.__dict__.update({"order": 17, **every, "asctime": "now"})
    log.handle(record)
    assert data_of(framed(godot)[0]) == {"logger": log.name, "order": 17}


def test_a_record_that_lacks_what_others_have_keeps_its_extra(log, godot):
    record = logging.makeLogRecord({"msg": "m", "levelno": 20, "levelname": "INFO", "order": 17})
    del record.processName, record.process
    record.before = 1
    log.handle(record)
    assert data_of(framed(godot)[0]) == {"logger": None, "order": 17, "before": 1}


def test_a_record_class_of_the_programs_own_says_what_its_message_is(log, godot):
    class Braces(logging.LogRecord):
        def getMessage(self):  # logging's name
            return f"<{self.msg}>"

    log.handle(Braces(log.name, 20, "f", 1, "m", (), None))
    assert framed(godot)[0]["message"] == "<m>"


def test_an_exception_is_the_tracebacks_text(log, godot):
    try:
        raise KeyError("k")
    except KeyError:
        log.exception("failed")
    (record,) = framed(godot)
    assert str(data_of(record)["exception"]).endswith("KeyError: 'k'")


def test_the_time_is_that_of_the_log_call_not_of_the_handler(log, godot):
    record = log.makeRecord(log.name, 20, "f", 1, "m", (), None)
    record.created = 1_795_379_708.810_814
    log.handle(record)
    assert framed(godot)[0]["created_at"] == "2026-11-22T20:35:08.810814Z"


class Hostile:
    def __str__(self):
        raise RuntimeError

    __repr__ = __str__


@pytest.mark.parametrize(
    "arguments", [("%d", "x"), ("%s %s", 1), ("%s", Hostile()), (Hostile(),), ("100%", 1)]
)
def test_a_call_that_cannot_be_formatted_is_logged_all_the_same(log, godot, arguments):
    log.info(*arguments)
    assert len(framed(godot)) == 1


def test_a_second_handler_above_does_not_send_the_record_again(log, godot):
    log.addHandler(GodotHandler(logger=godot))
    log.info("once")
    assert len(framed(godot)) == 1


def test_a_logger_whose_name_begins_like_ours_is_not_ours(godot):
    logger = logging.Logger("redistribution", 1)
    logger.addHandler(GodotHandler(logger=godot))
    logger.info("m")
    assert len(framed(godot)) == 1


@pytest.mark.parametrize("name", ["redis", "redis.connection", "clientlib.sender"])
def test_what_redis_and_the_client_log_is_ignored(godot, name):
    logger = logging.Logger(name, 1)
    logger.addHandler(GodotHandler(logger=godot))
    logger.error("connection lost")
    assert framed(godot) == []


def test_the_level_of_the_client_holds_as_well(log):
    quiet = idle_logger("svc", "ERROR")
    log.addHandler(handler := GodotHandler(logger=quiet))
    log.handlers = [handler]
    log.info("no")
    log.error("yes")
    assert [record["message"] for record in framed(quiet)] == ["yes"]


def test_dict_config_can_name_it(stream_name):
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "godot": {
                    "class": "clientlib.GodotHandler",
                    "component": "svc",
                    "redis_url": "redis://127.0.0.1:1/0",
                    "stream": stream_name,
                    "level": "WARNING",
                }
            },
            "loggers": {f"app.{stream_name}": {"handlers": ["godot"], "propagate": False}},
        }
    )
    (handler,) = logging.getLogger(f"app.{stream_name}").handlers
    assert isinstance(handler, GodotHandler)
    assert handler.level == logging.WARNING
    logging.getLogger(f"app.{stream_name}").removeHandler(handler)
    handler.close()


def test_captured_warnings_arrive(godot):
    handler = GodotHandler(logger=godot)
    logger = logging.getLogger("py.warnings")
    logger.addHandler(handler)
    logging.captureWarnings(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(True)
            warnings.warn("careful", UserWarning, stacklevel=1)
    finally:
        logging.captureWarnings(False)
        logger.removeHandler(handler)
    (record,) = framed(godot)
    assert "careful" in record["message"]
    assert record["level"] == "WARN"


def test_a_record_is_taken_while_someone_holds_the_handlers_lock(log, godot):
    (handler,) = log.handlers
    thread = threading.Thread(target=log.info, args=("m",))
    handler.acquire()
    try:
        thread.start()
        thread.join(60)
        assert len(framed(godot)) == 1
    finally:
        handler.release()


def test_filters_of_the_handler_count(log, godot):
    (handler,) = log.handlers

    def only_even(record):
        return record.args[0] % 2 == 0

    handler.addFilter(only_even)
    for i in range(4):
        log.info("m%d", i)
    assert [record["message"] for record in framed(godot)] == ["m0", "m2"]


ORDINARY = {"name": "shop", "msg": "m", "levelno": 20, "levelname": "INFO"}


def test_a_record_that_cannot_be_taken_is_told_without_what_it_says(log, godot, capfd):
    made = {**ORDINARY, "msg": "password=%s", "args": ("hunter2",), "levelno": None}
    record = logging.makeLogRecord(made)
    log.handlers[0].emit(record)
    log.handlers[0].emit(logging.makeLogRecord(made))
    assert framed(godot) == []
    said = capfd.readouterr().err
    assert said == "godot: records of the logger shop could not be taken: TypeError\n"
    assert godot._intake.refusals() == [("unreadable", 2)]


class Nameless(logging.LogRecord):
    @property
    def name(self):
        raise RuntimeError

    @name.setter
    def name(self, name): ...


@pytest.mark.parametrize("record", [None, object(), Nameless("n", 20, "", 0, "m", None, None)])
def test_a_record_without_a_name_is_counted_and_reaches_no_program(log, godot, record):
    log.handlers[0].emit(record)
    assert godot._intake.refusals() == [("unreadable", 1)]


@pytest.mark.parametrize(("name", "shown"), [("\ud800", "\ufffd"), (object, "<class 'object'>")])
def test_a_levels_name_that_is_no_text_spoils_no_record(log, godot, name, shown):
    log.handle(logging.makeLogRecord({**ORDINARY, "levelname": name}))
    (record,) = framed(godot)
    assert data_of(record)["godot"] == {"level": shown}


@pytest.mark.parametrize("exc_info", [True, (None, None, None), KeyError("x"), "text"])
def test_exc_info_that_logging_would_not_make_spoils_no_record(log, godot, exc_info):
    log.handle(logging.makeLogRecord({**ORDINARY, "exc_info": exc_info}))
    (record,) = framed(godot)
    assert record["message"] == "m"
    assert ("exception" in data_of(record)) == isinstance(exc_info, KeyError)


@pytest.mark.parametrize("created", [-1.5, 1e15, float("nan"), float("inf"), None])
def test_a_time_that_is_none_is_now(log, godot, created):
    log.handle(logging.makeLogRecord({**ORDINARY, "created": created}))
    (record,) = framed(godot)
    assert record["created_at"][:2] == "20"
    named = parse_record_id(record["id"])
    assert named is not None
    assert named.ms > 1_700_000_000_000
