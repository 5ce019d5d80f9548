"""Commands as Redis reads them: parts that are spelled once, and what is read back from the whole.

A record is packed from parts, most of which were there before: to look one up takes a fourth of the
time of spelling it.
"""

from __future__ import annotations

from clientlib.identity import parse_record_id

MAX_LENGTHS_REMEMBERED = 4_096
MAX_MESSAGES_REMEMBERED = 1_000  # of each component and level
MAX_BYTES_REMEMBERED = 256
_BEFORE_ID = b"\r\n$2\r\nid\r\n$36\r\n"


class Heads(dict[str, bytes]):
    """The middle of a record up to its message's end, by message: programs repeat most of theirs.

    When there is no more room for new ones those that came first stay.
    """

    def __init__(self, component: bytes, level: bytes) -> None:
        fields = (b"component", component, b"level", level, b"message")
        self._beginning = b"".join(map(bulk, fields))

    def of(self, message: str) -> bytes:
        """Spell what `get` does not know, and remember it; `__missing__` would take longer."""
        text = message.encode()
        head = b"".join((self._beginning, _lengths[len(text)], text))
        if len(self) < MAX_MESSAGES_REMEMBERED and len(text) <= MAX_BYTES_REMEMBERED:
            self[message] = head
        return head

    def before(self, message: bytes) -> bytes:
        """Return the same for a message that was looked at apart."""
        return b"".join((self._beginning, _lengths[len(message)], message))


class Lengths(dict[int, bytes]):
    """Spelled lengths; formatting one takes as long as four times looking it up."""

    def __init__(self, spelling: bytes) -> None:
        self._spelling = spelling

    def __missing__(self, length: int) -> bytes:
        spelled = self._spelling % length
        if length < MAX_LENGTHS_REMEMBERED:
            self[length] = spelled
        return spelled


_lengths = Lengths(b"$%d\r\n")


def bulk(text: bytes) -> bytes:
    """Return a RESP bulk string."""
    return b"$%d\r\n%b\r\n" % (len(text), text)


def sequence_of(command: bytes) -> int:
    """Read the number of a command's record back out of its id."""
    start = command.index(_BEFORE_ID) + len(_BEFORE_ID)  # no stream's name holds a line end
    found = parse_record_id(command[start : start + 36])
    return found.sequence if found is not None else 0


def fields_of(command: bytes) -> dict[bytes, bytes]:
    """Read a record's fields back out of its command; the fallback prints them."""
    found = command.split(b"\r\n")
    if len(found) == 2 * int(found[0][1:]) + 2:  # no line ends within: a fourth of the time
        return dict(zip(found[14::4], found[16::4], strict=True))
    found = []
    at = command.index(b"\n") + 1
    while at < len(command):
        line_end = command.index(b"\r", at)
        start = line_end + 2
        at = start + int(command[at + 1 : line_end])
        found.append(command[start:at])
        at += 2
    return dict(zip(found[6::2], found[7::2], strict=True))
