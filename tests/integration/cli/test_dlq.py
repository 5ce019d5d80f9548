"""Dead letters: every byte kept, stored after all once the cause is mended."""

from __future__ import annotations

import base64
import json
import tracemalloc
from itertools import chain

import pytest

from dewey_logs import Batch, Reject, Source, open_store
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from godot.stream.reclaim import SOLO
from godot.worker.loop import UNREAD_DEATHS
from tests.integration.worker.conftest import Bench, eventually


@pytest.fixture
def bench(settings):
    found = Bench(settings)
    yield found
    found.close()


@pytest.fixture
def given_up(here, bench):
    """Three good records that somebody acknowledged by hand: retrying them has to work."""
    client = connect(bench.settings)
    consumer = Consumer(client, bench.settings.stream, bench.settings.group, "dead:1:x")
    consumer.ensure_group()
    bench.append(bench.records(3))
    ids = [str(entry.id) for entry in consumer.read_new(3, None)]
    assert here("ack", *ids, "--reason", "stuck", "--yes").returncode == 0
    close(client)
    return [row[0] for row in bench.sql("SELECT record_id::text FROM logs_rejected ORDER BY 1")]


@pytest.fixture
def bad(bench, working):
    """Entries that nobody can decode, of two kinds."""
    bench.add_raw(component="c", level="LOUD", message="a")
    bench.add_raw(component="c", level="LOUD", message="b")
    bench.add_raw(level="INFO", message="nobody said it")
    with working():
        eventually(bench.settled, "everything settled")


def document(done):
    return json.loads(done.stdout)


@pytest.mark.usefixtures("bad")
def test_open_letters_are_shown_by_reason_and_one_by_one(here):
    items = document(here("dlq", "-o", "json"))["items"]
    assert [(item["open"], "LOUD" in item["reason"]) for item in items] == [(2, True), (1, False)]
    assert items[1]["reason"] == "component is missing"
    found = document(here("dlq", "ls", "-o", "json"))
    assert [item["state"] for item in found["items"]] == ["open"] * 3
    assert items[1]["example"] in {item["id"] for item in found["items"]}
    assert len(document(here("dlq", "ls", "--reason", "loud", "-o", "json"))["items"]) == 2
    short = document(here("dlq", "ls", "-n", "2", "-o", "json"))
    assert (len(short["items"]), short["truncated"]) == (2, True)
    assert short["items"] == found["items"][:2]


@pytest.mark.usefixtures("bad")
def test_one_letter_shows_its_origin_and_fields(here):
    letter = document(here("dlq", "ls", "--reason", "component", "-o", "json"))["items"][0]
    shown = document(here("dlq", "show", letter["id"][:13], "-o", "json"))
    assert shown["fields"] == [["level", "INFO"], ["message", "nobody said it"]]
    assert (shown["entry"], shown["deliveries"]) == (letter["entry"], 1)
    text = here("dlq", "show", letter["id"], "-o", "text").stdout.decode()
    assert "message = nobody said it" in text
    assert here("dlq", "show", "00000000").returncode == 1
    assert here("dlq", "show", "no-id!").returncode == 2


def test_a_retry_does_nothing_without_yes_and_has_to_be_told_which(here, bench, given_up):
    done = here("dlq", "retry", "--all", "-o", "json")
    assert (done.returncode, document(done)["letters"]) == (5, 3)
    assert bench.stored() == 0
    assert here("dlq", "retry", "--yes").returncode == 2
    assert here("dlq", "retry", "--all", given_up[0], "--yes").returncode == 2
    assert here("dlq", "retry", "00000000", "--yes").returncode == 1


def test_a_retry_stores_the_record_and_moves_its_number(here, bench, given_up):
    total = document(here("audit", "-o", "json"))["total"]
    assert (total["stored"], total["rejected"]) == (0, 3)
    said = document(here("dlq", "retry", given_up[0], "--yes", "-o", "json"))
    assert (said["stored"], said["failed"]) == (1, 0)
    said = document(here("dlq", "retry", "--reason", "STUCK", "--yes", "-o", "json"))
    assert (said["stored"], said["failed"]) == (2, 0)
    assert bench.stored() == 3
    assert bench.sql("SELECT DISTINCT state FROM logs_rejected") == [("retried",)]
    total = document(here("audit", "-o", "json", "--deep"))["total"]
    assert (total["stored"], total["rejected"], total["unaccounted"]) == (3, 0, 0)
    done = here("dlq", "retry", "--all", "--yes", "-o", "json")
    assert (done.returncode, document(done)["stored"]) == (0, 0)
    done = here("dlq", "drop", "--all", "-o", "json")
    assert (done.returncode, document(done)["dropped"]) == (0, 0)  # for a script, as ever


def condemned_unread(here, bench) -> None:
    """Have everything in the stream condemned as what kills whoever receives it."""
    client = connect(bench.settings)
    dead = Consumer(client, bench.settings.stream, bench.settings.group, "dead:1:x")
    dead.ensure_group()
    ids = [entry.id for entry in dead.read_new(10, None)]
    dead.release(ids, 3_600_000, SOLO + UNREAD_DEATHS)
    close(client)
    assert document(here("claim", "--yes", "-o", "json"))["condemned"] == len(ids)


