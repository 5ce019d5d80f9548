"""What every code means: what has happened, what it does to records, and what to do."""

from __future__ import annotations

from godot.explanations._explanation import Explanation
from godot.explanations.examined import EXAMINED
from godot.explanations.problems import PROBLEMS

__all__ = ["EXPLANATIONS", "Explanation", "codes"]

EXPLANATIONS = {**PROBLEMS, **EXAMINED}


def codes() -> list[str]:
    """Return every code, in order."""
    return sorted(EXPLANATIONS)
