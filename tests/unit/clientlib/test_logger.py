from __future__ import annotations

import copy
import dataclasses
import datetime
import functools
import json
import math
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from clientlib import ConfigError, ICCMLogger, Level, trace_context
from clientlib.plain import utf8_size
from tests.unit.clientlib.unsent import framed, idle_logger, shipped


def data_of(record: dict[str, str]) -> dict[str, object]:
    found = json.loads(record["data"])
    assert isinstance(found, dict)
    return found


def test_each_method_has_its_level():
    def log(logger):
        for name in ("trace", "debug", "info", "warn", "warning", "error"):
            getattr(logger, name)("m")

    found = [record["level"] for record in shipped(log)]
    assert found == ["TRACE", "DEBUG", "INFO", "WARN", "WARN", "ERROR"]


def test_records_below_the_level_are_not_made():
    logger = idle_logger(level="WARN")
    logger.info("no")
    logger.warn("yes")
    logger.set_level("error")
    logger.warn("no")
    assert not logger.is_enabled("WARN")
    assert logger.is_enabled("ERROR")
    assert [record["message"] for record in framed(logger)] == ["yes"]


def test_a_level_change_reaches_children_and_methods_stored_away():
    logger = idle_logger(level="INFO")
    child = logger.bind(a=1)
    debug = child.debug
    debug("no")
    logger.set_level("DEBUG")
    debug("yes")
    assert [record["message"] for record in framed(logger)] == ["yes"]


def test_an_unknown_level_changes_nothing_and_raises_nothing(capfd):
    logger = idle_logger(level="INFO")
    logger.set_level("LOUD")
    logger.log("LOUD", "counts as info")
    assert not logger.is_enabled("LOUD")
    assert [record["level"] for record in framed(logger)] == ["INFO"]
    assert "LOUD" in capfd.readouterr().err


def test_a_level_may_be_given_by_name_alias_or_number():
    def log(logger):
        for level in ("debug", "CRITICAL", 35, 1):
            logger.log(level, "m", {"a": 1})

    found = shipped(log)
    assert [record["level"] for record in found] == ["DEBUG", "ERROR", "WARN", "TRACE"]
    assert data_of(found[1]) == {"a": 1, "godot": {"level": "CRITICAL"}}


def test_what_is_changed_after_the_call_does_not_show():
    numbers = [1]
    data = {"list": numbers, "n": 1}

    def log(logger):
        logger.info("m", data)
        data["n"] = 2
        numbers.append(2)

    assert data_of(shipped(log)[0]) == {"list": [1], "n": 1}


def test_an_exception_is_logged_with_its_traceback_and_no_variables():
    def log(logger):
        secret_local = "hunter2"
        try:
            raise ValueError(f"bad {len(secret_local)}")
        except ValueError:
            logger.exception("failed", {"a": math.nan})
            logger.exception("failed", "text")
        logger.exception("no exception here")

    first, second, third = shipped(log)
    data = data_of(first)
    assert str(data["exception"]).startswith("Traceback (most recent call last):\n")
    assert str(data["exception"]).endswith("ValueError: bad 7")
    assert "hunter2" not in first["data"]
    assert data["a"] == "NaN"
    assert data_of(second)["value"] == "text"
    assert "data" not in third
    assert [record["level"] for record in (first, second, third)] == ["ERROR"] * 3


def test_a_secret_in_an_exception_is_redacted():
    def log(logger):
        try:
            raise ConnectionError("cannot reach postgres://bob:s3cret@db/x")
        except ConnectionError:
            logger.exception("failed")

    assert "s3cret" not in shipped(log)[0]["data"]


class NoItems(dict[str, object]):
    def items(self):
        raise RuntimeError("no")


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class OddMapping(Mapping[str, object]):
    def __getitem__(self, key: str) -> object:
        raise KeyError(key)

    def __iter__(self):
        raise RuntimeError("no")

    def __len__(self) -> int:
        raise RuntimeError("no")


@pytest.mark.parametrize("data", [OddMapping(), NoItems(a=1), Unspeakable()])
def test_an_exception_with_hostile_data_is_still_logged(data):
    def log(logger):
        try:
            raise ValueError("bad")
        except ValueError:
            logger.exception("failed", data)

    (record,) = shipped(log)
    found = data_of(record)
    assert str(found["exception"]).endswith("ValueError: bad")
    assert "value" in found


