"""A worker whose time to stop is over begins no write, however quick the store answers."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from dewey_logs import Batch
from godot.worker.portion import Portion
from godot.worker.writing import Abandoned, Writing


class Refusing:
    """A store that is never to be asked."""

    def write(self, *_: Any) -> Any:
        raise AssertionError("asked to write")


def test_after_the_deadline_nothing_is_written():
    nothing: Any = None
    writing = Writing(
        Refusing(),  # type: ignore[arg-type]  # of a store only what is called
        nothing,
        nothing,
        Portion(1),
        stop=threading.Event(),
        late=lambda: True,
        meanwhile=lambda: None,
    )
    with pytest.raises(Abandoned, match="before everything could be stored"):
        writing.write(Batch(stream="logs"))
    writing.close()
