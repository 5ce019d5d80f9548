"""A program that logs through the real client, in a process of its own; run as `-m`.

Writes down how many records it logged, and what its client says about them, when SIGTERM ends it.
Each record carries the hash of its own message, so that whoever reads it can check it.
"""

from __future__ import annotations

import hashlib
import json
import random
import signal
import sys
import threading
import time
from pathlib import Path

import msgspec

from clientlib import ICCMLogger


def main(component: str, rate: float, seed: str, report: Path) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    rng = random.Random(f"{seed}/{component}")
    logger = ICCMLogger(component, level="TRACE")
    began = time.perf_counter()
    logged = 0
    while not stop.is_set():
        logged += 1
        message = f"{component} {logged} " + "work " * rng.randint(1, 30)
        text = hashlib.sha256(message.encode()).hexdigest()
        logger.info(message, {"number": logged, "check": text})
        pause = began + logged / rate - time.perf_counter()
        if pause > 0.002:
            stop.wait(pause)
    delivered = logger.flush(30.0)
    logger.close()
    found = {"logged": logged, "delivered": delivered, **msgspec.to_builtins(logger.stats())}
    report.write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
