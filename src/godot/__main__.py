"""`python -m godot`, and the console scripts `godot` and `godot-logs`."""

from __future__ import annotations

from godot.cli import godot


def main() -> None:
    """Run the command line and exit with its code."""
    godot(prog_name="godot")


if __name__ == "__main__":
    main()
