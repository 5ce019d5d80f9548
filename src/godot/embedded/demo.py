"""Sample traffic: a small shop whose services log as real ones do.

Each order is one trace through several components; a few go wrong, and say so where a person would
look for it. The numbers repeat the shape of real logs (most lines are dull, errors come in groups
of their own trace), not any real shop. It is an ordinary program over the public client.
"""

from __future__ import annotations

import random
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple

import click

from clientlib import ICCMLogger

COMPONENTS = (
    "shop.gateway",
    "shop.catalog",
    "shop.checkout",
    "shop.payments",
    "shop.stock",
    "shop.mailer",
)
FAILING = 0.03  # of all orders
SLOW = 0.05
BURST_S = 0.05  # how far the traffic may run ahead of a steady rate


class Line(NamedTuple):
    """One log call to be made."""

    component: str
    level: str
    message: str
    data: dict[str, object]
    trace_id: str | None


def visits(chance: random.Random) -> Iterator[Line]:
    """Return an endless stream of lines, one visit after the other."""
    while True:
        draw = chance.random()
        if draw < 0.45:
            yield from _browsing(chance)
        elif draw < 0.85:
            yield from _order(chance)
        else:
            yield from _housekeeping(chance)


def _browsing(chance: random.Random) -> Iterator[Line]:
    trace = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    item = chance.randint(1, 900)
    took_ms = round(chance.lognormvariate(2.5, 0.6), 1)
    yield Line(
        "shop.catalog",
        "DEBUG",
        "item looked up",
        {"item": item, "cached": chance.random() < 0.8},
        trace,
    )
    yield Line(
        "shop.gateway",
        "INFO",
        f"GET /items/{item} 200",
        {"method": "GET", "status": 200, "duration_ms": took_ms},
        trace,
    )


def _order(chance: random.Random) -> Iterator[Line]:
    trace = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    order = chance.randint(10_000, 99_999)
    cents = chance.randint(499, 30_000)
    failing = chance.random() < FAILING
    slow = chance.random() < SLOW
    about: dict[str, object] = {"order": order}
    yield Line(
        "shop.checkout", "INFO", "order received", {**about, "items": chance.randint(1, 6)}, trace
    )
    yield Line(
        "shop.stock", "INFO", "items reserved", {**about, "warehouse": chance.choice("ABC")}, trace
    )
    if slow or failing:
        yield Line(
            "shop.payments",
            "WARN",
            "bank answers slowly",
            {**about, "waited_ms": chance.randint(900, 4000)},
            trace,
        )
    if failing:
        yield from _declined(about, cents, trace, chance)
        status = 402
    else:
        yield Line("shop.payments", "INFO", "payment accepted", {**about, "cents": cents}, trace)
        yield Line("shop.mailer", "INFO", "confirmation sent", about, trace)
        status = 201
    yield Line(
        "shop.gateway",
        "INFO" if status < 400 else "WARN",
        f"POST /orders {status}",
        {"method": "POST", "status": status, "duration_ms": chance.randint(30, 900), **about},
        trace,
    )


def _declined(
    about: dict[str, object], cents: int, trace: str, chance: random.Random
) -> Iterator[Line]:
    code = chance.choice((5, 51, 54))
    yield Line(
        "shop.payments",
        "ERROR",
        "card declined",
        {
            **about,
            "cents": cents,
            "code": code,
            "exception": f"PaymentError: issuer declined ({code})",
        },
        trace,
    )
    yield Line("shop.checkout", "ERROR", "order failed", {**about, "reason": "payment"}, trace)
    yield Line("shop.stock", "INFO", "reservation released", about, trace)


def _housekeeping(chance: random.Random) -> Iterator[Line]:
    fill = chance.random()
    yield Line(
        "shop.stock",
        "WARN" if fill < 0.05 else "INFO",
        "stock counted" if fill >= 0.05 else "stock is running low",
        {"item": chance.randint(1, 900), "left": int(fill * 200)},
        None,
    )


def send(
    lines: Iterator[Line],
    rate: float,
    emit: Callable[[Line], None],
    stopping: threading.Event,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Emit lines at a steady rate until told to stop; return how many there were."""
    sent = 0
    begun = clock()
    for line in lines:
        ahead_s = sent / rate - (clock() - begun)
        if ahead_s > BURST_S and stopping.wait(ahead_s):
            break
        if stopping.is_set():
            break
        emit(line)
        sent += 1
    return sent


@click.command()
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), default=50.0)
@click.option("--seed", type=int, default=None)
def main(rate: float, seed: int | None) -> None:
    """Send sample traffic until SIGTERM; what is buffered then is flushed at exit."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    loggers = {name: ICCMLogger(component=name, level="DEBUG") for name in COMPONENTS}

    def emit(line: Line) -> None:
        log = getattr(loggers[line.component], line.level.lower())
        log(line.message, data=line.data, trace_id=line.trace_id)

    send(visits(random.Random(seed)), rate, emit, stopping)


if __name__ == "__main__":
    main()
