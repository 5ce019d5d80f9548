"""Settling by hand: nothing without --yes, nothing acknowledged that is not committed."""

from __future__ import annotations

import json

import pytest

from dewey_logs import LogRow, Reject
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from godot.stream.reclaim import SOLO
from godot.stream.replies import Entry
from godot.worker.decode import Decoder
from godot.worker.loop import SOLO_DEATHS, UNREAD_DEATHS
from tests.integration.worker.conftest import Bench, eventually

AWAY = "postgresql://nobody@127.0.0.1:1/none"
BATCH = {"GODOT_BATCH_SIZE": "50"}


@pytest.fixture
def bench(settings):
    found = Bench(settings)
    yield found
    found.close()


@pytest.fixture
def dead_worker(settings):
    """A consumer that takes entries and is never heard of again."""
    client = connect(settings)
    consumer = Consumer(client, settings.stream, settings.group, "dead:1:x")
    consumer.ensure_group()
    yield consumer
    close(client)


def deliver(consumer: Consumer, count: int, times: int = 1) -> list:
    """Have entries delivered so often, and let them idle for an hour since."""
    entries = consumer.read_new(count, None)
    consumer.release([entry.id for entry in entries], 3_600_000, times)
    return entries


def document(done):
    return json.loads(done.stdout)


# -- claim -------------------------------------------------------------------------------------


def test_claim_shows_a_plan_and_does_nothing_without_yes(here, bench, dead_worker):
    bench.append(bench.records(10))
    deliver(dead_worker, 10)
    done = here("claim", "-o", "json")
    assert done.returncode == 5
    said = document(done)
    assert (said["done"], said["settle"], said["suspects"]) == (False, 10, 0)
    assert b"--yes" in done.stderr
    assert (bench.pending(), bench.stored()) == (10, 0)


def test_claim_stores_commits_and_acknowledges(here, bench, dead_worker):
    bench.append(bench.records(120))
    deliver(dead_worker, 120)
    done = here("claim", "--yes", "-o", "json", **BATCH)
    assert done.returncode == 0
    said = document(done)
    assert (said["entries"], said["stored"], said["duplicates"]) == (120, 120, 0)
    assert (bench.pending(), bench.stored()) == (0, 120)
    consumers = bench.redis.xinfo_consumers(bench.settings.stream, bench.settings.group)
    assert [consumer["name"] for consumer in consumers] == [b"dead:1:x"]
    assert here("audit").returncode == 0
    assert here("claim", "-o", "text").stdout == b"nothing is pending for so long\n"


def test_claim_leaves_alone_what_is_in_somebodys_hands(here, bench, dead_worker):
    bench.append(bench.records(3))
    dead_worker.read_new(3, None)
    assert here("claim", "--yes").returncode == 0
    assert (bench.pending(), bench.stored()) == (3, 0)
    assert here("claim", "--min-idle", "0").returncode == 2


def test_a_claim_that_cannot_commit_acknowledges_nothing_and_gives_everything_back(
    here, bench, dead_worker, working, stored
):
    bench.append(bench.records(20))
    deliver(dead_worker, 20)
    refused = bench.settings.dewey_url.rpartition("/")[0] + "/none"
    for url in (AWAY, refused):
        done = here("claim", "--yes", DEWEY_URL=url)
        assert (done.returncode, done.stdout) in ((3, b""), (1, b""))
        assert b"Traceback" not in done.stderr
        assert bench.pending() == 20
    with working():
        stored(20)


def test_entries_without_payload_are_entered_as_lost_before_they_are_acknowledged(
    here, bench, dead_worker
):
    bench.append(bench.records(10))
    entries = deliver(dead_worker, 10)
    bench.redis.xtrim(bench.settings.stream, minid=str(entries[4].id), approximate=False)
    assert document(here("claim", "-o", "json"))["without_payload"] == 4
    said = document(here("claim", "--yes", "-o", "json"))
    assert (said["entries"], said["without_payload"], said["stored"]) == (6, 4, 6)
    assert bench.pending() == 0
    quick = {"GODOT_RECLAIM_IDLE_MS": "1000"}
    bench.sql("UPDATE logs_ledger SET at = at - interval '1 hour' RETURNING 1")
    audited = here("audit", "-o", "json", **quick)
    found = document(audited)
    assert audited.returncode == 4
    assert (found["total"]["lost"], found["total"]["unaccounted"]) == (4, 0)
    assert found["entries"]["lost_while_pending"] == 4
    (lost,) = found["ranges"]
    assert (lost["first"], lost["last"], lost["cause"]) == (1, 4, "trimmed while pending")
    assert lost["before"] is not None


