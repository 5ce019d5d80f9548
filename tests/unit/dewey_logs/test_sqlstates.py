"""What each error of PostgreSQL means; the table is the design, so the test spells it out again."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from dewey_logs import SchemaProblem, Unavailable, Unreachable
from dewey_logs.errors import LoginRefused
from dewey_logs.logins import OWNER, READER, WRITER
from dewey_logs.sqlstates import Verdict, translated, translated_connect, verdict, verdict_on

OUTAGES = """
    08000 08006 25006 40001 40P01 53100 53200 53300 55P03 55006 57014 57P01 57P03 58030 XX000 XX001
"""
ROWS = "21000 22001 22003 22008 22021 22P02 22P05 23502 23503 54000 54001"
SCHEMA = "28P01 28000 3D000 3F000 42P01 42501 42883 42804 0A000"
# transaction control, cursors, PL/pgSQL, foreign data: no statement of ours can raise them
NOT_OURS = "02 03 09 0B 0F 0L 0P 0Z 10 20 24 26 27 2B 2D 2F 34 38 39 3B 44 HV P0"


@pytest.mark.parametrize("sqlstate", OUTAGES.split())
def test_outages_keep_the_batch(sqlstate):
    assert verdict(sqlstate) is Verdict.OUTAGE


@pytest.mark.parametrize("sqlstate", ROWS.split())
def test_bad_rows_are_isolated(sqlstate):
    assert verdict(sqlstate) is Verdict.ROW


@pytest.mark.parametrize("sqlstate", SCHEMA.split())
def test_an_unusable_database_is_for_a_person(sqlstate):
    assert verdict(sqlstate) is Verdict.SCHEMA


def test_a_known_row_takes_the_staging_path():
    assert verdict("23505", "logs_created_at_id_key") is Verdict.KNOWN


def test_a_missing_day_is_told_from_a_check_that_a_row_breaks():
    assert verdict("23514", None) is Verdict.MISSING_DAY
    assert verdict("23514", "logs_trace_id_length") is Verdict.ROW


@pytest.mark.parametrize("sqlstate", ["P0001", "HV000", "ZZ999", "39000"])
def test_what_nobody_has_classified_is_an_outage_and_said_loudly(sqlstate):
    assert verdict(sqlstate) is Verdict.UNKNOWN
    error = type("Odd", (psycopg.Error,), {"sqlstate": sqlstate})("odd")
    found = translated(error)
    assert isinstance(found, Unavailable)
    assert "nobody has classified" in str(found)
    assert sqlstate in str(found)


def test_no_sqlstate_is_a_lost_connection_unless_psycopg_refuses_the_value():
    assert verdict(None) is Verdict.OUTAGE
    assert verdict_on(psycopg.OperationalError("server closed the connection")) is Verdict.OUTAGE
    assert verdict_on(psycopg.DataError("cannot contain NUL (0x00) bytes")) is Verdict.ROW


def test_every_class_that_psycopg_knows_has_been_thought_of_or_is_an_outage():
    classes = {state[:2] for state in errors._sqlcodes if len(state) == 5}
    unnamed = {state for state in classes if verdict(state + "000") is Verdict.UNKNOWN}
    assert unnamed <= set(NOT_OURS.split())


def test_messages_are_one_line_and_say_what_to_do():
    error = errors.UndefinedTable('relation "logs" does not exist\nLINE 1: COPY logs')
    found = translated(error)
    assert isinstance(found, SchemaProblem)
    assert str(found).endswith("[42P01]; run `dewey migrate`")
    assert "\n" not in str(found)


@pytest.mark.parametrize(
    ("login", "setting", "remedy"),
    [
        (WRITER, "DEWEY_URL", "GRANT dewey_writer TO app"),
        (READER, "DEWEY_READER_URL", "GRANT dewey_reader TO app"),
        (OWNER, "DEWEY_OWNER_URL", "GRANT dewey_owner TO app"),
    ],
)
def test_a_right_that_is_missing_names_login_setting_and_remedy(login, setting, remedy):
    said = str(translated(errors.InsufficientPrivilege("permission denied for x"), login, "app"))
    assert said.startswith(f"app, who logs in by {setting}")
    assert "permission denied for x [42501]" in said
    assert said.endswith(remedy)
    error = errors.InsufficientPrivilege("permission denied for x")
    assert str(translated(error, login, "my app")).endswith(remedy.replace("app", '"my app"'))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('FATAL:  password authentication failed for user "x"', LoginRefused),
        ('FATAL:  role "x" does not exist', LoginRefused),
        ('FATAL:  database "x" does not exist', LoginRefused),
        ('FATAL:  permission denied for database "x"', LoginRefused),
        ("fe_sendauth: no password supplied", LoginRefused),
        ("FATAL:  sorry, too many clients already", Unavailable),
        ("FATAL:  the database system is starting up", Unavailable),
        ("Connection refused\n\tIs the server running?", Unreachable),
        ("", Unreachable),
    ],
)
def test_a_login_that_can_never_work_is_told_from_a_server_that_is_away(text, kind):
    found = translated_connect(
        psycopg.OperationalError(f"connection to server at 1.2.3.4 failed: {text}" if text else "")
    )
    assert type(found) is kind
    assert "\n" not in str(found)
