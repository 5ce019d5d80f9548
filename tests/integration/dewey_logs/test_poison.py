"""A row that cannot be stored never costs its neighbours anything."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dewey_logs import Source, open_store
from tests.integration.dewey_logs.conftest import DAY_US, Maker, batch, reject

POISON: dict[str, tuple[dict[str, Any], str | None, str]] = {
    "NUL in the message": ({"message": "a\x00b"}, "22021", "0x00"),
    "NUL in the component": ({"component": "a\x00b"}, "22021", "0x00"),
    "NUL escape in data": ({"data": b'{"a":"x\\u0000y"}'}, "22P05", "\\u0000"),
    "a number beyond numeric": ({"data": b'{"a":1e400000}'}, "22003", "numeric"),
    "broken JSON": ({"data": b'{"a":'}, "22P02", "json"),
    "invalid UTF-8 in data": ({"data": b'{"a":"\xff"}'}, "22021", "UTF8"),
    "data that is no object": ({"data": b"[1]"}, "23514", "data is not a JSON object"),
    "data nested too deep": (
        {"data": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"},
        "54001",
        "depth",
    ),
    "a trace id too long": ({"trace_id": "t" * 129}, "23514", "trace_id is longer than 128"),
    "a trace id beyond the index": ({"trace_id": "t" * 9_000}, "23514", "trace_id is longer"),
    "an empty component": ({"component": ""}, "23514", "component is empty"),
    "a lone surrogate": ({"message": "\ud800"}, None, "surrogates"),
    "an unknown level": ({"level": "LOUD"}, None, "LOUD"),
    "the year 300000": ({"created_at_us": 9_403_675_632_000_000_000}, None, "years 1 to 9999"),
    "the day after tomorrow's year": ({"created_at_us": 4_000_000_000_000_000}, "23514", "too far"),
}


@pytest.mark.parametrize(
    ("poison", "maybe_known"),
    [
        *((name, False) for name in POISON),
        ("NUL escape in data", True),
        ("a trace id too long", True),
        ("a lone surrogate", True),
    ],
)
def test_poison_among_a_thousand_stores_999_and_one_dead_letter(
    store, database, maker, poison, maybe_known
):
    changes, sqlstate, words = POISON[poison]
    raw = (b"message", b"\x00\xffraw", b"data", b"{")
    rows = maker.rows(1_000)
    bad = msgspec.structs.replace(
        rows[500], **changes, source=msgspec.structs.replace(rows[500].source, raw=raw)
    )
    rows[500] = bad
    result = store.write(batch(rows, maybe_known=maybe_known))
    assert (result.stored, result.duplicates, len(result.rejects)) == (999, 0, 1)
    [letter] = result.rejects
    assert (letter.id, letter.sqlstate) == (bad.id, sqlstate)
    assert words in letter.reason
    assert database.rows("SELECT field_names, field_values, reason FROM logs_rejected") == [
        ([b"message", b"data"], [b"\x00\xffraw", b"{"], letter.reason)
    ]
    assert database.one("SELECT count(*) FROM logs") == 999
    assert database.ledger() == {
        (77, "stored"): set(range(1, 1_001)) - {501},
        (77, "rejected"): {501},
    }


def test_an_id_that_is_no_id_is_the_callers_mistake(store, database, maker):
    with pytest.raises(ValueError, match="15 bytes instead of 16"):
        store.write(batch([maker.row(id=b"x" * 15)]))
    assert store.write(batch([maker.row()])).stored == 1


def test_poison_sent_again_after_its_neighbours_is_rejected_again_and_kept_once(
    store, database, maker
):
    rows = maker.rows(10)
    rows[3] = msgspec.structs.replace(rows[3], message="\x00")
    first, second = store.write(batch(rows)), store.write(batch(rows))
    assert (first.stored, first.duplicates, len(first.rejects)) == (9, 0, 1)
    assert (second.stored, second.duplicates, len(second.rejects)) == (0, 9, 1)
    assert database.one("SELECT count(*) FROM logs_rejected") == 1


def test_a_batch_of_nothing_but_poison_is_all_dead_letters(store, database, maker):
    result = store.write(batch(maker.rows(300, message="\x00")))
    assert (result.stored, len(result.rejects)) == (0, 300)
    assert database.one("SELECT count(*) FROM logs") == 0
    assert database.one("SELECT count(*) FROM logs_rejected") == 300


def test_the_writer_goes_on_with_the_same_connection_after_poison(store, maker):
    store.write(batch(maker.rows(3)))
    before = store._writer._connection
    store.write(batch(maker.rows(3, message="\x00")))
    assert store.write(batch(maker.rows(3))).stored == 3
    assert store._writer._connection is before


def test_poison_a_missing_day_and_a_known_row_in_one_batch(store, database, maker):
    known = maker.row()
    store.write(batch([known]))
    rows = [
        maker.row(message="\x00"),
        known,
        maker.row(created_at_us=maker.now_us + 15 * DAY_US),
        *maker.rows(20),
        maker.row(trace_id="t" * 500, created_at_us=maker.now_us + 16 * DAY_US),
    ]
    result = store.write(batch(rows))
    assert (result.stored, result.duplicates, len(result.rejects)) == (21, 1, 2)
    assert database.one("SELECT count(*) FROM logs") == 22


@pytest.mark.parametrize("again", [False, True])
def test_an_entry_id_beyond_all_time_is_one_dead_letter_beside_a_missing_day(
    store, database, maker, again
):
    ms = 9_300_000_000_000_000  # XADD takes any number below 2^64, and the row is moved there
    far = Source(f"{ms}-0", (b"message", b"far"))
    rows = [
        *maker.rows(5),
        maker.row(created_at_us=ms * 1_000, moved=True, source=far),
        maker.row(source=far),
        maker.row(created_at_us=maker.now_us + 20 * DAY_US),
    ]
    result = store.write(batch(rows, maybe_known=again, heed_clears=again))
    assert (result.stored, [letter.id for letter in result.rejects]) == (7, [rows[5].id])
    assert "years 1 to 9999" in result.rejects[0].reason
    assert database.rows("SELECT entry FROM logs_rejected") == [(far.entry,)]
    alone = [maker.row(source=far)]
    assert store.write(batch(alone, heed_clears=True)).stored == 1


TRIGGER = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'not in this house' USING ERRCODE = '{state}'{named}; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON logs FOR EACH ROW WHEN (NEW.message = 'unwelcome')
EXECUTE FUNCTION refuse()
"""
# beside our key, with a name that is no constraint's
INDEX = "CREATE UNIQUE INDEX one_a_time ON logs (created_at, message) WHERE message = 'unwelcome'"

