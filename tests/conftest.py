"""Real servers for every test: one Valkey and one PostgreSQL a session, a stream and database each.

Their folders (folders.py) have short paths that everyone may enter, because PostgreSQL runs as
`nobody` when the tests run as root, and because the path of a unix socket is short.
"""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from dewey_logs.migrations import migrate
from godot.embedded.plan import LOGINS, READER, WRITER
from godot.embedded.postgres import Postgres
from godot.embedded.valkey import Valkey
from godot.settings import Settings, load
from tests import folders

# a busy machine is no finding
hypothesis_settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("untimed")

# a shell's background jobs ignore Ctrl-C, and so would every program started here
signal.signal(signal.SIGINT, signal.default_int_handler)

for name in list(os.environ):  # a developer's own settings must not reach the tests
    if name.startswith(("GODOT_", "DEWEY_", "LOG_", "LOGGING_", "PG")):
        del os.environ[name]


# A file is one process's work. Begun last, one of these would leave the others nothing to do.
LONGEST = (
    *("clientlib/test_life", "test_readme", "dewey_logs/test_filters_property"),
    *("embedded/test_up", "embedded/test_stack", "dewey_logs/test_upgrades"),
    *("worker/test_set_back", "worker/test_full_redis", "worker/test_outage"),
    *("dewey_logs/test_grants", "dewey_logs/test_search", "cli/test_tail"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, and end with the small files, which wait for no server."""

    def turn(item: pytest.Item) -> tuple[bool, int]:
        file = item.nodeid.partition(".py")[0].removeprefix("tests/integration/")
        place = LONGEST.index(file) if file in LONGEST else len(LONGEST)
        return file.startswith("tests/unit"), place

    items.sort(key=turn)


# What an answer leaves out, or only begins, once so much time is over; tests of that set their own.
UNHURRIED = {
    "dewey_logs.clearing.COUNT_S": 60.0,
    "dewey_logs.comparison.SAMPLES_TIMEOUT_MS": 60_000,
    "dewey_logs.pattern_counts.describe.__defaults__": (60_000,),
    "dewey_logs.query.REGEX_TIMEOUT_MS": 60_000,
    "dewey_logs.search.BUDGET_S": 60.0,
    "dewey_logs.tools.advice.PATIENCE_S": 60.0,
    "dewey_logs.traces.ERROR_TIMEOUT_MS": 60_000,
    "dewey_logs.walks.COUNT_TIMEOUT_MS": 60_000,
}


@pytest.fixture(scope="session", autouse=True)
def _unhurried() -> Iterator[None]:
    """A busy machine is no reason to say less."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in UNHURRIED.items():
            patch.setattr(name, value)
        yield


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    with folders.server_folder() as folder:
        folder.chmod(0o711)
        os.environ["GODOT_DATA_DIR"] = str(folder / "nothing-runs-here")
        yield folder


@pytest.fixture(scope="session")
def valkey_server(server_folder: Path) -> Iterator[Valkey]:
    server = Valkey(server_folder / "valkey")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_server(server_folder: Path) -> Iterator[Postgres]:
    server = Postgres(server_folder / "postgres", options=("fsync=on", "shared_buffers=64MB"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(valkey_server: Valkey) -> str:
    """The session's server; use `stream_name` so that no test sees another's records."""
    return valkey_server.url


@pytest.fixture
def stream_name() -> str:
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def _template(postgres_server: Postgres) -> str:
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE dewey_template")
    migrate(postgres_server.url("dewey_template"))
    for login, role in LOGINS.items():
        postgres_server.create_login(login, role)
    return "dewey_template"


@contextmanager
def copied(server: Postgres, template: str) -> Iterator[str]:
    """Copy a database in a few milliseconds, give its owner's address, drop it in the end."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        yield server.url(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def named(url: str) -> str:
    """Return the name of the database at an address."""
    return url.partition("?")[0].rpartition("/")[2]


@pytest.fixture
def template(_template: str) -> str:
    """The database that each test's own is a copy of: empty, unless a file has one that is not."""
    return _template


@pytest.fixture
def dewey_url(postgres_server: Postgres, template: str) -> Iterator[str]:
    """A migrated database of the test's own; the address is its owner's."""
    with copied(postgres_server, template) as url:
        yield url


def logged_in(url: str, login: str) -> str:
    """Return the address of the same database for another login; see `writer_url`."""
    return url.replace("user=godot", f"user={login}")


@pytest.fixture
def writer_url(dewey_url: str) -> str:
    """The test's database for a login that may only do what a worker does."""
    return logged_in(dewey_url, WRITER)


@pytest.fixture
def reader_url(dewey_url: str) -> str:
    """The test's database for a login that may only read."""
    return logged_in(dewey_url, READER)


@pytest.fixture
def settings(redis_url: str, stream_name: str, dewey_url: str, tmp_path: Path) -> Settings:
    """Settings of a system of the test's own: stream, database and an empty data folder."""
    return load(
        {
            "GODOT_REDIS_URL": redis_url,
            "DEWEY_URL": dewey_url,
            "GODOT_STREAM": stream_name,
            "GODOT_DATA_DIR": str(tmp_path),
            "GODOT_METRICS_PORT": "0",
            "GODOT_RECLAIM_IDLE_MS": "5000",  # by which the store's time for a statement goes, too
            "GODOT_STOP_TIMEOUT_S": "3",
        }
    )
