"""What each role really tells at /metrics, and how docs/metrics.md lists it."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from clientlib import Producer, make_record
from dewey_logs import exposition
from dewey_logs.errors import DeweyError
from dewey_logs.layout import AS_BEFORE
from dewey_logs.server import Backend, Maintenance
from dewey_logs.server import build as build_dewey
from dewey_logs.tools import Lookout, MeasuredStore
from godot.facade.backends import Backends
from godot.facade.server import build, watch
from godot.settings import Settings
from godot.stream.append import Appender
from godot.stream.connection import close, connect
from godot.stream.group import Consumer
from godot.worker.loop import Worker

UNDECODABLE = [(b"component", b"c"), (b"level", b"SHOUTING"), (b"message", b"m")]
FREE = {"version", "role", "stream", "group", "tool"}  # values that are not ours, or too many


class Family(NamedTuple):
    """A metric as it is listed; `samples` are the names that queries use."""

    name: str
    kind: str
    help: str
    labels: Mapping[str, tuple[str, ...]]
    samples: frozenset[str]


def everything(settings: Settings, owner_url: str) -> dict[str, str]:
    """Return what worker, mcp and dewey tell, by role, while there is something of everything."""
    _work_through(settings)
    with Appender(settings) as appender:
        appender.append([make_record("c", "INFO", "m", producer=Producer()) for _ in range(5)])
    client = connect(settings)
    Consumer(client, settings.stream, settings.group, "slow:1:x").read_new(1, None)
    close(client)
    found = {"worker": _told("worker", Worker(settings, threading.Event()).registry)}
    with Backends(settings) as backends:
        registry = CollectorRegistry()
        build(backends, registry)
        lookout = watch(settings, backends, registry)
        for again in (False, True):
            for sight in lookout.sights:
                lookout.look(sight)
            if not again:
                time.sleep(0.1)  # a rate needs two looks
        found["mcp"] = _told("mcp", registry)
        for sight in lookout.sights:
            sight.close()
    with Backend(owner_url, None, None, 7) as backend:
        registry = CollectorRegistry()
        build_dewey(backend, registry)
        Maintenance(owner_url, 7, None, AS_BEFORE, registry)
        measured = MeasuredStore(backend.store)
        Lookout(registry, [measured], (DeweyError,)).look(measured)
        found["dewey"] = _told("dewey", registry)
    return found


def _work_through(settings: Settings) -> None:
    """Have a worker store something, and refuse something."""
    stop = threading.Event()
    worker = Worker(settings, stop)
    with Appender(settings) as appender:
        appender.append([make_record("c", "INFO", "m", producer=Producer()) for _ in range(5)])
        appender.append_fields([UNDECODABLE])
    thread = threading.Thread(target=worker.run)
    thread.start()
    deadline = time.monotonic() + 60
    labels = {"stream": settings.stream, "group": settings.group}
    name = "godot_worker_acked_entries_total"
    while (worker.registry.get_sample_value(name, labels) or 0) < 6:
        assert time.monotonic() < deadline, "the worker stored nothing"
        time.sleep(0.02)
    stop.set()
    thread.join(60)


def _told(role: str, registry: CollectorRegistry) -> str:
    with (
        exposition.serve(
            port=0,
            host="127.0.0.1",
            role=role,
            registry=registry,
            ready=dict,
            data_dir=None,
        ) as server,
        urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics") as answer,
    ):
        found: str = answer.read().decode()
    return found


def families(text: str) -> Iterator[Family]:
    """Yield what a role tells, in its order."""
    for one in text_string_to_metric_families(text):
        labels: dict[str, dict[str, None]] = {}
        for sample in one.samples:
            for label, value in sample.labels.items():
                labels.setdefault(label, {})[value] = None
        name = f"{one.name}_total" if one.type == "counter" else one.name
        yield Family(
            name,
            one.type,
            one.documentation,
            {label: tuple(values) for label, values in labels.items()},
            frozenset(sample.name for sample in one.samples),
        )


def table(exposed: Mapping[str, str]) -> str:
    """Return docs/metrics.md's table: one line a metric, roles in one cell."""
    found: dict[str, dict[str, Family]] = {}
    for role, text in exposed.items():
        for one in families(text):
            found.setdefault(one.name, {})[role] = one
    lines = ["| metric | type | labels | told by | meaning |", "|---|---|---|---|---|"]
    for name, told in found.items():
        one = next(iter(told.values()))
        labels: dict[str, set[str]] = {}
        for each in told.values():
            for label, values in each.labels.items():
                labels.setdefault(label, set()).update(values)
        cells = (f"`{name}`", one.kind, _shown(labels), ", ".join(told), one.help)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(labels: Mapping[str, set[str]]) -> str:
    shown = []
    for label, values in labels.items():
        if label == "le":
            continue
        listed = label not in FREE
        shown.append(f"`{label}`: {' '.join(sorted(values))}" if listed else f"`{label}`")
    return "; ".join(shown)
