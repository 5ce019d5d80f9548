"""Godot: the collection side of a logging system for small services and AI agents."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
