from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

import godot
from dewey_logs.cli import dewey
from dewey_logs.settings import Reader
from godot.embedded.postgres import Postgres

DONE = "made 0, dropped {} partitions; 0 rows merged; 0 indexes built, 0 partitions vacuumed\n"


def _run(*arguments: str, **env: str) -> tuple[int, str, str]:
    result = CliRunner(env=env).invoke(dewey, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_the_version_is_the_package_s() -> None:
    assert _run("--version") == (0, f"dewey {godot.__version__}\n", "")


def test_migrating_a_database_that_is_up_to_date_changes_nothing(dewey_url: str) -> None:
    assert _run("migrate", DEWEY_URL=dewey_url) == (0, "", "nothing to do\n")
    assert _run("migrate", "--check", DEWEY_URL=dewey_url) == (0, "", "up to date\n")


def test_the_owners_login_does_what_changes_the_schema(dewey_url: str) -> None:
    env = {"DEWEY_URL": "postgresql://127.0.0.1:1/none", "DEWEY_OWNER_URL": dewey_url}
    assert _run("migrate", **env)[0] == 0


def test_days_are_listed_in_every_form(dewey_url: str) -> None:
    code, out, _ = _run("partitions", "-o", "json", DEWEY_URL=dewey_url)
    items = json.loads(out)["items"]
    assert code == 0
    assert len(items) == 11  # a week back, today, three ahead
    assert items[0]["partition"].startswith("logs_2")
    assert items[0]["bytes"] > 0
    plain = _run("partitions", DEWEY_URL=dewey_url)[1].splitlines()  # not a terminal: tabs
    assert [line.split("\t")[0] for line in plain] == [item["partition"] for item in items]
    lines = _run("partitions", "-o", "jsonl", DEWEY_URL=dewey_url)[1].splitlines()
    assert [json.loads(line) for line in lines] == items
    table = list(
        csv.DictReader(_run("partitions", "-o", "csv", DEWEY_URL=dewey_url)[1].splitlines())
    )
    assert [int(row["bytes"]) for row in table] == [item["bytes"] for item in items]
    text = _run("partitions", "-o", "text", DEWEY_URL=dewey_url)[1].splitlines()
    assert text[0].split() == ["PARTITION", "ESTIMATED-ROWS", "BYTES", "INDEX-BYTES", "INDEXED"]


def test_maintenance_drops_what_retention_says_and_tells_it(dewey_url: str) -> None:
    code, out, err = _run("maintain", "--once", DEWEY_URL=dewey_url, LOG_RETENTION_DAYS="3")
    assert code == 0
    dropped = [line.split("\t") for line in out.splitlines()]
    assert {verb for verb, _ in dropped} == {"dropped"}
    assert err == DONE.format(len(dropped))
    again = _run("maintain", "--once", DEWEY_URL=dewey_url, LOG_RETENTION_DAYS="3")
    assert again == (0, "", DONE.format(0))


def test_maintenance_goes_on_and_tells_of_it_until_it_is_told_to_stop(
    dewey_url: str, tmp_path: Path
) -> None:
    here = {"GODOT_DATA_DIR": str(tmp_path), "GODOT_METRICS_PORT": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "dewey_logs", "maintain"],
        env={**os.environ, **here, "DEWEY_URL": dewey_url},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.readline() == DONE.format(0)
        said = json.loads((tmp_path / "run" / f"dewey-{process.pid}.json").read_bytes())
        succeeded = 0.0
        while not succeeded:  # it is noted just after the line
            with urllib.request.urlopen(said["metrics_url"]) as answer:
                (value,) = re.findall(
                    rb"^godot_retention_last_success_timestamp_seconds (\S+)$",
                    answer.read(),
                    re.MULTILINE,
                )
            succeeded = float(value)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_the_url_of_a_stack_that_runs_here_needs_no_variable(
    tmp_path: Path, dewey_url: str
) -> None:
    (tmp_path / "endpoint.json").write_text(json.dumps({"dewey_url": dewey_url}))
    assert _run("migrate", GODOT_DATA_DIR=str(tmp_path))[0] == 0


def test_a_running_stack_is_the_owners_and_the_readers_too_unless_another_store_is_given(
    tmp_path: Path,
) -> None:
    announced = {
        "dewey_url": "postgresql:///a",
        "dewey_reader_url": "postgresql:///b",
        "dewey_owner_url": "postgresql:///c",
    }
    (tmp_path / "endpoint.json").write_text(json.dumps(announced))

    def urls(**env: str) -> tuple[str | None, ...]:
        read = Reader({"GODOT_DATA_DIR": str(tmp_path), **env})
        return read.store_url(), read.reader_url(), read.owner_url()

    assert urls() == ("postgresql:///a", "postgresql:///b", "postgresql:///c")
    assert urls(DEWEY_URL="postgresql:///d") == ("postgresql:///d", None, "postgresql:///d")
    assert urls(DEWEY_OWNER_URL="postgresql:///d")[2] == "postgresql:///d"


def test_what_migrating_could_not_do_is_a_line_for_each_thing(
    postgres_server: Postgres,
    dewey_url: str,  # by which the roles are there already
) -> None:
    name = "t_of_a_keeper"
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute("CREATE ROLE keeper LOGIN")
        connection.execute(f"CREATE DATABASE {name} OWNER keeper")
        try:
            code, out, err = _run("migrate", DEWEY_OWNER_URL=postgres_server.url(name, "keeper"))
        finally:
            connection.execute(f"DROP DATABASE {name}")
            connection.execute("DROP ROLE keeper")
    assert code == 0
    assert out.startswith("0001_start\n")
    note, applied = err.splitlines()
    assert note == (
        "note: keeper may not hand over to dewey_owner: only keeper can migrate and maintain"
    )
    assert re.fullmatch(r"applied \d+", applied)


def test_a_secret_may_stand_in_a_file(tmp_path: Path, dewey_url: str) -> None:
    secret = tmp_path / "url"
    secret.write_text(f"{dewey_url}\n")
    assert _run("migrate", DEWEY_URL_FILE=str(secret))[0] == 0
    code, _, err = _run("migrate", DEWEY_URL_FILE=str(tmp_path / "none"))
    assert code == 2
    assert err.startswith(f"error: DEWEY_URL_FILE={tmp_path / 'none'}: cannot be read (")


@pytest.mark.parametrize(
    ("env", "complaint"),
    [
        ({"LOG_RETENTION_DAYS": "0"}, "LOG_RETENTION_DAYS='0' is not usable: allowed is 1 to 3650"),
        ({"LOG_SEARCH_INDEX": "x"}, "LOG_SEARCH_INDEX='x' is not usable: allowed is live, sealed"),
        ({"LOG_PARTITION_INTERVAL": "5h"}, "LOG_PARTITION_INTERVAL='5h' is not usable: allowed is"),
        ({"LOG_RETENTION_DAYS": "x"}, "LOG_RETENTION_DAYS='x' is not usable: allowed is 1 to 3650"),
        ({"DEWEY_URL": ""}, "DEWEY_URL is not set and no stack runs here"),
    ],
)
def test_a_wrong_setting_is_one_line_and_a_usage_error(
    env: dict[str, str], complaint: str, tmp_path: Path
) -> None:
    given = {"DEWEY_URL": "postgresql:///x", "GODOT_DATA_DIR": str(tmp_path), **env}
    code, out, err = _run("maintain", "--once", **given)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {complaint}")
    assert err.count("\n") == 1


def test_tools_that_do_not_exist_are_a_usage_error(dewey_url: str) -> None:
    code, out, err = _run("serve", "--toolset", "serch", DEWEY_URL=dewey_url)
    assert (code, out) == (2, "")
    assert "'serch' does not exist: allowed are search, insight, write, admin" in err


def test_a_server_that_is_away_has_an_exit_code_of_its_own() -> None:
    code, _, err = _run("migrate", DEWEY_URL="postgresql://127.0.0.1:1/none")
    assert code == 3
    assert err.startswith("error: PostgreSQL cannot be reached")


def test_a_database_without_a_schema_names_the_command_that_makes_it(
    postgres_server: Postgres,
) -> None:
    code, _, err = _run("partitions", DEWEY_URL=postgres_server.url())
    assert code == 1
    assert err.endswith("; run `dewey migrate`\n")


def test_help_does_not_wait_for_the_server() -> None:
    program = (
        "import sys\n"
        "from dewey_logs.cli import dewey\n"
        "dewey(['--help'], standalone_mode=False)\n"
        "sys.exit(', '.join({'mcp', 'anyio', 'prometheus_client'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == "\n"