def test_suspects_go_one_by_one_and_only_proven_ones_are_condemned(here, bench, dead_worker):
    for count, times in ((3, 5), (1, SOLO + SOLO_DEATHS), (6, 1)):
        bench.append(bench.records(count))
        deliver(dead_worker, count, times)
    assert document(here("claim", "-o", "json"))["suspects"] == 4
    said = document(here("claim", "--yes", "-o", "json"))
    assert (said["entries"], said["condemned"], said["rejected"], said["stored"]) == (10, 1, 1, 9)
    assert bench.pending() == 0
    assert here("audit").returncode == 0
    assert "kills workers" in bench.sql("SELECT reason FROM logs_rejected")[0][0]


def test_what_kills_whoever_receives_it_is_condemned_unread(here, bench, dead_worker):
    bench.add_raw(component="c", level="INFO", message="x" * 1_000_000)
    deliver(dead_worker, 1, SOLO + UNREAD_DEATHS)
    before = bench.redis.info("stats")["total_net_output_bytes"]
    assert document(here("claim", "--yes", "-o", "json"))["condemned"] == 1
    assert bench.redis.info("stats")["total_net_output_bytes"] - before < 100_000
    ((reason, names),) = bench.sql("SELECT reason, field_names FROM logs_rejected")
    assert "only receive it" in reason
    assert (names, bench.pending()) == ([], 0)


def test_what_kills_the_claim_itself_is_condemned_too_and_holds_up_no_neighbour(
    here, bench, dead_worker, monkeypatch
):
    decode_all = Decoder.decode_all

    def deadly(self: Decoder, entries: list[Entry], deliveries: list[int]) -> list[LogRow | Reject]:
        if any(b"poison" in entry.raw for entry in entries):
            raise MemoryError
        return decode_all(self, entries, deliveries)

    bench.add_raw(component="c", level="INFO", message="poison")
    bench.append(bench.records(1))
    deliver(dead_worker, 2, bench.settings.max_deliveries)
    monkeypatch.setattr(Decoder, "decode_all", deadly)
    for stored in (0, 1, 1):
        with pytest.raises(MemoryError):
            here("claim", "--yes")
        assert bench.stored() == stored
    assert document(here("claim", "--yes", "-o", "json"))["condemned"] == 1
    assert bench.sql("SELECT deliveries FROM logs_rejected") == [(8,)]
    assert bench.pending() == 0


def test_a_dead_letter_says_how_often_its_entry_was_delivered(here, bench, dead_worker):
    bench.change("ALTER TABLE logs ADD CONSTRAINT r CHECK (message <> 'refused') NOT VALID")
    bad = {"component": "c", "level": "LOUD"}
    for message, times in (("1", 1), ("3", 3), ("5 together", 5), ("5 and 2 alone", SOLO + 2)):
        bench.add_raw(**bad, message=message)
        deliver(dead_worker, 1, times)
    bench.append(bench.records(5))
    deliver(dead_worker, 5, 2)
    bench.add_raw(component="c", level="INFO", message="refused")
    deliver(dead_worker, 1, 2)
    assert here("claim", "--yes").returncode == 0
    found = bench.sql(
        "SELECT convert_from(field_values[3], 'UTF8'), deliveries FROM logs_rejected ORDER BY 1"
    )
    assert found == [("1", 2), ("3", 4), ("5 and 2 alone", 8), ("5 together", 6), ("refused", 3)]
    assert bench.stored() == 5


