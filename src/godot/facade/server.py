"""Godot's MCP server: the tools that agents write and search logs with."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

import godot
from clientlib import ClientError, RecordError
from dewey_logs import BadFilter, DeweyError, QueryTimeout, exposition
from dewey_logs.tools import (
    EVERYTHING,
    UNTRUSTED,
    Lookout,
    Names,
    Selection,
    Sight,
    StrictServer,
    ToolMetrics,
    allow,
    application,
    bind,
    offer_clear,
    offer_level,
    offer_reading,
    serve_http,
    serve_stdio,
    url_of,
)
from godot import logs
from godot.errors import GodotError
from godot.facade.audit_metrics import AuditedStream
from godot.facade.backends import Backends
from godot.facade.compare import offer_compare
from godot.facade.heartbeat import Heartbeat
from godot.facade.log import offer_log
from godot.facade.status import offer_status
from godot.facade.stream_metrics import WatchedStream
from godot.settings import Settings

log = logs.get_logger(__name__)

NAMES = Names(
    query="logger_query",
    stats="logger_stats",
    trace="logger_trace",
    context="logger_context",
    patterns="logger_patterns",
    compare="logger_compare",
    tail="logger_tail",
    facets="dewey_facets",
    clear="logger_clear",
    set_level="logger_set_level",
)
INSTRUCTIONS = f"""\
The logs of this machine's or team's programs. Begin with logger_stats, then logger_patterns with
level=ERROR, then logger_query, logger_context and logger_trace; logger_log leaves a record of your
own. Parts of filters have the same names in every tool; dewey://help/query explains them. In every
answer {UNTRUSTED}."""


def build(
    backends: Backends, registry: CollectorRegistry, offered: Selection = EVERYTHING
) -> StrictServer:
    """Return the server with the tools that are wanted."""
    server = StrictServer(
        "godot",
        version=godot.__version__,
        instructions=INSTRUCTIONS,
        metrics=ToolMetrics(registry),
        callers_errors=(RecordError, BadFilter, QueryTimeout),
        other_errors=(GodotError, DeweyError, ClientError),
        offered=offered,
    )
    offer_log(server, backends)
    offer_reading(server, NAMES, backends.ask)
    offer_status(server, backends)
    offer_compare(server, NAMES, backends.ask)
    offer_clear(server, NAMES, backends.ask, backends.do)
    offer_level(server, NAMES, backends.ask, backends.set_level, backends.clear_level)
    return server


def watch(settings: Settings, backends: Backends, registry: CollectorRegistry) -> Lookout:
    """Return what looks at the whole path; no other role tells of stream, group and producers."""
    sights: list[Sight] = [WatchedStream(settings)]
    if settings.dewey_url is not None:
        if settings.heartbeat_s:
            sights.append(Heartbeat(settings, backends.store))
        if AuditedStream.is_possible(settings):
            sights.append(AuditedStream(settings, backends.store))
    return Lookout(registry, sights, (GodotError, DeweyError))


def serve(settings: Settings, *, stdio: bool, offered: Selection = EVERYTHING) -> None:
    """Serve until SIGTERM or SIGINT, or over stdio until the client hangs up.

    Raises CannotListen for an address that is taken or not allowed, BadTokens for the file. Over
    stdio nothing listens at all: every agent starts its own, and no port would be known to anyone.
    """
    registry = CollectorRegistry()
    if stdio:
        logs.configure()
        with Backends(settings) as backends:
            serve_stdio(build(backends, registry, offered), backends.close)
        return
    access = allow(settings.host, settings.tokens_file, settings.allowed_hosts, prefix="GODOT")
    with (
        bind(settings.host, settings.mcp_port, prefix="GODOT") as bound,
        Backends(settings) as backends,
    ):
        logs.configure()  # before the server is made: the SDK would configure root logging itself
        app = application(build(backends, registry, offered), backends.checks, access)
        lookout = watch(settings, backends, registry)
        with (
            exposition.serve(
                port=settings.metrics_port,
                host=settings.host,
                exposed_at=settings.metrics_host,
                role="mcp",
                registry=registry,
                ready=backends.check,
                data_dir=settings.data_dir,
                mcp_url=url_of(bound),
            ),
            lookout,
        ):
            log.info("serving", extra={"action": "start", "mcp_url": url_of(bound)})
            serve_http(app, bound)
    log.info("stopped", extra={"action": "stop"})