def test_what_an_exceptions_data_lost_is_noted():
    def log(logger):
        try:
            raise ValueError("bad")
        except ValueError:
            logger.exception("failed", {"a": math.nan, "long": "x" * 1_000_000})

    (record,) = shipped(log)
    found = data_of(record)
    assert found["a"] == "NaN"
    notes = found["godot"]
    assert isinstance(notes, dict)
    assert notes["cleaned"] == ["numbers"]
    assert notes["truncated"]["data"] > 1_000_000


def test_a_hostile_level_changes_nothing_and_raises_nothing(capfd):
    logger = idle_logger(level="INFO")
    level: Any = Unspeakable()
    logger.set_level(level)
    logger.log(level, "counts as info")
    assert not logger.is_enabled(level)
    assert [record["level"] for record in framed(logger)] == ["INFO"]
    assert "<unprintable Unspeakable>" in capfd.readouterr().err


class LogsItself:
    def __init__(self, logger: ICCMLogger) -> None:
        self.logger = logger

    def __str__(self) -> str:
        self.logger.info("inner", {"me": self})
        return "done"


class Hostile:
    """Nothing can be asked of it, not even its class or its text."""

    def __getattribute__(self, name):
        raise RuntimeError(name)

    def __str__(self):
        raise RuntimeError

    __repr__ = __str__


class ProxyOfNothing:
    """As those of web frameworks are outside of a request."""

    @property  # type: ignore[misc]  # mypy knows no proxies
    def __class__(self):
        raise RuntimeError


class BadName(type):
    @property
    def __name__(cls):  # type: ignore[override]  # that is the point
        raise RuntimeError


class Nameless(metaclass=BadName):
    def __str__(self):
        raise RuntimeError


class BadText(str):
    def __len__(self):
        raise RuntimeError

    def encode(self, *args):
        raise RuntimeError


def nested(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels):
        value = [value]
    return value


CYCLE: dict[str, object] = {}
CYCLE["self"] = CYCLE


HOSTILE: dict[str, Callable[[], object]] = {
    "a cycle": lambda: CYCLE,
    "5000 levels": lambda: nested(5_000),
    "an object": lambda: {"o": object()},
    "an object without attributes": lambda: {"o": Hostile()},
    "only such an object": Hostile,
    "a proxy of nothing": lambda: {"p": ProxyOfNothing(), "n": math.nan},
    "an object of a class without a name": lambda: {"o": Nameless()},
    "a key without attributes": lambda: {Hostile(): 1},
    "a class as key": lambda: {Hostile: 1},
    "a text that is none": lambda: {"k": BadText("x")},
    "lone surrogates": lambda: {"\ud800": "\udfff"},
    "numbers without end": lambda: {"n": math.nan, "i": 10**5_000},
    "functions, generators, modules": lambda: {"f": len, "g": (i for i in "ab"), "m": sys},
    "bytes": lambda: b"\xff",
    "a view and a set": lambda: {"b": memoryview(b"x"), "s": {1, "a", None}},
    "an exception": lambda: ValueError("v"),
    "a type": lambda: type,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_data_raises_nothing_and_spoils_no_neighbour(name):
    data = HOSTILE[name]()

    def log(logger):
        logger.info("before")
        logger.info("hostile", data)
        logger.info("after")

    found = shipped(log)
    assert [record["message"] for record in found] == ["before", "hostile", "after"]
    assert isinstance(json.loads(found[1]["data"]), dict)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (5, "5"),
        (None, "None"),
        (b"a\xff", "a\ufffd"),
        (ValueError("v"), "ValueError: v"),
        (["a"], "['a']"),
        ("\ud800", "\ufffd"),
    ],
)
def test_any_message_has_a_text(message, expected):
    assert shipped(lambda log: log.info(message))[0]["message"] == expected


def test_a_text_with_a_mind_of_its_own_is_read_as_text():
    assert shipped(lambda log: log.info(BadText("text")))[0]["message"] == "text"