def test_a_condemned_record_inside_json_keeps_its_number(here, bench, dead_worker):
    (record,) = bench.records(1)
    whole = {name.decode(): value.decode() for name, value in record.fields()}
    bench.add_raw(json=json.dumps(whole | {"data": json.loads(whole["data"])}))
    deliver(dead_worker, 1, SOLO + SOLO_DEATHS)
    bench.append(bench.records(1))
    deliver(dead_worker, 1)
    said = document(here("claim", "--yes", "-o", "json"))
    assert (said["condemned"], said["stored"]) == (1, 1)
    assert bench.sql("SELECT record_id::text FROM logs_rejected") == [(record.id,)]
    total = bench.audited().total
    assert (total.rejected, total.stored, total.lost, total.unaccounted) == (1, 1, 0, 0)


# -- replay ------------------------------------------------------------------------------------


def test_replay_counts_what_is_there_and_stores_what_is_missing(here, bench, working, stored):
    bench.append(bench.records(100))
    with working():
        stored(100)
    done = here("replay", "--from", "0", "-o", "json")
    assert (done.returncode, document(done)["entries"]) == (5, 100)
    bench.sql("DELETE FROM logs WHERE (data->>'i')::int < 30 RETURNING 1")
    said = document(here("replay", "--since", "1h", "--yes", "-o", "json"))
    assert (said["stored"], said["duplicates"], said["rejected"]) == (30, 70, 0)
    assert bench.stored() == 100
    assert here("audit", "--deep").returncode == 0


def test_replay_acknowledges_nothing_and_takes_nothing_from_a_worker(
    here, bench, dead_worker, working, stored
):
    bench.append(bench.records(20))
    entries = dead_worker.read_new(5, None)
    assert here("replay", "--from", "0-0", "--yes").returncode == 0
    assert bench.stored() == 20
    assert dead_worker.held(100) == [entry.id for entry in entries]
    audited = document(here("audit", "-o", "json"))
    assert (audited["total"]["stored"], audited["total"]["unaccounted"]) == (20, 0)
    with working():
        stored(20)
    assert here("audit", "--deep").returncode == 0


def test_replay_is_bounded_by_ids_times_and_a_rate(here, bench):
    ids = [bench.add_raw(component="c", level="INFO", message=str(i)) for i in range(12)]
    said = document(here("replay", "--from", ids[7], "--yes", "--rate", "100/s", "-o", "json"))
    assert (said["entries"], said["stored"]) == (5, 5)
    assert document(here("replay", "--since", "1h", "--until", "30m", "-o", "json"))["entries"] == 0
    assert here("replay").returncode == 2
    assert here("replay", "--from", "x").returncode == 2
    assert here("replay", "--from", "0", "--rate", "fast").returncode == 2
    assert here("replay", "--since", "whenever").returncode == 2


def test_what_a_clear_has_removed_stays_removed(here, bench, working, stored):
    bench.append(bench.records(10))
    for i in range(5):
        bench.add_raw(component="noise.x", level="DEBUG", message=f"chatter {i}")
    with working():
        stored(15)
    bench.sql("DELETE FROM logs RETURNING 1")
    ((at_ms,), _) = bench.sql(
        """INSERT INTO logs_cleared (filter) VALUES ('{"component": ["noise.*"]}'),
        ('{"search": "message 3", "since": "-1h"}') RETURNING extract(epoch FROM at) * 1000"""
    )

    def entry_ms() -> int:
        seconds, micros = bench.redis.time()
        return seconds * 1000 + micros // 1000

    # an entry's time is in whole milliseconds: one of the clear's own counts as older
    eventually(lambda: entry_ms() > at_ms, "the next millisecond")
    bench.add_raw(component="noise.x", level="DEBUG", message="newer than the clear")
    said = document(here("replay", "--from", "0", "--yes", "-o", "json"))
    assert (said["stored"], said["cleared"]) == (10, 6)
    kept = {row[0] for row in bench.sql("SELECT message FROM logs")}
    assert kept == {f"message {i}" for i in range(10) if i != 3} | {"newer than the clear"}
    audited = document(here("audit", "-o", "json"))
    assert (audited["total"]["stored"], audited["total"]["unaccounted"]) == (10, 0)


