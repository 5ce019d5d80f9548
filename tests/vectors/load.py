"""Read the golden vectors: JSON with a few shorthands for what JSON cannot say or would bloat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def cases(name: str) -> list[dict[str, Any]]:
    """Return the cases of `encode` or `decode`, expanded, with the file's defaults filled in."""
    found = json.loads((HERE / f"{name}.json").read_text("utf-8"))
    key = "given" if name == "encode" else "entry"
    cases = []
    for case in found["cases"]:
        filled = {**case, key: {**found["defaults"], **case[key]}}
        cases.append({name: expand(value) for name, value in filled.items()})
    return cases


def expand(value: Any) -> Any:
    """Replace the shorthands: see README.md."""
    if isinstance(value, list):
        return [expand(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        name, argument = next(iter(value.items()))
        match name:
            case "$repeat":
                return argument[0] * argument[1]
            case "$list":
                return [expand(argument[0])] * argument[1]
            case "$concat":
                return "".join(expand(part) for part in argument)
            case "$float":
                return float(argument)
            case "$int":
                return int(argument)
            case "$bytes" | "hex":
                return bytes.fromhex(argument)
            case "$nested":
                return _nested(1, argument)
            case "$cut":
                return {**_nested("[TOO DEEP]", argument), "godot": {"cleaned": ["depth"]}}
    return {key: expand(item) for key, item in value.items()}


def _nested(innermost: object, levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {"n": innermost}
    for _ in range(levels - 1):
        found = {"n": found}
    return found
