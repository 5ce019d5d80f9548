"""The same deliveries where Godot owns no login to the database: through a Dewey behind HTTP.

The tests that are imported here run a second time, with these settings.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dewey_logs import Batch, EntryRun, LogRow, open_store, remote
from godot.settings import Settings
from godot.stream.ids import StreamID
from godot.stream.replies import Entry
from godot.worker.decode import Decoder
from tests import deweys
from tests.deweys import Dewey
from tests.integration.worker.conftest import Bench, eventually
from tests.integration.worker.test_bad_input import (
    test_every_kind_of_bad_input_ends_where_the_design_says,
)
from tests.integration.worker.test_large_entries import (
    test_an_entry_larger_than_a_batch_may_be_is_stored_alone,
)
from tests.integration.worker.test_path import (
    test_a_stream_deleted_under_a_running_worker_is_made_again,
    test_sigterm_finishes_the_batch_and_leaves_nothing_behind,
    test_the_ledger_says_what_became_of_every_sequence_number,
    test_what_a_dead_worker_left_is_reclaimed,
)
from tests.integration.worker.test_refusing_store import (
    test_no_outage_makes_a_dead_letter_and_each_ends_by_itself,
    test_rows_that_are_refused_cost_their_neighbours_nothing,
)
from tests.integration.worker.test_resent import (
    test_a_record_past_retention_is_stored_for_no_one_and_no_day_is_made,
)
from tests.integration.worker.test_slow_store import SLOWED, at_once, let_each_row_take
from tests.integration.worker.test_unclassified import (
    test_the_one_record_it_is_about_becomes_a_dead_letter_once_others_were_stored,
)
from tests.proxy import Proxy

__all__ = [
    "test_a_record_past_retention_is_stored_for_no_one_and_no_day_is_made",
    "test_a_stream_deleted_under_a_running_worker_is_made_again",
    "test_an_entry_larger_than_a_batch_may_be_is_stored_alone",
    "test_every_kind_of_bad_input_ends_where_the_design_says",
    "test_no_outage_makes_a_dead_letter_and_each_ends_by_itself",
    "test_rows_that_are_refused_cost_their_neighbours_nothing",
    "test_sigterm_finishes_the_batch_and_leaves_nothing_behind",
    "test_the_ledger_says_what_became_of_every_sequence_number",
    "test_the_one_record_it_is_about_becomes_a_dead_letter_once_others_were_stored",
    "test_what_a_dead_worker_left_is_reclaimed",
]


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


@pytest.fixture
def workers_token(tokens: Path) -> str:
    return deweys.token(tokens, "worker", "logs:deliver")


@pytest.fixture
def serving(reader_url: str, dewey_url: str, tokens: Path, workers_token: str) -> Iterator[Dewey]:
    # the owner's login, as where a worker has one itself: tests hang triggers of theirs on tables
    with deweys.dewey(dewey_url, reader_url, dewey_url, tokens) as server:
        yield server


@pytest.fixture
def settings(settings: Settings, serving: Dewey, workers_token: str) -> Settings:
    return msgspec.structs.replace(settings, dewey_url=serving.url, dewey_token=workers_token)


def test_a_dewey_that_goes_away_is_an_outage_and_no_rejection(
    bench: Bench, working, settings, serving: Dewey
):
    with working(settings) as worker:
        bench.append(bench.records(500))
        eventually(bench.settled, "the first records")
        for _ in range(2):
            serving.stop()
            bench.append(bench.records(300))
            eventually(lambda: not worker.ready()["store"], "the worker to notice")
            serving.start()
            eventually(bench.settled, "everything acknowledged")
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(1_100, 1_100)]
    assert bench.sql("SELECT count(*) FROM logs_rejected") == [(0,)]
    total = bench.audited().total
    assert (total.stored, total.lost, total.unaccounted) == (1_100, 0, 0)


def test_an_answer_that_never_arrives_doubles_nothing(
    bench: Bench, working, settings, serving: Dewey
):
    with Proxy(serving.address) as way:
        behind = f"http://127.0.0.1:{way.port}/mcp"
        with working(msgspec.structs.replace(settings, dewey_url=behind)) as worker:
            bench.append(bench.records(200))
            eventually(bench.settled, "the path to work")
            way.swallow_replies = True
            bench.append(bench.records(200))
            # not all 200: a third batch waits for the answers that never come
            eventually(lambda: bench.stored() > 200, "a commit that nobody is told of")
            way.cut()
            way.heal()
            eventually(bench.settled, "everything acknowledged")
            assert worker.ready()["store"]
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(400, 400)]
    assert bench.audited().clean


def test_a_token_that_is_taken_back_stops_the_storing_and_costs_nothing(
    bench: Bench, working, settings, tokens: Path, caplog
):
    lines = tokens.read_text()
    with working(settings) as worker:
        bench.append(bench.records(100))
        eventually(bench.settled, "the path to work")
        tokens.write_text(lines.replace("logs:deliver", "logs:read"))
        bench.append(bench.records(100))
        eventually(lambda: not worker.ready()["store"], "the worker to notice")
        tokens.write_text(lines)
        eventually(bench.settled, "everything acknowledged")
    assert "record set aside" not in caplog.messages  # nobody looked for a culprit
    assert bench.stored() == 200
    assert bench.sql("SELECT count(*) FROM logs_rejected") == [(0,)]


def test_fewer_records_are_sent_at_once_until_postgresql_stores_them_in_time(
    bench: Bench, working, settings, serving: Dewey, caplog
):
    store: Any = serving.store
    for writer in (store._writer, store._second):
        writer._statement_timeout_ms = 300
    let_each_row_take(bench, 0.01, "logs")
    bench.append(bench.records(400))
    with working(settings) as worker:
        eventually(bench.settled, "everything acknowledged")
        few = at_once(worker)
        assert 1 <= few < 30
        assert "[57014]" in next(one for one in caplog.records if one.message == SLOWED).reason
        let_each_row_take(bench, 0)
        bench.append(bench.records(2_000))
        eventually(bench.settled, "the rest")
        assert at_once(worker) > 2 * few
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(2_400, 2_400)]
    assert bench.audited().clean


def test_a_batch_that_is_answered_too_late_every_time_is_divided_too(
    bench: Bench, working, settings, monkeypatch, caplog
):
    """The Dewey has more patience than the worker: it stores what nobody waits for any more."""
    monkeypatch.setattr(remote, "ON_THE_WAY_S", 0.1)
    let_each_row_take(bench, 0.01, "logs")
    bench.append(bench.records(1_000))
    with working(settings):
        eventually(lambda: SLOWED in caplog.messages, "the worker to wait no longer")
        eventually(bench.settled, "everything acknowledged", 60.0)
    assert bench.sql("SELECT count(*), count(DISTINCT id) FROM logs") == [(1_000, 1_000)]
    assert bench.audited().clean


def test_a_body_that_is_too_large_is_split(
    bench: Bench, working, settings, writer_url, reader_url, dewey_url, tokens
):
    texts = [{"text": "x" * 50_000} for _ in range(40)]
    with (
        deweys.dewey(writer_url, reader_url, dewey_url, tokens, max_body_bytes=500_000) as narrow,
        working(msgspec.structs.replace(settings, dewey_url=narrow.url)),
    ):
        for text in texts:
            bench.add_raw(component="c", level="INFO", message="m", data=msgspec.json.encode(text))
        bench.add_raw(component="c", level="INFO", message="m", data=b"y" * 600_000)  # no JSON
        eventually(bench.settled, "everything acknowledged")
        assert narrow.registry.get_sample_value(
            "godot_mcp_requests_refused_total", {"reason": "size"}
        )
    assert bench.stored() == 40
    assert bench.sql("SELECT count(*) FROM logs_rejected") == [(1,)]
    assert bench.audited().clean


def test_copies_of_a_record_in_one_batch_settle_the_entry_of_each(
    bench: Bench, settings, workers_token
):
    """Also where they have to be told one by one: the group had begun anew, and nobody knew."""
    (record,) = bench.records(1)
    raw = [part for field in record.fields() for part in field]
    ms = int(time.time() * 1000)
    first, second = StreamID(ms, 0), StreamID(ms, 1)
    decoder = Decoder(settings.stream, back_s=86_400, ahead_s=86_400)
    decoded = decoder.decode_all([Entry(first, raw), Entry(second, raw)], [1, 1])
    rows = [row for row in decoded if isinstance(row, LogRow)]
    with open_store(settings.dewey_url or "", token=workers_token) as store:
        for last, n in ((first, 1), (second, 2)):
            run = EntryRun(first, last, n)
            store.write(Batch(stream=settings.stream, rows=tuple(rows[:n]), runs=(run,)))
    told = "SELECT delivery, first_seq::int FROM logs_ledger_entries ORDER BY ctid"
    assert bench.sql(told) == [("new", 0), ("again", 0), ("again", 1)]


def test_an_audit_through_dewey_finds_what_one_in_the_database_finds(
    bench: Bench, working, settings, tokens: Path, caplog
):
    auditor = deweys.token(tokens, "auditor", "logs:deliver")
    bench.append(bench.records(300))
    bench.add_raw(component="c", level="loud", message="m")
    with working(settings):
        eventually(bench.settled, "everything acknowledged")
    with (
        open_store(bench.database) as here,
        open_store(settings.dewey_url or "", token=auditor) as there,
    ):
        region = (0, 0)
        stream = settings.stream
        assert there.accounts(stream, region, 0.0) == here.accounts(stream, region, 0.0)
        assert there.contents() == here.contents()
        producer = bench.producer.number
        numbers = [(producer, 1, 2), (producer, 5, 6)]
        assert there.neighbours(numbers) == here.neighbours(numbers)
