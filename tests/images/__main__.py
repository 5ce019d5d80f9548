"""`make image-test`: build the four images as they are published, and run them hardened.

The base is a Debian made here, because not every machine reaches a registry of images: what the
Dockerfile says is tried, not what `python:slim` brings. Containers run in a network namespace of
their own, so no port of the machine's is used. Exits with 77 where the means are missing.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from tests.images import allinone, services
from tests.images.engine import BASE, Engine, missing
from tests.images.system import Outside
from tests.users import ROOT

TARGETS = ("worker", "mcp", "dewey", "allinone")
NOT_HERE = 77
INSIDE = 'ip link set lo up && mount -t tmpfs tmpfs /run && exec "$0" "$@"'


def main() -> int:
    parser = argparse.ArgumentParser("tests.images", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "images", help="storage")
    parser.add_argument("--run", action="store_true", help="inside the namespace already")
    given = parser.parse_args()
    why = missing()
    if why:
        print(f"NOT TESTED: {why}", file=sys.stderr)
        return NOT_HERE
    engine = Engine(given.folder.absolute())
    if given.run:
        return run(engine)
    build(engine)
    again = [sys.executable, "-m", "tests.images", "--run", "--folder", str(engine.folder)]
    command = ["unshare", "--net", "--mount", "--", "/bin/sh", "-c", INSIDE, *again]
    return subprocess.run(command, check=False).returncode


def build(engine: Engine) -> None:
    """Build everything, and say how large it is."""
    began = time.monotonic()
    made = engine.make_base()
    if made:
        print(f"base: Debian and Python, made in {time.monotonic() - began:.0f} s", flush=True)
    base = engine.size_bytes(BASE)
    for target in TARGETS:
        began = time.monotonic()
        size = engine.size_bytes(engine.build(target))
        print(
            f"{target}: {size / 1e6:.0f} MB, of which {(size - base) / 1e6:.0f} MB beyond the base;"
            f" built in {time.monotonic() - began:.0f} s",
            flush=True,
        )


def run(engine: Engine) -> int:
    """Run what was built, beside a PostgreSQL."""
    folder = Path(tempfile.mkdtemp(prefix="godot-images-"))
    folder.chmod(0o711)
    engine.podman("rm", "-f", "-a")  # what a run that was cut short left behind
    engine.podman("volume", "rm", "-f", "-a")
    images = {target: f"localhost/godot-{target}:latest" for target in TARGETS}
    try:
        for name in ("allinone", "services"):
            (folder / name).mkdir(mode=0o711)
            with closing(Outside(folder / name)) as outside:
                seen = (
                    allinone.check(engine, images["allinone"], outside)
                    if name == "allinone"
                    else services.check(engine, images, outside, folder / name)
                )
                for line in seen:
                    print(f"{name}: {line}", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("every image does what it should")
    return 0


if __name__ == "__main__":
    sys.exit(main())