def test_what_was_condemned_unread_is_read_from_the_stream_again(here, bench):
    (record,) = bench.records(1)
    bench.append([record])
    bench.add_raw(component="foreign", level="INFO", message="message 1")
    bench.add_raw(component="foreign", level="LOUD", message="message 2")
    condemned_unread(here, bench)
    done = here("dlq", "retry", "--all", "-o", "json")
    assert (done.returncode, document(done)["unread"]) == (5, 3)
    assert b"it may kill this process, too" in here("dlq", "retry", "--all", "-o", "text").stdout
    done = here("dlq", "retry", "--all", "--yes", "-o", "json")
    said = document(done)
    assert (done.returncode, said["stored"], said["failed"], said["gone"]) == (4, 2, 1, 0)
    rows = bench.sql("SELECT message, id::text FROM logs ORDER BY 1")
    assert rows[0] == ("message 0", record.id)
    assert [message for message, _ in rows] == ["message 0", "message 1"]
    ((state, reason),) = bench.sql(
        "SELECT state, reason FROM logs_rejected WHERE state <> 'retried'"
    )
    assert (state, "LOUD" in reason) == ("open", True)
    assert bench.audited().clean


def test_what_was_condemned_unread_and_is_gone_from_the_stream_stays_as_it_is(here, bench):
    bench.append(bench.records(1))
    bench.add_raw(component="foreign", level="INFO", message="message 1")
    condemned_unread(here, bench)
    before = bench.sql("SELECT * FROM logs_rejected ORDER BY record_id")
    (first, _), _ = bench.redis.xrange(bench.settings.stream)
    bench.redis.delete(bench.settings.stream)
    record = dict(bench.records(1)[0].fields())
    bench.redis.xadd(bench.settings.stream, record, id=first)  # another one by the same entry id
    done = here("dlq", "retry", "--all", "--yes")
    assert done.returncode == 4
    assert b"2 condemned unread stay open: their entries are gone" in done.stderr
    assert bench.sql("SELECT * FROM logs_rejected ORDER BY record_id") == before
    assert bench.stored() == 0


@pytest.mark.usefixtures("bad")
def test_what_fails_again_stays_open_with_its_new_reason(here, bench):
    bench.sql("UPDATE logs_rejected SET reason = 'an older reason' RETURNING 1")
    done = here("dlq", "retry", "--all", "--yes", "-o", "json")
    assert (done.returncode, document(done)["failed"]) == (4, 3)
    rows = bench.sql("SELECT reason, state, changed_at IS NOT NULL FROM logs_rejected ORDER BY 1")
    assert [row[1:] for row in rows] == [("open", True)] * 3
    assert rows[0][0] == "component is missing"
    assert "LOUD" in rows[1][0]


@pytest.mark.usefixtures("given_up")
def test_a_letter_with_an_error_that_nobody_knows_keeps_no_other_from_being_stored(here, bench):
    bench.change(
        "CREATE FUNCTION no_ones() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.message = 'message 1' THEN RAISE 'no ones today'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER no_ones BEFORE INSERT ON logs FOR EACH ROW EXECUTE FUNCTION no_ones()"
    )
    done = here("dlq", "retry", "--all", "--yes", "-o", "json")
    said = document(done)
    assert (done.returncode, said["stored"], said["failed"]) == (4, 2, 1)
    (left,) = document(here("dlq", "ls", "-o", "json"))["items"]
    assert (left["reason"], left["state"]) == ("refused again: no ones today", "open")
    bench.change("DROP TRIGGER no_ones ON logs")
    assert document(here("dlq", "retry", "--all", "--yes", "-o", "json"))["stored"] == 1
    total = document(here("audit", "-o", "json", "--deep"))["total"]
    assert (total["stored"], total["rejected"], total["unaccounted"]) == (3, 0, 0)


@pytest.mark.usefixtures("given_up")
def test_a_record_that_is_stored_already_is_a_duplicate_and_done(here, bench):
    assert here("replay", "--from", "0", "--yes").returncode == 0
    said = document(here("dlq", "retry", "--all", "--yes", "-o", "json"))
    assert (said["stored"], said["duplicates"]) == (0, 3)
    assert bench.sql("SELECT DISTINCT state FROM logs_rejected") == [("retried",)]


def test_a_record_past_retention_stays_open_and_says_so(here, bench):
    fields = (b"component", b"c", b"level", b"INFO", b"message", b"old")
    letter = Reject(bytes(16), "full", Source("1000000000000-0", fields))
    with open_store(bench.settings.dewey_url) as store:
        store.write(Batch(stream=bench.settings.stream, rejects=(letter,)))
    done = here("dlq", "retry", "--all", "--yes", "-o", "json")
    assert (done.returncode, document(done)["expired"]) == (4, 1)
    assert bench.sql("SELECT state, reason FROM logs_rejected") == [
        ("open", "the record is past retention by now")
    ]


