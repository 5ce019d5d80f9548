"""What a tool's answer takes beside the store's, on the store of the query bench.

Each question is asked forty times with terms of its own, of the store in this process and of
`dewey serve` over HTTP on one connection, taking turns in who goes first, so that neither finds
everything warm. Both answers must name the same number of records. `GODOT_BENCH_ROWS` makes the
store smaller.
"""

from __future__ import annotations

import http.client
import json
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from dewey_logs import LogFilter, Store, open_store
from tests.bench import corpus as made
from tests.bench.corpus import HOUR, Corpus, loaded
from tests.bench.mcp import PROTOCOLS
from tests.bench.questions import Pages, Questions
from tests.bench.servers import serving

ROUNDS = 40
LIMIT = 20
Figure = dict[str, object]
Arguments = dict[str, Any]


class Question(NamedTuple):
    """What a tool is asked, how the store is asked the same, and the number that both must tell."""

    tool: str
    arguments: Arguments
    of_store: Callable[[Store], object]
    told: Callable[[Any], object]


class Place(NamedTuple):
    """Where the server keeps its things, and what it is told."""

    folder: Path
    environ: dict[str, str]


class Tools:
    """One connection to an MCP server."""

    def __init__(self, url: str) -> None:
        at = urlsplit(url)
        assert at.hostname is not None
        self._connection = http.client.HTTPConnection(at.hostname, at.port, timeout=60)

    def call(self, tool: str, arguments: Arguments) -> Any:
        """Return what a tool answers."""
        params = {"name": tool, "arguments": arguments}
        said = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": PROTOCOLS[0],
        }
        self._connection.request("POST", "/mcp", json.dumps(said), headers)
        result = json.loads(self._connection.getresponse().read())["result"]
        assert not result.get("isError"), result
        return result["structuredContent"]


def measured(
    store: Store, tools: Tools, what: str, question: Callable[[random.Random], Question]
) -> Iterator[Figure]:
    """Yield what both take, in ms, and how much more the tool does."""
    rng = random.Random(what)
    took: dict[str, list[float]] = {"store": [], "tool": []}
    for n in range(ROUNDS):
        asked = question(rng)
        said = {}
        for name in reversed(took) if n % 2 else took:
            began = time.perf_counter()
            if name == "store":
                said[name] = asked.of_store(store)
            else:
                said[name] = asked.told(tools.call(asked.tool, asked.arguments))
            took[name].append((time.perf_counter() - began) * 1000)
        assert said["store"] == said["tool"], (what, asked.arguments, said)
    p50 = {name: statistics.median(values) for name, values in took.items()}
    p95 = {name: statistics.quantiles(values, n=20)[18] for name, values in took.items()}
    for name in took:
        yield {"what": f"{what}, {name}, p50", "value": round(p50[name], 1), "unit": "ms"}
        yield {"what": f"{what}, {name}, p95", "value": round(p95[name], 1), "unit": "ms"}
    more = round(p50["tool"] - p50["store"], 1)
    yield {"what": f"{what}, tool on top, p50", "value": more, "unit": "ms"}


def page(pages: Pages) -> Callable[[random.Random], Question]:
    """Return the tool's question for one of the query bench's."""

    def of(rng: random.Random) -> Question:
        arguments = {**pages(rng)[0], "limit": LIMIT}
        wanted = msgspec.convert(arguments, LogFilter)

        def matched(store: Store) -> str:
            found = store.query(wanted)
            return f"{found.matched}+" if found.matched_capped else str(found.matched)

        return Question("dewey_query_logs", arguments, matched, lambda said: str(said["matched"]))

    return of


def others(corpus: Corpus) -> Iterator[tuple[str, Callable[[random.Random], Question]]]:
    """Yield the questions of an investigation besides pages."""
    week = corpus.stretches[0].low.isoformat()
    middle = corpus.busy + HOUR
    before = LogFilter(since=corpus.busy.isoformat(), until=middle.isoformat(), limit=LIMIT)
    after = LogFilter(since=middle.isoformat(), until=(middle + HOUR).isoformat(), limit=LIMIT)
    hour = {"since": after.since, "until": after.until, "limit": LIMIT}

    def totals(_: random.Random) -> Question:
        wanted = LogFilter(since=week, limit=LIMIT)

        def counted(store: Store) -> int:
            store.histogram(wanted)
            return store.summary(wanted).matched

        arguments = {"since": week, "limit": LIMIT}
        return Question("dewey_get_log_stats", arguments, counted, lambda said: said["total"])

    def patterns(_: random.Random) -> Question:
        return Question(
            "dewey_patterns",
            hour,
            lambda store: store.patterns(after).distinct,
            lambda said: said["distinct"],
        )

    def compare(_: random.Random) -> Question:
        return Question(
            "dewey_compare",
            hour,
            lambda store: store.compare(before, after, limit=LIMIT).new_count,
            lambda said: said["new"]["count"],
        )

    def context(rng: random.Random) -> Question:
        g = rng.randrange(20, corpus.rows - 20)
        record, at = made.id_of(corpus, g), corpus.stretch(g).at(g)

        def around(store: Store) -> int:
            found = store.context(record, at, before=5, after=10)
            return len(found.rows) if found else 0

        arguments = {"id": record, "created_at": at.isoformat(), "before": 5, "after": 10}
        return Question("dewey_context", arguments, around, lambda said: said["returned"])

    def trace(rng: random.Random) -> Question:
        trace_id = made.trace_of(rng.randrange(corpus.rows // 10) * 10)

        def records(store: Store) -> int:
            found = store.trace(trace_id)
            return found.matched if found else 0

        arguments = {"trace_id": trace_id}
        return Question("dewey_trace", arguments, records, lambda said: said["total"])

    yield "totals and histogram, 8 days", totals
    yield f"patterns of an hour of {made.BUSY_ROWS:,}", patterns
    yield f"comparison of two hours of {made.BUSY_ROWS:,}", compare
    yield "context of a record", context
    yield "trace", trace


def run() -> Iterator[Figure]:
    folder = Path(tempfile.mkdtemp(prefix="godot-bench-"))
    try:
        with loaded() as (url, corpus), open_store(url) as store:
            place = Place(folder, {"DEWEY_URL": url, "GODOT_DATA_DIR": str(folder)})
            place.environ["GODOT_METRICS_PORT"] = place.environ["DEWEY_METRICS_PORT"] = "0"
            with serving(place, "dewey") as served:
                tools, ask = Tools(served), Questions(corpus)
                for what, pages in (
                    *ask.by_place(),
                    *ask.by_words(corpus.rows),
                    *ask.substrings(),
                ):
                    yield from measured(store, tools, what, page(pages))
                for what, question in others(corpus):
                    yield from measured(store, tools, what, question)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
