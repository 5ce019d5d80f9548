"""What an explanation is."""

from __future__ import annotations

from typing import NamedTuple


class Explanation(NamedTuple):
    """One code: its name in a few words, and the whole story."""

    title: str
    text: str
