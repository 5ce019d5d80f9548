"""The process that records: forked before anything else starts, it holds none of the traffic.

Its stdout is a file or nothing, since that is where the client prints while Redis is away. It has a
session of its own, because clients kill whole groups of processes, and ends when the passing side
does, however that ends: what passed before a SIGKILL is still recorded.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from godot.tap.feed import Feed, Kind, pieces_ahead

if TYPE_CHECKING:
    from clientlib import Redactor

Record: TypeAlias = Callable[[int, int, str, Mapping[str, object]], None]

HANDOVER_S = 30.0  # takes as long as the other process needs to read, and waits for nothing else
DELIVERY_S = 1.0  # clients give a server two seconds to end
NICER = 10  # it would take a core for milliseconds that the traffic waits for

_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Recorder:
    """The passing side's handle: where to put what passes, and whether the other one is done."""

    def __init__(
        self,
        name: str,
        about: Mapping[str, object],
        spill: str | None,
        record: Record | None = None,
    ) -> None:
        """Fork; `record` is what the other process does, by default what a tap's does."""
        reading, writing = os.pipe()
        now_ns = time.monotonic_ns()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(writing)
            _become(reading, now_ns, name, about, spill, record or _record)
        os.close(reading)
        self.feed = Feed(writing)

    def finish(self) -> None:
        """Hand everything over, then give the other process a moment to bring it to Redis.

        It goes on by itself afterwards, unless its container ends with us.
        """
        self.feed.close(HANDOVER_S)
        deadline = time.monotonic() + DELIVERY_S
        with suppress(ChildProcessError):
            while not os.waitpid(self._pid, os.WNOHANG)[0] and time.monotonic() < deadline:
                time.sleep(0.005)


def without_secrets(about: Mapping[str, object], redactor: Redactor) -> dict[str, object]:
    """Mask the words after options that sound like secrets: `--token abc` is no pair in itself."""
    words = about.get("command")
    if not isinstance(words, list):
        return dict(about)
    shown = words[:1]
    for option, word in pairwise(words):
        is_name = option.startswith("-") and "=" not in option
        named = {option.lstrip("-") if is_name else "": word}
        shown += redactor.mapping(named).values()
    return {**about, "command": shown}


def _become(
    reading: int,
    now_ns: int,
    name: str,
    about: Mapping[str, object],
    spill: str | None,
    record: Record,
) -> NoReturn:
    try:
        os.setsid()
        os.nice(NICER)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        where = os.open(spill or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(where, 1)
        record(reading, now_ns, name, about)
    except BaseException as exc:  # noqa: BLE001  # the outermost place of this process
        with suppress(OSError):
            os.write(2, f"godot: the tap records no more: {type(exc).__name__}: {exc}\n".encode())
    finally:
        os._exit(0)


def _record(reading: int, now_ns: int, name: str, about: Mapping[str, object]) -> None:
    import msgspec

    from clientlib import ICCMLogger, configured_redactor
    from godot.tap.conversation import Conversation

    with ICCMLogger(component=name, level="TRACE") as logger:
        conversation = Conversation(logger, os.urandom(4).hex())
        conversation.say(now_ns, "tap started", without_secrets(about, configured_redactor()))
        ending: dict[str, object] = {"killed": True}  # nobody said how it ended
        for piece in pieces_ahead(reading, _let_go):
            if piece.kind is Kind.ABOUT and not piece.channel:
                ending = msgspec.json.decode(piece.payload)
            else:
                conversation.take(piece)
        conversation.end(time.monotonic_ns(), ending)


def _let_go() -> None:
    """Leave stderr: a client may wait for its end, however much is still to be recorded."""
    if not os.isatty(2):
        os.dup2(0, 2)
