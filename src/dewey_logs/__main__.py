"""`python -m dewey_logs`, and the console script `dewey`."""

from __future__ import annotations

from dewey_logs.cli import dewey


def main() -> None:
    """Run the command line and exit with its code."""
    dewey(prog_name="dewey")


if __name__ == "__main__":
    main()
