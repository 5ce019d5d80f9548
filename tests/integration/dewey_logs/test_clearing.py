"""What a clear is asked for goes, and nothing else; whatever happens meanwhile, counts agree."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from dewey_logs import (
    BadFilter,
    DeweyError,
    LogFilter,
    SchemaProblem,
    Store,
    Unavailable,
    clearing,
    open_store,
    removal,
)
from dewey_logs.filters import Conditions
from dewey_logs.layout import Layout
from dewey_logs.maintenance import merge_rollups, verify
from dewey_logs.partitions import ensure, partitions
from dewey_logs.sealing import choose, seal
from tests.integration.dewey_logs.conftest import DAY_US, Database, Maker, batch, eventually

MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
NOISE = LogFilter(component=("noise",))
GATE = """
CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
    IF current_setting('application_name') = 'gated' THEN
        PERFORM pg_advisory_xact_lock_shared(4711);
    END IF;
    RETURN NULL;
END $$;
"""
AT_COMMIT = """
CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON logs_ledger
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION gate()
"""
BEFORE_ROWS = "CREATE TRIGGER gate BEFORE INSERT ON logs FOR EACH STATEMENT EXECUTE FUNCTION gate()"


def day(ago: int) -> str:
    return f"{MIDNIGHT - timedelta(days=ago):%Y-%m-%d}"


def name(ago: int) -> str:
    return f"logs_{MIDNIGHT - timedelta(days=ago):%Y%m%d}"


def noon(ago: int) -> int:
    return int(MIDNIGHT.timestamp()) * 1_000_000 - ago * DAY_US + DAY_US // 2


def messages(database: Database) -> set[str]:
    return {row[0] for row in database.rows("SELECT message FROM logs WHERE component <> 'dewey'")}


def told(database: Database) -> list[str]:
    found = database.rows("SELECT message FROM logs WHERE component = 'dewey' ORDER BY created_at")
    return [row[0] for row in found]


def once(work: Callable[[], object]) -> Callable[[int], None]:
    """Return a callback that does something the first time it is called."""
    left = [work]

    def callback(_: int) -> None:
        while left:
            left.pop()()

    return callback


@contextmanager
def gated(database: Database, where: str) -> Iterator[Callable[[], bool]]:
    """Hold programs by the name of `gated` up there; give the question whether one waits."""
    database.connection.execute(GATE + where)
    database.connection.execute("SELECT pg_advisory_lock(4711)")
    yield lambda: database.one("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0
    database.connection.execute("SELECT pg_advisory_unlock(4711)")


@pytest.fixture
def store(writer_url: str, reader_url: str, dewey_url: str) -> Iterator[Store]:
    """A store with an owner, who clears."""
    with open_store(writer_url, reader_url=reader_url, owner_url=dewey_url) as opened:
        yield opened


@pytest.fixture
def small_steps(monkeypatch):
    """A handful of records takes many steps."""
    monkeypatch.setattr(removal, "STEP_ROWS", 7)
    monkeypatch.setattr(removal, "MOST_REMOVED", 10)
    monkeypatch.setattr(removal, "MOST_LOOKED_AT", 28)


@pytest.fixture
def impatient(monkeypatch):
    """A day that somebody uses is tried once."""
    monkeypatch.setattr(clearing, "PATIENCE_S", 0.0)


# -- what goes -------------------------------------------------------------------------------------

FILTERS = [
    (LogFilter(component=("noise", "api.*")), lambda i: i % 4 in (0, 1)),
    (LogFilter(level="ERROR"), lambda i: i % 5 == 0),
    (LogFilter(search="number seven"), lambda i: i % 7 == 0),
    (LogFilter(contains="SEV"), lambda i: i % 7 == 0),
    (LogFilter(regex="^number 1[0-9]( |$)"), lambda i: i // 10 == 1),
    (LogFilter(data={"odd": True}), lambda i: i % 2 == 1),
    (LogFilter(trace_id="trace-00000003"), lambda i: i % 10 == 3),
    (LogFilter(since=day(2), until=day(1)), lambda i: i % 3 == 1),
    (LogFilter(component=("noise",), until=day(1), level="ERROR"), lambda i: i % 20 == 0 and i % 3),
    (LogFilter(contains="nothing has this"), lambda i: False),
]


@pytest.mark.parametrize(("wanted", "goes"), FILTERS)
@pytest.mark.parametrize("steps", ["one_step", "small_steps"])
def test_what_was_planned_goes_and_nothing_else(
    store, database, maker, dewey_url, wanted, goes, steps, request
):
    if steps == "small_steps":
        request.getfixturevalue(steps)
    rows = [
        maker.row(
            created_at_us=noon(1 + i % 3) + i // 6 * 60_000_000,  # some have the same time
            component=("noise", "api.one", "web", "db")[i % 4],
            level="ERROR" if i % 5 == 0 else "INFO",
            message=f"number {i}" + (" seven" if i % 7 == 0 else ""),
            data=b'{"odd":%s}' % (b"true" if i % 2 else b"false"),
            trace_id=f"trace-{i % 10:08}",
        )
        for i in range(240)
    ]
    store.write(batch(rows))
    expected = {row.message for i, row in enumerate(rows) if goes(i)}
    plan = store.plan_clear(wanted)
    assert (plan.records, plan.exact) == (len(expected), True)
    assert len(messages(database)) == 240, "a plan changes nothing"
    reported: list[int] = []
    done = store.clear(plan.filter, asked_by="a test", progress=reported.append)
    assert done.records == sum(reported) == len(expected)
    assert messages(database) == {row.message for row in rows} - expected
    assert list(verify(dewey_url)) == []
    assert store.plan_clear(wanted).records == 0


def test_a_plan_says_how_many_of_what_and_from_when_to_when(store, maker):
    store.write(
        batch(
            [
                *maker.rows(3, created_at_us=noon(1), component="web"),
                *maker.rows(2, created_at_us=noon(2), component="api", level="ERROR"),
                maker.row(created_at_us=noon(0), component="web"),
            ]
        )
    )
    plan = store.plan_clear(LogFilter(until=day(0)))
    assert plan.components == (("web", 3), ("api", 2))
    assert plan.levels == (("INFO", 3), ("ERROR", 2))
    assert plan.oldest == f"{day(2)}T12:00:00.000000Z"
    assert plan.newest == f"{day(1)}T12:00:00.000000Z"
    assert plan.partitions == (name(2), name(1))
    assert plan.filter == LogFilter(until=f"{day(0)}T00:00:00.000000Z")


def test_what_a_relative_time_means_is_settled_by_the_plan(store, database, maker):
    store.write(batch([maker.row(created_at_us=maker.now_us - 60_000_000, message="old")]))
    plan = store.plan_clear(LogFilter(until="30s"))
    cut = datetime.fromisoformat(plan.filter.until)
    store.write(batch([maker.row(created_at_us=int(cut.timestamp() * 1e6), message="young")]))
    assert store.clear(plan.filter, asked_by="a test").records == 1
    assert messages(database) == {"young"}


def test_a_count_that_takes_too_long_is_a_least_number(store, maker, monkeypatch):
    store.write(batch(maker.rows(3, component="noise")))
    monkeypatch.setattr(clearing, "COUNT_S", -1.0)
    plan = store.plan_clear(NOISE)
    assert (plan.records <= 3, plan.exact) == (True, False)


# -- whole days ------------------------------------------------------------------------------------


def test_whole_days_go_at_once_and_the_rest_row_by_row(store, database, maker, dewey_url):
    for ago in (3, 2, 1, 0):
        midnight = noon(ago) - DAY_US // 2
        hours = [(hour, midnight + hour * DAY_US // 24) for hour in range(24)]
        store.write(
            batch([maker.row(created_at_us=us, message=f"{ago}/{hour}") for hour, us in hours])
        )
    names = [name(ago) for ago in (3, 2, 1, 0)]
    files = "SELECT relname, relfilenode FROM pg_class WHERE relname = ANY (%s)"
    before = dict(database.rows(files, names))
    wanted = LogFilter(since=f"{day(3)}T06:00:00Z", until=f"{day(0)}T02:00:00Z")
    done = store.clear(wanted, asked_by="a test")
    assert (done.records, done.partitions) == (18 + 24 + 24 + 2, (name(2), name(1)))
    assert messages(database) == {f"3/{h}" for h in range(6)} | {f"0/{h}" for h in range(2, 24)}
    after = dict(database.rows(files, names))
    assert [before[one] == after[one] for one in names] == [True, False, False, True]
    assert list(verify(dewey_url)) == []
    merge_rollups(dewey_url)
    assert database.one("SELECT count(*) FROM logs_rollup") == 28 + 1  # and the record of it
    assert store.write(batch([maker.row(created_at_us=noon(2))])).stored == 1


def test_partitions_shorter_than_a_day_go_as_a_whole_and_sealed_ones_too(
    store, database, maker, dewey_url
):
    database.connection.execute(f"DROP TABLE {name(-1)}")
    choose(database.connection, Layout(partition_interval="6h"))
    tomorrow = noon(-1) - DAY_US // 2
    hours = [tomorrow + hour * 3_600_000_000 for hour in (1, 7, 8, 13)]
    store.write(batch([maker.row(created_at_us=us, message=str(us)) for us in hours]))
    store.write(batch([maker.row(created_at_us=noon(1), message="sealed")]))
    assert [index.startswith(name(1)) for index in seal(dewey_url).indexed] == [True, True]
    ensure(dewey_url)  # from some hour of today on, the evening of tomorrow
    until = f"{day(-1)}T12:00:00Z"
    done = store.clear(LogFilter(since=day(2), until=until), asked_by="a test")
    assert done.records == 4
    assert done.partitions == (name(1), f"{name(-1)}_00", f"{name(-1)}_06")
    assert messages(database) == {str(hours[3])}
    assert list(verify(dewey_url)) == []
    assert ensure(dewey_url) == []
    assert store.write(batch([maker.row(created_at_us=hours[1])])).stored == 1
    assert {one.name for one in partitions(dewey_url) if one.indexed} == {name(1)}


def test_everything_has_to_be_asked_for_as_such(store, database, maker, dewey_url):
    store.write(batch([maker.row(created_at_us=noon(ago)) for ago in (3, 1, -1)]))
    with pytest.raises(BadFilter, match="every record"):
        store.clear(LogFilter(), asked_by="a test")
    plan = store.plan_clear(LogFilter(), everything=True)
    assert (plan.records, plan.partitions) == (3, (name(3), name(1), name(-1)))
    assert store.clear(plan.filter, asked_by="a test", everything=True).records == 3
    assert (messages(database), told(database)) == (set(), ["cleared 3 records"])
    assert list(verify(dewey_url)) == []


def test_what_comes_into_a_day_that_is_about_to_be_emptied_stays(store, database, maker, dewey_url):
    for ago in (2, 1):
        store.write(batch(maker.rows(5, created_at_us=noon(ago), message="old")))
    same_key = maker.rows(1, created_at_us=noon(1), message="late")
    late = [*same_key, *maker.rows(3, created_at_us=noon(1) + DAY_US // 4, message="late")]

    def meanwhile() -> None:
        store.write(batch(late))
        merge_rollups(dewey_url)

    done = store.clear(LogFilter(until=day(0)), asked_by="a test", progress=once(meanwhile))
    assert (done.records, done.partitions) == (10, (name(2), name(1)))
    assert database.rows(
        "SELECT message, count(*) FROM logs WHERE component <> 'dewey' GROUP BY 1"
    ) == [("late", 4)]
    assert list(verify(dewey_url)) == []
    assert store.write(batch(late)).duplicates == 4


@pytest.mark.usefixtures("impatient")
def test_a_whole_day_that_a_reader_holds_goes_row_by_row(store, maker, dewey_url):
    store.write(batch([maker.row(created_at_us=noon(ago)) for ago in (2, 2, 1)]))
    with psycopg.connect(dewey_url) as reader:
        reader.execute("SELECT count(*) FROM logs").fetchall()
        done = store.clear(LogFilter(until=day(0)), asked_by="a test")
        assert (done.records, done.partitions) == (3, ())
        reader.execute("SET lock_timeout = '1s'")
        assert reader.execute("SELECT count(*) FROM logs").fetchone() == (1,)
    assert list(verify(dewey_url)) == []


@pytest.mark.parametrize("wanted", [LogFilter(until=day(0)), NOISE])
@pytest.mark.usefixtures("impatient")
def test_a_batch_that_commits_meanwhile_is_not_waited_for_and_stays(
    store, database, maker, dewey_url, wanted
):
    store.write(batch(maker.rows(5, created_at_us=noon(1), component="noise", message="old")))
    late = batch(maker.rows(3, created_at_us=noon(1), component="noise", message="late"))
    with open_store(dewey_url, application_name="gated") as worker:
        with gated(database, AT_COMMIT) as waits:
            writing = threading.Thread(target=worker.write, args=(late,))
            writing.start()
            eventually(waits)
            assert store.clear(wanted, asked_by="a test").records == 5
            assert messages(database) == set()
        writing.join(60)
    assert messages(database) == {"late"}
    assert list(verify(dewey_url)) == []


# -- row by row ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_steps")
def test_what_arrives_meanwhile_stays_however_old_it_says_it_is(store, database, maker, dewey_url):
    store.write(batch(maker.rows(50, component="noise", created_at_us=noon(1), message="old")))
    late = maker.rows(50, component="noise", created_at_us=noon(1), message="late")
    late += maker.rows(50, component="noise", created_at_us=noon(2), message="late")
    done = store.clear(NOISE, asked_by="a test", progress=once(lambda: store.write(batch(late))))
    assert done.records == 50
    assert database.rows(
        "SELECT message, count(*) FROM logs WHERE component = 'noise' GROUP BY 1"
    ) == [("late", 100)]
    assert list(verify(dewey_url)) == []


@pytest.mark.usefixtures("small_steps")
def test_many_that_match_after_many_that_do_not_all_go(store, database, maker, dewey_url):
    rows = [maker.row(component="noise" if i > 100 else "web") for i in range(200)]
    store.write(batch(rows))
    assert store.clear(NOISE, asked_by="a test").records == 99
    assert messages(database) == {row.message for row in rows[:101]}
    assert list(verify(dewey_url)) == []


def test_writers_go_on_beside_a_clear_and_every_count_is_right(
    store, database, dewey_url, monkeypatch
):
    monkeypatch.setattr(removal, "MOST_REMOVED", 100)
    monkeypatch.setattr(removal, "STEP_ROWS", 50)
    stop = threading.Event()
    written = [0, 0]

    def work(which: int) -> None:
        maker = Maker(which)
        with open_store(dewey_url) as own:
            while not stop.is_set() or not written[which]:
                rows = [
                    maker.row(created_at_us=noon(ago) + n, component=("noise", "web")[n % 2])
                    for ago in (0, 1)
                    for n in range(20)
                ]
                written[which] += own.write(batch(rows)).stored

    store.write(batch(Maker(9).rows(1_000, created_at_us=noon(1), component="noise")))
    threads = [threading.Thread(target=work, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    eventually(lambda: all(written))
    removed = store.clear(NOISE, asked_by="a test").records
    removed += store.clear(LogFilter(until=day(0)), asked_by="a test").records
    stop.set()
    for thread in threads:
        thread.join(60)
    assert removed >= 1_000
    assert len(database.rows("SELECT FROM logs WHERE component <> 'dewey'")) == (
        1_000 + sum(written) - removed
    )
    assert list(verify(dewey_url)) == []


def test_steps_grow_while_little_matches_and_shrink_when_time_runs_out(
    store, maker, dewey_url, monkeypatch
):
    monkeypatch.setattr(removal, "MOST_LOOKED_AT", 400)
    monkeypatch.setattr(removal, "LEAST_LOOKED_AT", 5)
    store.write(batch(maker.rows(1_000, created_at_us=noon(1))))
    stretch = removal.Stretch(name(1), MIDNIGHT - timedelta(days=1), MIDNIGHT)
    looked_at: list[int] = []
    with psycopg.connect(dewey_url, autocommit=True) as connection:

        def work(bearable: int) -> Callable[[Conditions], int]:
            def step(between: Conditions) -> int:
                query = f"SELECT count(*) FROM logs WHERE {between.where}"
                ((n,),) = connection.execute(query, between.values).fetchall()
                if n > bearable:  # as if its time ran out, and no other statement's
                    connection.execute("SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(60)")
                looked_at.append(n)
                return 0

            return step

        pace = removal._Pace(100)
        for _ in removal._walk(connection, stretch, pace, work(1_000)):
            pace.quicken()
        assert looked_at == [100, 200, 400, 300]
        looked_at.clear()
        for _ in removal._walk(connection, stretch, removal._Pace(400), work(50)):
            pass
        assert looked_at == [40] * 25 + [0]
        with pytest.raises(DeweyError, match="too long"):
            list(removal._walk(connection, stretch, removal._Pace(400), work(3)))


def test_a_row_of_long_ago_is_not_taken_for_a_new_one(database):
    began = database.one("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    for _ in range(3):
        database.one("SELECT pg_current_xact_id()")

    def is_before(xid: int) -> bool:
        query = "SELECT dewey_written_before(%s::text::xid, %s)"
        return database.one(query, str(xid % 2**32), began)

    assert [is_before(began - n) for n in (1, 300, 2**31 - 1, 2**31, 2**31 + 1)] == [True] * 5
    assert [is_before(began + n) for n in (0, 1, 2, 3)] == [False, False, False, True]


# -- cut short -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("wanted", [NOISE, LogFilter(until=day(0))])
def test_a_clear_whose_session_is_killed_is_finished_by_the_next(
    store, database, maker, dewey_url, wanted
):
    for ago in (3, 2, 1):
        store.write(batch(maker.rows(40, created_at_us=noon(ago), component="noise")))

    def kill() -> None:
        database.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'dewey-clear' AND datname = current_database()"
        )

    with pytest.raises(Unavailable):
        store.clear(wanted, asked_by="a test", progress=once(kill))
    left = database.one("SELECT count(*) FROM logs")
    assert 0 < left < 120
    assert told(database) == []
    assert list(verify(dewey_url)) == []
    assert database.rows("SELECT removed, finished, told FROM logs_cleared") == [
        (120 - left, False, False)
    ]
    assert store.clear(wanted, asked_by="a test").records == left
    assert told(database) == [
        f"cleared {120 - left} records and was cut short",
        f"cleared {left} records",
    ]
    assert messages(database) == set()
    assert list(verify(dewey_url)) == []
    assert database.one("SELECT bool_and(told) FROM logs_cleared") is True


@pytest.mark.usefixtures("small_steps")
def test_a_clear_that_is_interrupted_tells_at_once_how_far_it_came(store, database, maker):
    store.write(batch(maker.rows(40, component="noise")))

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.clear(NOISE, asked_by="a test", progress=interrupt)
    assert told(database) == ["cleared 10 records and was cut short"]
    assert store.clear(NOISE, asked_by="a test").records == 30


def test_nothing_goes_while_another_clear_or_maintenance_is_at_work(store, database, maker):
    store.write(batch(maker.rows(3, component="noise")))
    database.rows("SELECT pg_advisory_lock(hashtext('dewey'), hashtext('maintenance'))")
    with pytest.raises(DeweyError, match="at work"):
        store.clear(NOISE, asked_by="a test")
    assert store.plan_clear(NOISE).records == 3
    assert database.one("SELECT count(*) FROM logs_cleared") == 0


def test_a_writer_may_not_clear(database, maker, writer_url, reader_url):
    with open_store(writer_url, reader_url=reader_url) as store:
        store.write(batch(maker.rows(3, component="noise")))
        with pytest.raises(SchemaProblem, match="godot_writer"):
            store.clear(NOISE, asked_by="a test")
    assert database.one("SELECT count(*) FROM logs") == 3
    assert database.one("SELECT count(*) FROM logs_cleared") == 0


def test_nothing_goes_that_could_not_be_told_of(database, maker, dewey_url):
    with open_store(dewey_url) as store:
        store.write(batch(maker.rows(3, component="noise")))
    nobody = "postgresql:///x?host=/nonexistent"
    with open_store(nobody, owner_url=dewey_url) as store, pytest.raises(Unavailable):
        store.clear(NOISE, asked_by="a test")
    assert database.one("SELECT count(*) FROM logs") == 3


# -- afterwards ------------------------------------------------------------------------------------


def test_a_record_tells_of_the_clear_and_is_counted_like_any_other(
    store, database, maker, dewey_url
):
    store.write(batch(maker.rows(1_234, component="noise", created_at_us=noon(1))))
    wanted = LogFilter(component=("noise",), until=day(0), data={"i": 7})
    store.clear(wanted, asked_by="somebody")
    done = store.clear(LogFilter(until=day(0)), asked_by="somebody on a host")
    found = database.rows(
        "SELECT id::text, level::text, message, data FROM logs WHERE component = 'dewey'"
        " ORDER BY created_at"
    )
    assert found[1] == (
        done.id,
        "WARN",
        "cleared 1,233 records",
        {
            "filter": {"until": f"{day(0)}T00:00:00.000000Z"},
            "records": 1_233,
            "partitions": [name(1)],
            "asked_by": "somebody on a host",
            "finished": True,
        },
    )
    assert found[0][2:] == (
        "cleared 1 records",
        {
            "filter": {
                "component": ["noise"],
                "until": f"{day(0)}T00:00:00.000000Z",
                "data": {"i": 7},
            },
            "records": 1,
            "partitions": [],
            "asked_by": "somebody",
            "finished": True,
        },
    )
    assert list(verify(dewey_url)) == []


def test_a_replay_brings_nothing_back_and_the_numbers_stay_stored(store, database, maker):
    rows = maker.rows(20, component="noise")
    store.write(batch(rows))
    store.clear(NOISE, asked_by="a test")
    result = store.write(batch(rows, maybe_known=True, heed_clears=True))
    assert (result.stored, result.cleared) == (0, 20)
    assert messages(database) == set()
    assert database.ledger()[77, "stored"] == set(range(1, 21))


def test_a_replay_that_looked_before_the_clear_began_brings_nothing_back(
    store, database, maker, dewey_url
):
    rows = maker.rows(20, component="noise")
    store.write(batch(rows))
    results = []
    with open_store(dewey_url, application_name="gated") as replaying:
        with gated(database, BEFORE_ROWS) as waits:
            again = batch(rows, maybe_known=True, heed_clears=True)
            thread = threading.Thread(target=lambda: results.append(replaying.write(again)))
            thread.start()
            eventually(waits)
            assert store.clear(NOISE, asked_by="a test").records == 20
        thread.join(60)
    assert [(result.stored, result.cleared) for result in results] == [(0, 20)]
    assert messages(database) == set()


def test_a_moved_record_that_is_sent_again_after_a_clear_does_not_come_back(
    store, database, maker, dewey_url
):
    original = maker.row(created_at_us=maker.now_us - 30 * DAY_US, component="noise")
    store.write(batch([maker.moved(original, maker.now_us)]))
    assert store.clear(NOISE, asked_by="a test").records == 1
    resent = maker.moved(original, maker.now_us + 5_000_000)
    assert store.write(batch([resent])).duplicates == 1
    assert messages(database) == set()
    assert list(verify(dewey_url)) == []


# -- refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (LogFilter(regex="(("), "regular expression"),
        (LogFilter(component=("absent",), regex="a{2,1}"), "regular expression"),
        (LogFilter(component=("noise",), limit=10), "limit"),
        (LogFilter(component=("noise",), cursor="abc"), "cursor"),
        (LogFilter(component=("noise",), order="asc"), "order"),
        (LogFilter(since="1h", until="2h"), "not before"),
        (LogFilter(contains=""), "empty"),
        (LogFilter(level="LOUD"), "does not exist"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_before_anything_is_kept(
    store, database, wanted, words
):
    for ask in (store.plan_clear, lambda wanted: store.clear(wanted, asked_by="a test")):
        with pytest.raises(BadFilter, match=words) as caught:
            ask(wanted)
        assert "\n" not in str(caught.value)
    assert database.one("SELECT count(*) FROM logs_cleared") == 0


def test_a_filter_and_everything_together_are_refused(store):
    with pytest.raises(BadFilter, match="contradict"):
        store.plan_clear(NOISE, everything=True)
