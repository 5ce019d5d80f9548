"""Every way between programs and servers with TLS, and what must not be taken for the server.

The embedded Valkey and the wheel's PostgreSQL are built without TLS. So Valkey stands behind a
proxy that speaks it, which is the same to a client, and PostgreSQL is the one of the system, where
there is one. Certificates are made here, for names and by an authority that nobody else knows.
"""

from __future__ import annotations

import http.client
import os
import pwd
import random
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import psycopg
import pytest

from clientlib import ICCMLogger
from dewey_logs import DeweyError, SchemaProblem, open_store
from dewey_logs.migrations import migrate
from godot.embedded.plan import LOGINS, WRITER
from godot.embedded.postgres import Postgres
from godot.embedded.valkey import Valkey
from godot.errors import StreamUnavailable
from godot.settings import Settings
from godot.stream import snapshot
from tests import deweys
from tests.certificates import Authority, Certificate, Terminator
from tests.integration.dewey_logs.servers import installations
from tests.integration.worker.conftest import Bench, eventually

DEBIAN = Path("/usr/lib/postgresql")


@pytest.fixture(scope="module")
def ours(server_folder: Path) -> Authority:
    return Authority(server_folder / "our-authority")


@pytest.fixture(scope="module")
def strangers(server_folder: Path) -> Authority:
    return Authority(server_folder / "strange-authority")


@pytest.fixture(scope="module")
def localhost(ours: Authority) -> Certificate:
    return ours.vouch("localhost")


@pytest.fixture(scope="module")
def secure_redis(valkey_server: Valkey, localhost: Certificate) -> Iterator[int]:
    with closing(Terminator(valkey_server.socket, localhost)) as proxy:
        yield proxy.port


def rediss(port: int, authority: Authority, host: str = "localhost") -> str:
    return f"rediss://{host}:{port}/0?ssl_ca_certs={authority.ca}"


def test_programs_and_workers_reach_redis_with_tls(
    bench: Bench, working, settings: Settings, secure_redis: int, ours: Authority
):
    url = rediss(secure_redis, ours)
    log = ICCMLogger("shop", redis_url=url, stream=settings.stream)
    log.info("order placed")
    assert log.flush(10)
    log.close()
    with working(msgspec.structs.replace(settings, redis_url=url)):
        eventually(bench.settled, "the record to be stored")
    assert bench.sql("SELECT message FROM logs") == [("order placed",)]


@pytest.mark.parametrize("why", ["authority", "name"])
def test_a_redis_that_cannot_prove_its_name_gets_nothing(
    settings: Settings,
    bench: Bench,
    secure_redis: int,
    ours: Authority,
    strangers: Authority,
    why: str,
    capfd,
):
    by_name = rediss(secure_redis, ours, "127.0.0.1")
    url = rediss(secure_redis, strangers) if why == "authority" else by_name
    with pytest.raises(StreamUnavailable, match="certificate"):
        snapshot.take(msgspec.structs.replace(settings, redis_url=url))
    log = ICCMLogger("shop", redis_url=url, stream=settings.stream, flush_timeout_s=0.2)
    log.info("a secret")
    assert not log.flush(0.5)
    log.close()
    assert not bench.redis.exists(settings.stream)
    assert "a secret" in capfd.readouterr().out


class SecurePostgres:
    """PostgreSQL that lets nobody in over the network but with TLS, on an address of its own."""

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        self.address = f"127.{random.randint(1, 250)}.{random.randint(1, 250)}.1"
        home = next(home for home in installations().values() if home.is_relative_to(DEBIAN))
        options = (
            "shared_buffers=32MB",
            f"listen_addresses={self.address}",
            "ssl=on",
            f"ssl_cert_file={certificate.chain}",
            f"ssl_key_file={certificate.key}",
        )
        self.server = Postgres(folder, options=options, home=home)
        if self.server.user is not None:
            os.chown(certificate.key, pwd.getpwnam(self.server.user).pw_uid, 0)
        self.server.start()
        rules = "local all all trust\nhostssl all all 127.0.0.0/8 trust\n"
        (self.server.cluster / "pg_hba.conf").write_text(rules)
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            connection.execute("SELECT pg_reload_conf()")
        self.server.create_database("dewey")
        migrate(self.server.url("dewey"))
        self.server.create_login(WRITER, LOGINS[WRITER])

    def url(self, host: str = "localhost", **options: str | Path) -> str:
        more = "".join(f"&{name}={value}" for name, value in options.items())
        return f"postgresql://{WRITER}@{host}/dewey?hostaddr={self.address}{more}"


