"""Whole numbers as people type them."""

from __future__ import annotations

from typing import Any

import click


class Whole(click.IntRange):
    """A whole number; whatever is none, or too small or large, is told what is allowed."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return int(super().convert(value, param, ctx))
        except click.BadParameter:
            upper = "on" if self.max is None else f"to {self.max:,}"
            self.fail(f"{value!r} is no whole number from {self.min:,} {upper}", param, ctx)