THEIR_RULES: dict[str, tuple[str, str, str]] = {
    "a check without a name": (TRIGGER.format(state="23514", named=""), "23514", "this house"),
    "a check with a name": (
        TRIGGER.format(state="23514", named=", CONSTRAINT = 'manners'"),
        "23514",
        "not in this house (manners)",
    ),
    "a key": (TRIGGER.format(state="23505", named=""), "23505", "not in this house"),
    "an index": (INDEX, "23505", "created_at_message_idx"),
}


@pytest.mark.parametrize("maybe_known", [False, True])
@pytest.mark.parametrize("rule", THEIR_RULES)
def test_a_rule_that_a_user_added_refuses_its_own_rows_alone(
    store, database, maker, rule, maybe_known
):
    """Such an error looks like a missing day or a known row, and would hold the batch for ever."""
    command, sqlstate, words = THEIR_RULES[rule]
    database.connection.execute(command)
    at = maker.now_us + 20 * DAY_US  # a day that is missing, too
    known = maker.row(message="unwelcome" if command is INDEX else "hello", created_at_us=at)
    assert store.write(batch([known])).stored == 1
    bad = maker.rows(5, message="unwelcome", created_at_us=at)
    rows = [*maker.rows(25), *bad, known, *maker.rows(25, created_at_us=at + DAY_US)]
    result = store.write(batch(rows, maybe_known=maybe_known))
    assert (result.stored, result.duplicates) == (50, 1)
    assert {letter.id for letter in result.rejects} == {row.id for row in bad}
    assert {letter.sqlstate for letter in result.rejects} == {sqlstate}
    assert all(words in letter.reason for letter in result.rejects)
    assert store.write(batch(maker.rows(3))).stored == 3


SILENT = """
CREATE FUNCTION overlook() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER overlook BEFORE INSERT ON logs FOR EACH ROW WHEN (NEW.level = 'TRACE')
EXECUTE FUNCTION overlook()
"""


@pytest.mark.parametrize("maybe_known", [False, True])
@pytest.mark.parametrize("broken", [False, True])
def test_a_row_that_a_users_trigger_passes_over_in_silence_is_a_dead_letter_not_stored(
    store, database, maker, maybe_known, broken
):
    """PostgreSQL reports success: only the number of rows, or the ids it returns, tells."""
    known = maker.row(level="TRACE", created_at_us=maker.now_us)
    assert store.write(batch([known])).stored == 1
    database.connection.execute(SILENT)
    hidden = maker.rows(3, level="TRACE")
    good = maker.rows(20)
    poison = maker.rows(1, message="\x00") if broken else []
    rows = [*good[:10], *hidden, known, *poison, *good[10:]]
    result = store.write(batch(rows, maybe_known=maybe_known))
    assert (result.stored, result.duplicates) == (20, 1)
    silent = [letter for letter in result.rejects if "trigger" in letter.reason]
    assert {letter.id for letter in silent} == {row.id for row in hidden}
    assert len(result.rejects) == 3 + len(poison)
    assert set(database.stored_ids()) == {row.id for row in (known, *good)}
    refused = {row.sequence for row in (*hidden, *poison)}
    assert database.ledger() == {
        (77, "stored"): {row.sequence for row in (known, *good)},
        (77, "rejected"): refused,
    }


