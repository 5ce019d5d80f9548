"""Who writes into the stream: the hash in which producers announce themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from godot.stream.asking import Client, ask
from godot.stream.direct import Command
from godot.stream.keys import producers_key

# Anyone may write into the hash. Numbers that no record id can hold are no announcement: one of 400
# digits is more than a scrape can tell, and more than PostgreSQL can be asked about.
MAX_SEQUENCE, MAX_PRODUCER = 2**36 - 1, 2**38 - 1
FIELD = re.compile(r"[0-9a-f]{10}")
NUMBER = re.compile(r"[0-9]{1,11}")

FORGET = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
"""


class ProducerInfo(msgspec.Struct, frozen=True):
    """One producer's announcement: the highest sequence number it handed to Redis, and who it is.

    `producer` is the number inside its record ids; `started_at` is RFC 3339 as the client wrote it.
    """

    producer: int
    sent_sequence: int
    component: str
    host: str
    pid: int
    version: str
    started_at: str
    dropped: int

    @property
    def field(self) -> str:
        """Return its field's name in the hash."""
        return f"{self.producer:010x}"


def is_named(field: str, text: str) -> bool:
    """Say whether a person means this producer: by its ten digits, their beginning, or in decimal.

    One form is shown everywhere, but a record's id taken apart elsewhere gives the decimal number.
    """
    wanted = text.strip().lower()
    return field.startswith(wanted) or (wanted.isdecimal() and int(wanted) == int(field, 16))


def read(client: Client, stream: str) -> tuple[list[ProducerInfo], int]:
    """Return the announcements, and how many could not be understood."""
    return understood(ask(client, *reading(stream)))


def reading(stream: str) -> Command:
    """Return the command whose reply `understood` reads."""
    return ("HGETALL", producers_key(stream))


def understood(raw: Mapping[bytes, bytes]) -> tuple[list[ProducerInfo], int]:
    """Return the announcements in a reply, and how many could not be understood."""
    found, odd = [], 0
    for name, value in raw.items():
        try:
            found.append(_info(name.decode("ascii"), value.decode("utf-8", "replace").split(" ")))
        except ValueError:
            odd += 1
    return found, odd


def announce(client: Client, stream: str, info: ProducerInfo) -> None:
    """Say what a producer has handed over, in the client's own form; safe to repeat."""
    ask(client, "HSET", producers_key(stream), info.field, _value(info))


def _value(info: ProducerInfo) -> str:
    component, host = ("_".join(text.split()) or "-" for text in (info.component, info.host))
    return " ".join(
        map(
            str,
            (
                info.sent_sequence,
                component,
                host,
                info.pid,
                info.version,
                info.started_at,
                info.dropped,
            ),
        )
    )


def forget(client: Client, stream: str, infos: Iterable[ProducerInfo]) -> int:
    """Remove announcements that still say what was read; return how many.

    Comparing and removing are one step on the server: who logs again meanwhile stays.
    """
    return sum(
        int(ask(client, "EVAL", FORGET, 1, producers_key(stream), info.field, _value(info)))
        for info in infos
    )


def _info(name: str, parts: list[str]) -> ProducerInfo:
    sent, component, host, pid, version, started_at, dropped = parts
    if not FIELD.fullmatch(name):
        raise ValueError(name)
    return ProducerInfo(
        producer=_bounded(int(name, 16), MAX_PRODUCER),
        sent_sequence=_number(sent),
        component=component,
        host=host,
        pid=_number(pid),
        version=version,
        started_at=started_at,
        dropped=_number(dropped),
    )


def _number(text: str) -> int:
    if not NUMBER.fullmatch(text):
        raise ValueError(text)
    return _bounded(int(text), MAX_SEQUENCE)


def _bounded(number: int, most: int) -> int:
    if number > most:
        raise ValueError(number)
    return number
