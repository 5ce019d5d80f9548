"""`make bench`: every figure from one run, one JSON line and one readable line each."""

from __future__ import annotations

import importlib
import json
import sys

PARTS = ("client", "store", "drain", "through", "mcp", "tap", "delay", "clear", "cli")


def main(parts: list[str]) -> int:
    for part in parts or PARTS:
        for figure in importlib.import_module(f"tests.bench.{part}").run():
            print(json.dumps(figure), flush=True)
            print(f"  {figure['what']}: {figure['value']:,} {figure['unit']}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