def test_known_rows_wait_for_no_lock_on_another_day(store, database, maker):
    """Rows that were not inserted are looked for, and only where they would stand."""
    rows = maker.rows(3)
    store.write(batch(rows))
    store.write(batch(maker.rows(3, created_at_us=maker.now_us + 2 * DAY_US)))
    [other] = database.rows(
        "SELECT tableoid::regclass::text FROM logs ORDER BY created_at DESC LIMIT 1"
    )
    for _ in range(12):  # more often than a statement is planned anew by itself
        assert store.write(batch(rows, maybe_known=True)).duplicates == 3
    with database.connection.transaction():
        database.connection.execute(f"LOCK TABLE {other[0]} IN ACCESS EXCLUSIVE MODE")
        assert store.write(batch(rows, maybe_known=True)).duplicates == 3


def test_a_moved_row_that_a_users_trigger_passes_over_is_a_dead_letter_too(store, database, maker):
    """Its probe is passed over as well, and would look like the other copy."""
    known = maker.row(created_at_us=maker.now_us)
    assert store.write(batch([known])).stored == 1
    database.connection.execute(SILENT)
    hidden = maker.moved(maker.row(level="TRACE"), maker.now_us - 1_000_000)
    shown = maker.moved(maker.row(), maker.now_us - 1_000_000)
    again = maker.moved(known, maker.now_us - 1_000_000)
    result = store.write(batch([hidden, shown, again]))
    assert (result.stored, result.duplicates) == (1, 1)
    assert [letter.id for letter in result.rejects] == [hidden.id]
    assert set(database.stored_ids()) == {known.id, shown.id}
    database.connection.execute("DROP TRIGGER overlook ON logs")
    assert store.write(batch([hidden], maybe_known=True)).stored == 1  # nothing says it is known


@pytest.mark.parametrize("count", [-(2**63), 2**31, 2**63 - 1])
def test_no_delivery_count_keeps_a_dead_letter_out(store, database, count):
    source = Source("1-1", (b"component", b"x"), count)
    result = store.write(batch([], rejects=(reject(bytes(16), source=source),)))
    assert len(result.rejects) == 1
    assert abs(database.one("SELECT deliveries FROM logs_rejected")) == 2**31 - 1


KEPT_OUT = """
CREATE FUNCTION overlook() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER overlook BEFORE INSERT ON logs_rejected FOR EACH ROW WHEN (NEW.sequence % 2 = 0)
EXECUTE FUNCTION overlook()
"""


def test_a_dead_letter_that_a_users_trigger_keeps_out_is_told_as_lost(store, database, maker):
    known, first, other, second = (maker.row(message="\x00") for _ in range(4))  # numbers 1 to 4
    database.connection.execute(KEPT_OUT)
    assert len(store.write(batch([known])).rejects) == 1
    good = maker.rows(20)
    result = store.write(batch([known, first, other, second, *good], maybe_known=True))
    assert result.stored == 20
    told = {letter.sequence: letter.reason.startswith("lost, because") for letter in result.rejects}
    assert told == {1: False, 2: True, 3: False, 4: True}
    assert database.ledger() == {
        (77, "stored"): {row.sequence for row in good},
        (77, "rejected"): {1, 3},
        (77, "unkept"): {2, 4},
    }
    database.connection.execute("DROP TRIGGER overlook ON logs_rejected")
    (again,) = store.write(batch([first], maybe_known=True)).rejects
    assert not again.reason.startswith("lost")


KINDS = ("good", "good", "good", "known", "poison", "twin")


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    kinds=st.lists(st.sampled_from(KINDS), max_size=40),
    maybe_known=st.booleans(),
)
def test_any_mixture_is_accounted_for_row_by_row(dewey_url, database, kinds, maybe_known):
    database.connection.execute("TRUNCATE logs, logs_rejected, logs_ledger")
    maker = Maker()
    with open_store(dewey_url) as store:
        known = maker.rows(5)
        store.write(batch(known))
        rows = []
        for i, kind in enumerate(kinds):
            if kind == "known":
                rows.append(known[i % 5])
            elif kind == "twin" and rows:
                rows.append(rows[i // 2])
            else:
                rows.append(maker.row(**({"message": "\x00"} if kind == "poison" else {})))
        result = store.write(batch(rows, maybe_known=maybe_known))
    poison = {row.id for row in rows if row.message == "\x00"}
    good = {row.id for row in rows} - poison
    assert set(database.stored_ids()) == good | {row.id for row in known}
    assert {letter.id for letter in result.rejects} == poison
    assert result.stored + result.duplicates + len(poison) == len(rows)
    assert result.stored == len(good - {row.id for row in known})
