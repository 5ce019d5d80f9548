"""buildah and podman, as root and without a daemon, over a storage of our own.

Nothing of the machine's is used or changed but cgroups while a container runs: images, volumes and
configuration lie in one folder. To be used in the namespaces that `__main__` makes.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.users import ROOT

BASE = "localhost/godot-base:bookworm"
MEMORY = Path("/dev/shm")  # not the machine's
# what has to be here, and which package of Debian brings it
PROGRAMS = {
    **{name: name for name in ("mmdebstrap", "buildah", "podman", "runc")},
    "ip": "iproute2",
    "unshare": "util-linux",
}
INCLUDED = "ca-certificates,python3,python3-venv"
# as in Debian's own images: a package that is installed starts nothing
NO_SERVICES = (
    'printf "#!/bin/sh\\nexit 101\\n" | install -m 755 /dev/stdin "$1/usr/sbin/policy-rc.d"'
)
MOST = 4_096
# what a machine trusts, and where it gets packages from, may be needed inside while building
GIVEN = (Path("/etc/ssl/certs"), Path("/etc/pip.conf"))
CONFIGURATION = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/layers"
runroot = "{folder}/run"
"""
HARDENED = (
    *("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
    *("--tmpfs=/tmp:rw,size=64m,mode=1777", "--pids-limit=128", "--memory=1g"),
)


def missing() -> str:
    """Return why images cannot be tried here, '' where they can."""
    if os.geteuid() != 0:
        return "only root can build and run images without a daemon"
    gone = [name for name in PROGRAMS if shutil.which(name) is None]
    if gone:
        packages = " ".join(PROGRAMS[name] for name in gone)
        install = f"apt-get install -y --no-install-recommends {packages}"
        return f"{', '.join(gone)} is not here: {install}"
    return ""


class Engine:
    """One storage; `folder` may be used again, which saves building what has not changed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        configuration = folder / "containers.conf"
        limits = {"files": _at_most("NOFILE"), "processes": _at_most("NPROC")}
        configuration.write_text(CONFIGURATION.format(**limits), "utf-8")
        storage = folder / "storage.conf"
        storage.write_text(STORAGE.format(folder=folder), "utf-8")
        self._environ = {
            **os.environ,
            "CONTAINERS_CONF": str(configuration),
            "CONTAINERS_STORAGE_CONF": str(storage),
            "DISABLE_HC_SYSTEMD": "true",
            "TMPDIR": str(folder),
        }

    def buildah(self, *arguments: str | Path) -> str:
        return self._run(["buildah", *map(str, arguments)])

    def podman(self, *arguments: str | Path, timeout_s: float = 120.0) -> str:
        return self._run(["podman", *map(str, arguments)], timeout_s)

    def printed_by(self, container: str) -> str:
        """Return a container's stdout, and its stderr after it."""
        done = subprocess.run(
            ["podman", "logs", container],
            env=self._environ,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout + done.stderr

    def _run(
        self,
        command: Sequence[str],
        timeout_s: float = 1_800.0,
        **variables: str,
    ) -> str:
        done = subprocess.run(
            command,
            env={**self._environ, **variables},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode:
            raise Failed(command, done.returncode, done.stdout + done.stderr)
        return done.stdout.strip()

    def clear(self) -> None:
        """Remove the containers and volumes that a run which was cut short left behind."""
        used = self.podman("info", "--format", "{{.Store.GraphRoot}} {{.Store.VolumePath}}")
        assert all(Path(path).is_relative_to(self.folder) for path in used.split()), used
        self.podman("system", "renumber")  # their locks went with the /dev/shm of that run
        self.podman("rm", "-f", "-a")
        self.podman("volume", "rm", "-f", "-a")

    def make_base(self) -> bool:
        """Make a small Debian with Python, unless it is there; say whether it was made."""
        if BASE in self.buildah("images", "--format", "{{.Name}}:{{.Tag}}").splitlines():
            return False
        archive = self.folder / "base.tar"
        command = ["mmdebstrap", "--variant=minbase", f"--include={INCLUDED}"]
        command += ["--dpkgopt=force-unsafe-io", f"--customize-hook={NO_SERVICES}"]
        command += ["bookworm", str(archive)]
        self._run(command, TMPDIR=str(MEMORY))  # thousands of small files
        container = self.buildah("from", "scratch")
        self.buildah("add", container, archive, "/")
        self.buildah("commit", "--rm", container, BASE)
        archive.unlink()
        return True

    def build(self, target: str, name: str) -> None:
        """Build one target of the Dockerfile as it is, on the base."""
        given = [path for path in GIVEN if path.exists()]
        self.build_from(ROOT / "ops" / "Dockerfile", ROOT, target, name, given, PY_IMAGE=BASE)

    def build_from(
        self,
        file: Path,
        context: Path,
        target: str,
        name: str,
        given: Sequence[Path] = (),
        **arguments: str,
    ) -> None:
        """Build one target of a file as it is; `given` are folders of the machine, to be read."""
        self.buildah(
            *("bud", "--isolation=chroot", "--pull=never", "--format=docker", "--layers"),
            *(part for path in given for part in ("-v", f"{path}:{path}:ro")),
            *(f"--build-arg={key}={value}" for key, value in arguments.items()),
            *("--target", target, "-t", name, "-f", file, context),
        )

    def size_bytes(self, image: str) -> int:
        """Return an image's size, its layers unpacked."""
        found: Any = json.loads(self.podman("image", "inspect", image))
        return int(found[0]["Size"])

    def run(self, image: str, *options: str, command: Sequence[str] = ()) -> Container:
        """Start a container, hardened as compose.yml does it, in this process's network."""
        id = self.podman("run", "-d", "--network=host", *HARDENED, *options, image, *command)
        return Container(self, id)


def _at_most(name: str) -> int:
    """Return a limit that we may give: podman's own is more than a root without rights may."""
    hard = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1]
    return MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)


class Failed(Exception):
    """A command that ended badly, and what it said."""

    def __init__(self, command: Sequence[str], code: int, said: str) -> None:
        self.code = code
        super().__init__(f"{' '.join(command[:6])} ... ended with {code}:\n{said[-3000:]}")


class Container:
    """One container; removed when it is closed."""

    def __init__(self, engine: Engine, id: str) -> None:
        self._engine = engine
        self.id = id

    def inside(self, *command: str) -> str:
        """Run a command in it and return what it printed."""
        return self._engine.podman("exec", self.id, *command)

    def assert_kept_apart(self) -> dict[str, str]:
        """Look from inside: no capability, no new privileges, nothing that can be written.

        Returns what /proc says of the first process.
        """
        told = dict(
            line.split(":\t", 1)
            for line in self.inside("cat", "/proc/1/status").splitlines()
            if ":\t" in line
        )
        assert "0" not in told["Uid"].split(), told["Uid"]
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(told[kind], 16) == 0, (kind, told[kind])
        assert told["NoNewPrivs"].strip() == "1"
        for place in ("/", "/etc", "/usr/bin", "/opt"):
            tried = self.inside("sh", "-c", f"touch {place}/probe 2>&1 || echo refused")
            assert "refused" in tried, (place, tried)
        return told

    def state(self) -> dict[str, Any]:
        found: Any = json.loads(self._engine.podman("inspect", self.id))
        state: dict[str, Any] = found[0]["State"]
        return state

    @property
    def pid(self) -> int:
        return int(self.state()["Pid"])

    def healthy(self) -> bool:
        """Run the image's own health check; without systemd nobody else does."""
        try:
            self._engine.podman("healthcheck", "run", self.id)
        except Failed:
            return False
        return True

    def await_health(self, seconds: float = 60.0) -> float:
        """Wait until it is healthy; return how long that took."""
        began = time.monotonic()
        while not self.healthy():
            waited = time.monotonic() - began < seconds and self.state()["Running"]
            assert waited, f"not healthy within {seconds} s:\n{self.log()[-4000:]}"
            time.sleep(0.3)
        return time.monotonic() - began

    def await_exit(self, seconds: float) -> int:
        """Wait until it ends by itself; return its exit code."""
        deadline = time.monotonic() + seconds
        while self.state()["Running"]:
            assert time.monotonic() < deadline, f"still running after {seconds} s:\n{self.log()}"
            time.sleep(0.3)
        return int(self.state()["ExitCode"])

    def stop(self, grace_s: int) -> tuple[float, int]:
        """Stop it as an engine does; return how long it took, and its exit code."""
        began = time.monotonic()
        self._engine.podman("stop", "-t", str(grace_s), self.id)
        return time.monotonic() - began, int(self.state()["ExitCode"])

    def log(self) -> str:
        """Return what it printed, on stdout and then on stderr."""
        return self._engine.printed_by(self.id)

    def close(self) -> None:
        self._engine.podman("rm", "-f", "-t", "1", self.id)