@pytest.fixture(scope="module")
def secure_postgres(server_folder: Path, ours: Authority) -> Iterator[SecurePostgres]:
    if not any(home.is_relative_to(DEBIAN) for home in installations().values()):
        pytest.skip("no PostgreSQL of the system; the wheel's is built without TLS")
    (server_folder / "secure").mkdir(mode=0o711)
    (server_folder / "our-authority").chmod(0o711)
    found = SecurePostgres(server_folder / "secure" / "postgres", ours.vouch("localhost", "db"))
    yield found
    found.server.stop()


def test_a_worker_stores_through_verified_tls(
    settings: Settings, secure_postgres: SecurePostgres, working, ours: Authority
):
    url = secure_postgres.url(sslmode="verify-full", sslrootcert=ours.ca)
    bench = Bench(settings, secure_postgres.server.url("dewey"))
    with working(msgspec.structs.replace(settings, dewey_url=url)):
        bench.append(bench.records(10))
        eventually(bench.settled, "everything acknowledged")
        found = bench.sql(
            "SELECT DISTINCT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)"
            " WHERE a.application_name = 'godot-worker' AND a.client_addr IS NOT NULL"
        )
    assert found == [(True,)]
    assert bench.stored() == 10
    bench.close()


@pytest.mark.parametrize("why", ["authority", "name", "plaintext"])
def test_a_postgresql_that_cannot_prove_its_name_gets_nothing(
    secure_postgres: SecurePostgres, ours: Authority, strangers: Authority, why: str
):
    url = {
        "authority": secure_postgres.url(sslmode="verify-full", sslrootcert=strangers.ca),
        "name": secure_postgres.url("elsewhere", sslmode="verify-full", sslrootcert=ours.ca),
        "plaintext": secure_postgres.url(sslmode="disable"),
    }[why]
    with open_store(url) as store, pytest.raises(DeweyError) as caught:
        store.ping()
    wanted = {"authority": "certificate verify failed", "name": "does not match host name"}
    assert wanted.get(why, "no pg_hba.conf entry") in str(caught.value)


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


def test_a_worker_stores_through_a_dewey_behind_a_proxy_with_tls(
    bench: Bench,
    working,
    settings: Settings,
    writer_url: str,
    reader_url: str,
    dewey_url: str,
    tokens: Path,
    localhost: Certificate,
    ours: Authority,
    monkeypatch: pytest.MonkeyPatch,
):
    token = deweys.token(tokens, "worker", "logs:deliver")
    with (
        deweys.dewey(writer_url, reader_url, dewey_url, tokens) as server,
        closing(Terminator(server.address[1], localhost)) as proxy,
    ):
        url = f"https://localhost:{proxy.port}/mcp"
        behind = msgspec.structs.replace(settings, dewey_url=url, dewey_token=token)
        with open_store(url, token=token) as store, pytest.raises(DeweyError, match="certificate"):
            store.ping()  # signed by nobody that this machine knows
        monkeypatch.setenv("SSL_CERT_FILE", str(ours.ca))
        with working(behind):
            bench.append(bench.records(10))
            eventually(bench.settled, "everything acknowledged")
        assert bench.stored() == 10
        with open_store(url, token="gdt_another") as store, pytest.raises(SchemaProblem):
            store.ping()  # TLS is no token

        context = ssl.create_default_context(cafile=ours.ca)
        connection = http.client.HTTPSConnection("localhost", proxy.port, context=context)
        for host, status in (("logs.example", 421), (f"localhost:{proxy.port}", 401)):
            connection.request("POST", "/mcp", b"{}", {"Host": host})
            assert connection.getresponse().status == status  # it hangs up after a refusal
        connection.close()