def test_a_message_whose_text_cannot_be_had_is_named_by_its_type():
    assert shipped(lambda log: log.info(Hostile()))[0]["message"] == "<unprintable Hostile>"


def test_a_list_that_changes_while_it_is_encoded_hurts_nothing():
    program = """
    from tests.unit.clientlib.unsent import framed, idle_logger

    class Clears:
        def __str__(self):
            jobs.clear()
            return "cleared"

    jobs = [Clears(), *(object() for _ in range(1_000))]
    log = idle_logger()
    log.info("list", {"jobs": jobs})
    print(framed(log)[0]["data"][:17])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, '{"jobs":["cleared\n')


@dataclasses.dataclass
class Order:
    number: int
    _note: object = None


@pytest.mark.parametrize("data", [Order(1, object), {"order": Order(1, object)}])
def test_fields_beside_an_unknown_object_stay_fields(data):
    (record,) = shipped(lambda log: log.info("m", data))
    found = json.loads(record["data"])
    assert found.get("order", found) == {"number": 1, "_note": "<class 'object'>"}


def test_a_key_beside_an_unknown_object_is_spelled_as_ever():
    data = {1: object, 1.5: 1, datetime.date(2026, 1, 2): 1, Level.INFO: 1}
    (record,) = shipped(lambda log: log.info("m", data))
    assert list(json.loads(record["data"])) == ["1", "1.5", "2026-01-02", "20"]


def test_a_number_with_more_digits_than_the_program_allows_spoils_no_record():
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        (record,) = shipped(lambda log: log.info("m", {"n": 10**1_000, "o": object()}))
    finally:
        sys.set_int_max_str_digits(before)
    assert json.loads(record["data"])["n"] == f"{10**1_000:#x}"


def test_a_flush_that_is_given_no_number_raises_nothing():
    for timeout in ("soon", datetime.timedelta(1), Hostile()):
        assert idle_logger().flush(timeout)  # type: ignore[arg-type]  # that is the point


def test_a_trace_id_is_read_when_it_is_logged():
    class Lazy:
        now = "first"

        def __str__(self):
            return self.now

    def log(logger):
        logger.info("argument", trace_id=Lazy())
        with trace_context(Lazy()):  # type: ignore[arg-type]  # that is the point
            logger.info("context")
        Lazy.now = "later"

    assert [record["trace_id"] for record in shipped(log)] == ["first", "first"]


class BadHash:
    def __hash__(self):
        raise RuntimeError

    def __str__(self):
        return "t-1"


class EqualToNothing(str):
    __hash__ = str.__hash__

    def __eq__(self, other):
        raise RuntimeError


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (BadHash, "t-1"),
        (lambda: EqualToNothing("t-1"), "t-1"),
        (lambda: ["t-1"], "['t-1']"),
        (Hostile, "<unprintable Hostile>"),
    ],
)
def test_a_trace_id_with_a_mind_of_its_own_loses_no_record(make, shown):
    trace_id = make()

    def log(logger):
        logger.info("before", trace_id="t-1")
        logger.info("hostile", trace_id=trace_id)
        logger.bind(a=1).info("hostile", trace_id=trace_id)

    assert [record["trace_id"] for record in shipped(log)] == ["t-1", shown, shown]


def test_what_a_signals_handler_raises_meanwhile_is_the_programs_and_doubles_no_record():
    def interrupted():
        raise TimeoutError

    logger = idle_logger()
    logger._intake.idle, logger._intake._start = True, interrupted
    for log in (logger.info, functools.partial(logger.log, "ERROR")):
        logger._intake.idle = True
        with pytest.raises(TimeoutError):
            log("once", {"a": None})
    assert [record["level"] for record in framed(logger)] == ["INFO", "ERROR"]


def test_a_field_may_have_any_name():
    def log(logger):
        logger.bind(self=1, fields=2).info("m")

    assert data_of(shipped(log)[0]) == {"self": 1, "fields": 2}


def test_an_object_that_logs_itself_ends():
    def log(logger):
        logger.info("outer", {"o": LogsItself(logger)})
        logger.info(LogsItself(logger))

    found = [record["message"] for record in shipped(log)]
    assert found == ["inner", "outer", "inner", "done"]


def test_megabytes_are_cut_in_the_callers_thread_and_the_true_size_is_named():
    logger = idle_logger()
    logger.info("é" * 5_000_000, {"blob": "x" * 3_000_000, "k": 1})
    queued = logger._intake.queue[0]
    assert queued is not None
    assert len(queued[5]) + len(queued[6]) < 2_000_000
    (record,) = framed(logger)
    assert utf8_size(record["message"]) == 65_536
    data = data_of(record)
    assert data["godot"] == {
        "truncated": {"message": 10_000_000, "data": len('{"blob":"","k":1}') + 3_000_000}
    }
    assert data["k"] == 1
    assert len(str(data["blob"])) == 8_192


def test_a_secret_beyond_the_first_cut_does_not_escape_by_halves():
    blob = "x" * 262_100 + " password=" + "s" * 3_000_000
    (record,) = shipped(lambda log: log.info("m", {"blob": blob, "token": "t"}))
    assert "sss" not in record["data"]
    assert data_of(record)["token"] == "[REDACTED]"


def test_what_does_not_fit_is_refused_without_an_exception():
    logger = idle_logger(buffer_records=10, buffer_bytes=65_536)
    for i in range(30):
        logger.info("m", {"i": i})
    logger.error("x" * 70_000)
    assert len(framed(logger)) == 8
    assert dict(logger._intake.refusals()) == {"buffer_full": 22, "too_large": 1}


def test_a_disabled_logger_queues_nothing_and_has_no_thread(monkeypatch):
    monkeypatch.setenv("LOGGING_ENABLED", "false")
    logger = ICCMLogger("api", "redis://127.0.0.1:1/0")
    logger.error("m", {"a": 1})
    logger.exception("m")
    logger.set_level("TRACE")
    logger.bind(a=1).error("m")
    assert not logger.is_enabled("ERROR")
    assert logger.stats().state == "idle"
    assert logger.flush(0)
    logger.close()


def test_what_holds_a_logger_can_be_copied():
    logger = idle_logger()
    copied = copy.deepcopy({"log": logger})
    copied["log"].info("m")
    assert copied["log"] is copy.copy(logger) is logger
    assert [record["message"] for record in framed(logger)] == ["m"]


def test_what_holds_a_logger_can_be_sent_to_another_process():
    given: dict[str, Any] = {
        "redact_fields": iter(["iban"]),
        "redact_values": False,
        "flush_timeout_s": 0.5,
    }
    logger = ICCMLogger("api", "redis://127.0.0.1:1/0", "ERROR", stream="s", **given)
    logger.set_level("DEBUG")
    there = pickle.loads(pickle.dumps([logger.bind(a=1)]))[0]
    assert (there.component, there._sender) == ("api", logger._sender)
    assert (there.is_enabled("DEBUG"), there.is_enabled("TRACE")) == (True, False)
    redactor = there._source.redactor
    assert ("iban" in redactor.fields, redactor.values, there._flush_timeout_s) == (
        True,
        False,
        0.5,
    )
    there._use(idle_logger()._sender)
    there.info("m", {"b": 2})
    assert data_of(framed(there)[0]) == {"a": 1, "b": 2}


def test_a_wrong_argument_raises_at_construction():
    with pytest.raises(ConfigError, match="level="):
        ICCMLogger("api", level="LOUD")


def test_importing_the_client_imports_nothing_that_only_a_sender_needs():
    heavy = (
        "{'redis', 'hiredis', 'asyncio', 'logging', 'concurrent.futures', 'socket', 'traceback', "
        "'json', 'random', 'pathlib', 'urllib.parse', 'base64'}"
    )
    code = (
        "import sys; there = set(sys.modules); from clientlib import ICCMLogger; "
        f"print(sorted({heavy} & (set(sys.modules) - there)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout == "[]\n"


def test_logging_from_an_unraisable_place_is_quiet():
    class Dying:
        def __init__(self, logger):
            self.logger = logger

        def __del__(self):
            self.logger.info("gone", {"a": 1})

    def log(logger):
        Dying(logger)
        logger.info("after")

    assert [record["message"] for record in shipped(log)] == ["gone", "after"]
