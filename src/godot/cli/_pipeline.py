"""The stream as the commands about it see it: they ask Redis alone, and end when it is away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from godot.cli._output import fail

if TYPE_CHECKING:
    from godot.snapshot import Snapshot
    from godot.stream.groups import Group
    from godot.stream.snapshot import StreamSnapshot

Row = dict[str, object]


def stream_now(*, once: bool = False) -> StreamSnapshot:
    """Look at the configured stream and all its groups; raise StreamUnavailable.

    `once` takes a single look, which tells no group's state.
    """
    from godot import snapshot
    from godot.settings import load

    found = snapshot.take(load(), once=once, without_store=True, every_group=True)
    refuse_if_away([found])
    assert found.stream is not None
    return found.stream


def refuse_if_away(looks: list[Snapshot]) -> None:
    """Raise what kept a look from the stream: then there is nothing to show."""
    for look in looks:
        if look.stream_error is not None:
            raise look.stream_error


def chosen(now: StreamSnapshot, names: tuple[str, ...]) -> list[Group]:
    """Return the groups of these names, all of them without any; fail for one that is none."""
    found = [group for group in now.groups if not names or group.name in names]
    unknown = set(names).difference(group.name for group in found)
    if unknown:
        fail(
            "GD-3003",
            f"{now.stream} has no group {', '.join(map(repr, sorted(unknown)))}",
            "see: godot groups",
        )
    return found
