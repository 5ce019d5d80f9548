"""A program that behaves like one of ours towards the supervisor, and logs what happens to it.

    stand_in.py ROLE [--unready] [--crash] [--stubborn]

It listens on a free port (or on the MCP port of its role), announces itself like ours, answers
/readyz, ends on SIGTERM, and notes its start and its end in the file STAND_IN_JOURNAL.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROLE, FLAGS = (sys.argv[1], sys.argv[2:]) if __name__ == "__main__" else ("", [])
PORTS = {"mcp": "GODOT_MCP_PORT", "dewey": "DEWEY_MCP_PORT"}


def write_down(what: str) -> None:
    with Path(os.environ["STAND_IN_JOURNAL"]).open("a") as journal:
        journal.write(f"{ROLE} {what}\n")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503 if "--unready" in FLAGS else 200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    ended = threading.Event()
    if "--stubborn" in FLAGS:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: ended.set())
    if "--crash" in FLAGS:
        print("nothing works here", file=sys.stderr, flush=True)
        sys.exit(7)
    port = int(os.environ[PORTS[ROLE]]) if ROLE in PORTS else 0
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/metrics"
    said = {"role": ROLE, "pid": os.getpid(), "metrics_url": url}
    path = Path(os.environ["GODOT_DATA_DIR"]) / "run" / f"{ROLE}-{os.getpid()}.json"
    path.with_suffix(".new").write_text(json.dumps(said))
    path.with_suffix(".new").replace(path)
    write_down("started")
    print(json.dumps({"level": "WARNING", "message": "as told", "role": ROLE}), file=sys.stderr)
    ended.wait()
    write_down("stopped")


if __name__ == "__main__":
    main()
