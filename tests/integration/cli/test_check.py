"""What a monitoring system is told; never that all is well because nobody could look."""

from __future__ import annotations

import json
import re

import pytest

from godot import checks, snapshot
from godot.delivery import Delivery
from godot.stream.connection import close, connect
from godot.stream.group import Consumer

AWAY = {"GODOT_REDIS_URL": "redis://127.0.0.1:1/0"}
NOBODY = {"DEWEY_URL": "postgresql://nobody@127.0.0.1:1/none"}


@pytest.fixture(autouse=True)
def at_a_glance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "GLANCE_S", 0.05)
    monkeypatch.setattr(snapshot, "LONGEST", 2)


@pytest.fixture
def sent(settings):
    """Three records that nobody stores."""
    with Delivery(settings) as delivery:
        delivery.send([delivery.make("api", f"m{i}") for i in range(3)])


def test_a_group_without_a_worker_is_critical_and_the_figures_are_there(here, sent):
    done = here("check", "group")
    assert done.returncode == 2
    assert re.fullmatch(
        r"GODOT GROUP CRITICAL - dewey is no-consumer, the oldest record waits for \d\.\d s"
        r" \| group=[\d.]+s;30;300;0 undelivered=3 pending=0 consumers=0\n",
        done.stdout.decode(),
    )


def test_limits_decide_where_behaviour_does_not(here, settings, sent):
    client = connect(settings)
    consumer = Consumer(client, settings.stream, settings.group, "w:1:x")
    consumer.ensure_group()
    consumer.read_new(1, None)
    assert here("check", "group").returncode == 0
    assert here("check", "group", "--warn", "1ms").returncode == 1
    assert here("check", "group", "--warn", "1ms", "--crit", "2ms").returncode == 2
    assert here("check", "stream", "--warn", "0.001%").returncode == 1
    small = here("check", "stream", "--warn", "0.00001%").stdout
    assert b" of at most 100,000 entries (0%) are not stored, Redis uses " in small
    assert b"%;0.00001;80;0 " in small  # figures of plugins have no exponents
    assert here("check", "stream").returncode == 0
    close(client)


def test_what_cannot_be_looked_at_is_unknown_and_what_cannot_be_asked_too(here, sent):
    for asked in (("check", "group"), ("check", "stream")):
        done = here(*asked, **AWAY)
        assert done.returncode == 3
        assert done.stdout.startswith(f"GODOT {asked[1].upper()} UNKNOWN - ".encode())
    assert here("check", "dlq", **NOBODY).returncode == 3
    assert here("check", "group", "--warn", "soon").returncode == 3
    assert here("check", "--bogus").returncode == 3
    wrong = here("check", "group", GODOT_MAXLEN="x")
    assert wrong.returncode == 3
    assert wrong.stdout.startswith(b"GODOT GROUP UNKNOWN - GD-1001 GODOT_MAXLEN='x' is not usable")
    for never in ("nan", "inf", "-1"):  # would be a limit that nothing ever reaches, or all does
        assert here("check", "stream", "--warn", never).returncode == 3
        assert here("check", "dlq", "--warn", never).returncode == 3


def test_what_cannot_be_answered_is_said_in_the_form_that_was_asked_for(here, monkeypatch):
    wrong = here("check", "store", "-o", "json", DEWEY_URL="")
    assert wrong.returncode == 3
    found = json.loads(wrong.stdout)
    assert (found["check"], found["level"]) == ("store", "unknown")
    assert "GD-2003" in found["text"]

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("never seen\nbefore")

    monkeypatch.setattr(snapshot, "take", broken)
    bug = here("check", "group", "--format", "prometheus")
    assert bug.returncode == 3
    assert b'godot_check_status{check="group"} 3\n' in bug.stdout
    assert b"Traceback" in bug.stderr
    said = here("check", "group").stdout
    assert said == b"GODOT GROUP UNKNOWN - a bug: ZeroDivisionError: never seen before\n"


def test_a_store_that_is_away_is_critical_for_the_check_of_the_store(here):
    assert here("check", "store").stdout.startswith(b"GODOT STORE OK - 0 records, answered in ")
    assert here("check", "store", **NOBODY).returncode == 2
    assert here("check", "store", "--warn", "0").returncode == 1


def test_a_heartbeat_goes_the_whole_way_or_is_missed(here, working):
    done = here("check", "heartbeat", "--crit", "50ms")
    assert done.returncode == 2
    assert b"is not stored after 0.1 s" in done.stdout
    with working():
        done = here("check", "heartbeat", "--crit", "20s")
    assert done.returncode == 0, done.stdout
    said = here("query", "-c", checks.HEARTBEAT, "-o", "jsonl").stdout.splitlines()
    assert len(said) == 2


def test_dead_letters_are_counted_with_what_most_of_them_say(here, settings):
    client = connect(settings)
    client.xadd(settings.stream, {"component": "c", "level": "|loud", "message": "m"})
    assert here("check", "dlq").returncode == 0
    assert here("replay", "--from", "0-1", "--yes").returncode == 0
    done = here("check", "dlq")
    assert done.returncode == 1
    assert done.stdout.count(b"|") == 1  # a reason cannot pass for figures
    assert done.stdout.startswith(b"GODOT DLQ WARNING - 1 dead letter open, mostly: ")
    close(client)


def test_other_forms_say_the_same(here, sent):
    found = json.loads(here("check", "group", "--format", "json").stdout)
    assert (found["check"], found["level"], found["unit"]) == ("group", "critical", "s")
    assert found["figures"]["undelivered"] == 3
    done = here("check", "group", "--format", "prometheus")
    assert done.returncode == 2
    assert b'godot_check_status{check="group"} 2\n' in done.stdout
    assert b"# TYPE godot_check_value gauge\n" in done.stdout
