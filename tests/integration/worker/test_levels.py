"""Levels set in the store alone reach the hash that programs read."""

from __future__ import annotations

import msgspec

from dewey_logs import LevelChange, open_store
from godot.embedded.plan import READER, WRITER
from tests.conftest import logged_in
from tests.integration.worker.conftest import eventually


def test_a_worker_passes_on_what_was_set_and_what_redis_lost(bench, settings, working):
    def in_redis() -> object:
        return bench.redis.hgetall(f"{settings.stream}:levels")

    heard = bench.redis.pubsub()
    heard.subscribe(f"{settings.stream}:levels")
    heard.get_message(timeout=5)
    least = msgspec.structs.replace(
        settings,
        dewey_url=logged_in(settings.dewey_url or "", WRITER),
        dewey_reader_url=logged_in(settings.dewey_url or "", READER),
    )
    with open_store(settings.dewey_url or "") as store, working(least):
        store.set_level("billing", "DEBUG", change=LevelChange("a test"))
        eventually(lambda: in_redis() == {b"billing": b"DEBUG"}, "the level to be passed on")
        message = heard.get_message(timeout=5)
        assert message is not None
        assert message["data"] == b"billing"
        bench.redis.delete(f"{settings.stream}:levels")
        eventually(lambda: in_redis() == {b"billing": b"DEBUG"}, "the level to be there again")
        store.clear_levels(change=LevelChange("a test"))
        eventually(lambda: in_redis() == {}, "the level to be taken back")
    heard.close()


def test_a_worker_that_may_not_read_the_levels_stores_records_all_the_same(
    bench, settings, working
):
    least = msgspec.structs.replace(settings, dewey_url=logged_in(settings.dewey_url or "", WRITER))
    bench.append(bench.records(3))
    with working(least):
        eventually(lambda: bench.stored() == 3, "three records to be stored")
