"""`python -m dewey_logs`, and the console script `dewey`."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line and exit with its code.

    Where only the client is installed there is no command line: that is one line and exit code 1.
    """
    try:
        from dewey_logs.cli import dewey
    except ModuleNotFoundError as exc:
        if exc.name not in ("click", "psycopg"):
            raise
        sys.exit("only the client is installed here: pip install 'godot-logs[server]'")
    try:
        dewey(prog_name="dewey")
    finally:
        gc.freeze()  # what was imported holds no garbage to look for at the end


if __name__ == "__main__":
    main()