def test_a_letter_that_never_was_an_entry_can_be_retried(here, bench):
    raw = json.dumps({"component": "c", "level": "INFO", "message": "by tool"}).encode()
    letter = Reject(bytes(range(16)), "full", Source("", (b"json", raw)))
    with open_store(bench.settings.dewey_url) as store:
        store.write(Batch(stream="dewey_store_logs_batch", rejects=(letter,)))
    said = document(here("dlq", "retry", "--all", "--yes", "-o", "json"))
    assert said["stored"] == 1
    assert bench.sql("SELECT message FROM logs") == [("by tool",)]
    assert bench.sql("SELECT state FROM logs_rejected") == [("retried",)]


def test_a_retry_that_cannot_commit_changes_nothing(here, bench, given_up):
    done = here("dlq", "retry", "--all", "--yes", DEWEY_URL="postgresql://x@127.0.0.1:1/none")
    assert done.returncode == 3
    assert bench.sql("SELECT count(*) FROM logs_rejected WHERE state = 'open'") == [(3,)]
    assert len(given_up) == 3


def test_dropped_letters_are_kept_and_the_ledger_is_not_touched(here, bench, given_up):
    ledger = bench.sql("SELECT * FROM logs_ledger ORDER BY 1, 2, 3")
    done = here("dlq", "drop", given_up[0], "-o", "json")
    assert (done.returncode, document(done)["letters"]) == (5, 1)
    assert document(here("dlq", "drop", given_up[0], "--yes", "-o", "json"))["dropped"] == 1
    assert document(here("dlq", "drop", "--all", "--yes", "-o", "json"))["dropped"] == 2
    assert bench.sql("SELECT state, count(*) FROM logs_rejected GROUP BY 1") == [("dropped", 3)]
    assert bench.sql("SELECT * FROM logs_ledger ORDER BY 1, 2, 3") == ledger
    assert document(here("audit", "-o", "json"))["total"]["rejected"] == 3
    assert here("dlq", "retry", given_up[0], "--yes").returncode == 1
    items = document(here("dlq", "ls", "--state", "dropped", "-o", "json"))["items"]
    assert {item["id"] for item in items} == set(given_up)


def test_an_export_loses_no_byte_and_no_order(here, bench):
    fields = [
        (b"message", b"\xff\xfe\0\x1b[31m"),
        (b"\x80name", b"caf\xc3\xa9 \xe2\x80\xa8 \x7f"),
        (b"empty", b""),
        (b"message", b"once more"),
        (b"a", b'"quotes" and \\'),
    ]
    raw = tuple(chain.from_iterable(fields))
    with open_store(bench.settings.dewey_url) as store:
        for i in range(5):
            key = bytes([i]) * 16
            store.write(Batch(stream="s", rejects=(Reject(key, "why", Source("1-1", raw)),)))
    done = here("dlq", "export", "--state", "all")
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout
    lines = [json.loads(line) for line in done.stdout.decode().split("\n") if line]
    assert len(lines) == 5
    assert [line["id"][:2] for line in lines] == ["00", "01", "02", "03", "04"]

    def back(text):
        return base64.b64decode(text["base64"]) if isinstance(text, dict) else text.encode()

    kept = [(back(name), back(value)) for name, value in lines[0]["fields"]]
    assert kept == fields


def test_listing_and_planning_bring_no_payload(here, bench):
    large = Reject(bytes(range(16)), "why", Source("1-1", (b"message", b"x" * 20_000_000)))
    with open_store(bench.settings.dewey_url) as store:
        store.write(Batch(stream="s", rejects=(large,)))
    looks = (("ls",), ("retry", "--all"), ("drop", "--all"), ("drop", "--all", "--yes"))
    tracemalloc.start()
    codes = [here("dlq", *look).returncode for look in looks]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert codes == [0, 5, 5, 0]
    assert peak < 15_000_000
    assert len(here("dlq", "export", "--state", "all").stdout) > 20_000_000


def test_more_letters_than_a_page_are_all_found(here, bench, monkeypatch):
    monkeypatch.setattr("dewey_logs.deadletters.MAX_LETTERS", 7)
    with open_store(bench.settings.dewey_url) as store:
        letters = tuple(
            Reject(i.to_bytes(16), "why", Source("1-1", (b"message", b"%d" % i)))
            for i in range(1, 24)
        )
        store.write(Batch(stream="s", rejects=letters))
    lines = here("dlq", "export").stdout.splitlines()
    assert len({json.loads(line)["id"] for line in lines}) == 23
    for limit, more in (("7", True), ("22", True), ("23", False)):
        listed = document(here("dlq", "ls", "-n", limit, "-o", "json"))
        assert (len(listed["items"]), listed["truncated"]) == (int(limit), more)
    done = here("dlq", "retry", "--all", "--yes", "-o", "json")
    assert (done.returncode, document(done)["failed"]) == (4, 23)
