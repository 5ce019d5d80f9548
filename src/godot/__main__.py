"""`python -m godot`, and the console scripts `godot` and `godot-logs`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and exit with its code.

    Where only the client is installed there is no command line: that is one line and exit code 1.
    """
    try:
        from godot.cli import godot
    except ModuleNotFoundError as exc:
        if exc.name != "click":
            raise
        sys.exit("only the client is installed here: pip install 'godot-logs[server]'")
    if sys.stdout is None:  # closed by the caller, who wants no data
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # lives as long as we
    godot(prog_name="godot")


if __name__ == "__main__":
    main()
