"""What one question to the system was answered with."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Outcome: TypeAlias = Literal["ok", "warning", "failed", "unknown"]
OK: Outcome = "ok"


class Result(msgspec.Struct, frozen=True):
    """One thing that was looked at: how it is, in a line, and what to do unless it is well."""

    code: str
    outcome: Outcome
    text: str
    next_step: str = ""