def test_numbers_cleared_before_they_were_ever_stored_have_a_place_of_their_own(here, bench):
    bench.append(bench.records(4))
    bench.sql("""INSERT INTO logs_cleared (filter) VALUES ('{"level": "INFO"}') RETURNING 1""")
    said = document(here("replay", "--from", "0", "--yes", "-o", "json"))
    assert (said["stored"], said["cleared"]) == (0, 4)
    assert document(here("audit", "-o", "json"))["total"]["cleared"] == 4


def test_what_a_replay_cannot_store_is_told_once_with_its_reason(run, bench, settings):
    for number in range(3):
        fields = {"component": "api", "level": "\x1b[31mloud", "message": f"m{number}"}
        bench.redis.xadd(settings.stream, fields)
    done = run("replay", "--from", "0-1", "--yes")
    assert b"rejected\t3" in done.stdout
    told = [line for line in done.stderr.decode().splitlines() if "rejected" in line]
    assert len(told) == 1
    assert told[0].startswith("record rejected: level '\\x1b[31mloud' is unknown: allowed are")


def test_a_replay_without_the_store_ends_at_once(here, bench):
    bench.append(bench.records(4))
    done = here("replay", "--from", "0", "--yes", DEWEY_URL=AWAY)
    assert (done.returncode, done.stdout) == (3, b"")


# -- ack ---------------------------------------------------------------------------------------


def test_ack_writes_a_dead_letter_before_it_acknowledges(here, bench, dead_worker):
    bench.append(bench.records(3))
    entry = str(dead_worker.read_new(3, None)[1].id)
    done = here("ack", entry, "--reason", "known bad", "-o", "json")
    assert (done.returncode, document(done)["dead_letters"]) == (5, 1)
    assert bench.pending() == 3
    done = here("ack", entry, "--reason", "known bad", "--yes", "-o", "json")
    assert (done.returncode, document(done)["acknowledged"]) == (0, 1)
    assert done.stderr.startswith(b"1 entry to be acknowledged, with a dead letter for each\n")
    assert bench.pending() == 2
    ((reason, kept, values),) = bench.sql("SELECT reason, entry, field_values FROM logs_rejected")
    assert (reason, kept) == ("acknowledged by hand: known bad", entry)
    assert b"message 1" in values
    total = document(here("audit", "-o", "json"))["total"]
    assert (total["rejected"], total["in_stream"], total["unaccounted"]) == (1, 2, 0)


def test_ack_without_a_commit_acknowledges_nothing(here, bench, dead_worker):
    bench.append(bench.records(1))
    entry = str(dead_worker.read_new(1, None)[0].id)
    assert here("ack", entry, "--reason", "x", "--yes", DEWEY_URL=AWAY).returncode == 3
    assert bench.pending() == 1


def test_ack_gives_a_record_inside_json_its_own_number(here, bench, dead_worker):
    (record,) = bench.records(1)
    whole = {name.decode(): value.decode() for name, value in record.fields()}
    bench.add_raw(json=json.dumps(whole | {"data": json.loads(whole["data"])}))
    entry = str(dead_worker.read_new(1, None)[0].id)
    assert here("ack", entry, "--reason", "x", "--yes").returncode == 0
    total = document(here("audit", "-o", "json"))["total"]
    assert (total["rejected"], total["lost"], total["unaccounted"]) == (1, 0, 0)


def test_ack_of_an_entry_without_payload_is_a_loss_with_a_name(here, bench, dead_worker):
    gone = bench.add_raw(component="c", level="INFO", message="x")
    dead_worker.read_new(1, None)
    bench.redis.xdel(bench.settings.stream, gone)
    said = document(here("ack", gone, "--reason", "x", "--yes", "-o", "json"))
    assert (said["without_payload"], said["acknowledged"]) == (1, 1)
    found = document(here("audit", "-o", "json"))
    assert (found["total"]["lost"], found["entries"]["lost_while_pending"]) == (1, 1)


def test_ack_of_what_is_not_pending_says_so(here, bench):
    entry = bench.add_raw(component="c", level="INFO", message="x")
    done = here("ack", entry, "--reason", "x", "--yes")
    assert done.returncode == 1
    assert b"not pending" in done.stderr
    assert here("ack", "nonsense", "--reason", "x").returncode == 2
    assert here("ack", entry).returncode == 2
    assert here("ack", entry, "--reason", " ").returncode == 2
