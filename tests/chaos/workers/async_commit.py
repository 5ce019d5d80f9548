"""A mutant: commits without waiting for the disk, so that a crash of PostgreSQL takes it back."""

from __future__ import annotations

import sys

from dewey_logs import writer
from godot.__main__ import main

connect = writer.connect


def careless(info: str, **settings: str | int):
    return connect(info, **{**settings, "synchronous_commit": "off"})


writer.connect = careless
sys.exit(main())
