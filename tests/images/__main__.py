"""`make image-test`: build the four images as they are published, and run them hardened.

The base is a Debian made here, because not every machine reaches a registry of images: what the
Dockerfile says is tried, not what `python:slim` brings. Exits with 77 where the means are missing.

Everything happens in namespaces of its own. With an own /dev/shm: tools that make systems bind the
machine's into what they make, and whoever clears up after them, or is killed meanwhile, must not
reach the real one. With own processes, none of which outlives this. Containers have an own network
besides, so no port of the machine's is used, and an own /run, where podman keeps its state.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from tests.images import allinone, services, trouble
from tests.images.engine import BASE, MEMORY, Engine, missing
from tests.images.system import Outside
from tests.users import ROOT

TARGETS = ("worker", "mcp", "dewey", "allinone")
IMAGES = {target: f"localhost/godot-{target}:latest" for target in TARGETS}
NOT_HERE = 77
# each stage starts the next one inside of what it says here
APART = ("unshare", "--mount", "--mount-proc", "--pid", "--fork", "--kill-child")
BEGIN = f'mount -t tmpfs -o size=4g,mode=1777 tmpfs {MEMORY} && exec "$0" "$@"'
CUT_OFF = ("unshare", "--mount", "--net")
RUN = 'ip link set lo up && mount -t tmpfs tmpfs /run && exec "$0" "$@"'


def main() -> int:
    parser = argparse.ArgumentParser("tests.images", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "images", help="storage")
    parser.add_argument("stage", nargs="?", choices=("build", "run"), help="inside already")
    given = parser.parse_args()
    why = missing()
    if why:
        print(f"NOT TESTED: {why}", file=sys.stderr)
        return NOT_HERE

    def go_on(command: tuple[str, ...], script: str, stage: str) -> int:
        again = (sys.executable, "-m", "tests.images", stage, "--folder", str(given.folder))
        begun = [*command, "--", "/bin/sh", "-c", script, *again]
        return subprocess.run(begun, check=False).returncode

    if given.stage is None:
        return go_on(APART, BEGIN, "build")
    engine = Engine(given.folder.absolute())
    if given.stage == "run":
        return run(engine)
    build(engine)
    return go_on(CUT_OFF, RUN, "run")


def build(engine: Engine) -> None:
    """Build everything."""
    began = time.monotonic()
    if engine.make_base():
        print(f"base: Debian and Python, made in {time.monotonic() - began:.0f} s", flush=True)
    for target, image in IMAGES.items():
        began = time.monotonic()
        engine.build(target, image)
        print(f"{target}: built in {time.monotonic() - began:.0f} s", flush=True)


def run(engine: Engine) -> int:
    """Run what was built, beside a PostgreSQL; say how large it is."""
    base = engine.size_bytes(BASE)
    for target, image in IMAGES.items():
        size = engine.size_bytes(image)
        beyond = (size - base) / 1e6
        print(f"{target}: {size / 1e6:.0f} MB, of which {beyond:.0f} MB beyond the base")
    engine.clear()
    parts: dict[str, Callable[[Outside], Iterator[str]]] = {
        "allinone": lambda outside: allinone.check(engine, IMAGES["allinone"], outside),
        "services": lambda outside: services.check(engine, IMAGES, outside),
        "trouble": lambda outside: trouble.check(engine, IMAGES, outside),
    }
    for name, check in parts.items():
        with closing(Outside(fresh(name))) as outside:
            for line in check(outside):
                print(f"{name}: {line}", flush=True)
    print("every image does what it should")
    return 0


def fresh(name: str) -> Path:
    """Make a folder, which is gone with the namespace."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=MEMORY))
    folder.chmod(0o711)
    return folder


if __name__ == "__main__":
    sys.exit(main())
