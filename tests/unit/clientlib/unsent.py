"""A logger whose sender never starts: what a server would have been sent is read from its parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clientlib import ICCMLogger
from clientlib.framing import Framer
from clientlib.resp import fields_of
from clientlib.sender import Sender
from clientlib.settings import Destination

PRODUCER = 0x2A


def destination(**more: Any) -> Destination:
    given: dict[str, Any] = {
        "redis_url": "redis://127.0.0.1:1/0",
        "given": True,
        "stream": "s",
        "maxlen": 100_000,
        "buffer_records": 10_000,
        "buffer_bytes": 33_554_432,
        **more,
    }
    return Destination(**given)


def idle_logger(component: str = "api", level: str = "TRACE", **more: Any) -> ICCMLogger:
    """Return a logger that only queues: nobody is woken."""
    buffer = {name: more.pop(name) for name in ("buffer_records", "buffer_bytes") if name in more}
    logger = ICCMLogger(component, "redis://127.0.0.1:1/0", level, stream="s", **more)
    sender = Sender(destination(**buffer), lambda: None)
    sender.intake.idle = False
    logger._use(sender)
    return logger


def framed(logger: ICCMLogger) -> list[dict[str, str]]:
    """Return the fields of everything queued, as the sender would have packed it."""
    batch = logger._intake.take(100_000)
    commands = Framer("s", 100_000).frame(batch, PRODUCER, 1)
    return [
        {name.decode(): value.decode() for name, value in fields_of(command).items()}
        for command in commands
    ]


def shipped(log: Callable[[ICCMLogger], object], **more: Any) -> list[dict[str, str]]:
    """Return the fields of what `log` logs."""
    logger = idle_logger(**more)
    log(logger)
    return framed(logger)
