"""Small file systems of the world's own, which a fault can fill: tmpfs, for root only.

They are mounted in a mount namespace that this process makes for itself, so that they go with the
last process that sees them, however that ends. What is kept in memory needs no fsync: a crash of a
process loses the same on either, a power cut is not tried here.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg import sql

from godot.embedded.postgres import Postgres

CLONE_NEWNS = 0x00020000
MEGABYTE = 1_048_576

_private = False


class NotPossible(Exception):
    """Nothing can be mounted here; says why."""


class Volume:
    """One tmpfs: mounted at once, shrunk to what it holds by `fill`, unmounted by `close`."""

    def __init__(self, folder: Path, size_mb: int, owner: tuple[int, int]) -> None:
        self.folder = folder
        self._size = size_mb * MEGABYTE
        folder.mkdir(parents=True)
        uid, gid = owner
        _mount(
            *("-t", "tmpfs", "-o", f"size={self._size},mode=700,uid={uid},gid={gid}"),
            *("godot-chaos", str(folder)),
        )

    def fill(self, spare: int = 0) -> None:
        """Leave no more than `spare` bytes; what is written meanwhile may make it try again."""
        for _ in range(50):
            about = os.statvfs(self.folder)
            used = (about.f_blocks - about.f_bfree) * about.f_frsize
            try:
                self._resize(used + spare)
            except NotPossible:
                spare += 65_536
                time.sleep(0.01)
            else:
                return
        raise AssertionError(f"{self.folder} cannot be filled")

    def free(self) -> None:
        self._resize(self._size)

    def _resize(self, size: int) -> None:
        _mount("-o", f"remount,size={size}", str(self.folder))

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=False, capture_output=True)


class Volumes:
    """Where Redis keeps its file, PostgreSQL its tables and its write-ahead log."""

    def __init__(self, folder: Path, database_owner: tuple[int, int]) -> None:
        folder.mkdir()
        folder.chmod(0o711)
        self._made: list[Volume] = []
        try:
            self.redis = self._volume(folder / "redis", (os.geteuid(), os.getegid()))
            self.data = self._volume(folder / "data", database_owner)
            self.wal = self._volume(folder / "wal", database_owner)
        except NotPossible:
            self.close()
            raise

    def _volume(self, folder: Path, owner: tuple[int, int]) -> Volume:
        self._made.append(Volume(folder, 4_096, owner))
        return self._made[-1]

    def settle(self, postgres: Postgres, database: str) -> None:
        """Move a database and the write-ahead log of a running server to where they belong."""
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            place = sql.Literal(str(self.data.folder))
            name = sql.Identifier(database)
            connection.execute(sql.SQL("CREATE TABLESPACE chaos LOCATION {}").format(place))
            connection.execute(sql.SQL("ALTER DATABASE {} SET TABLESPACE chaos").format(name))
        postgres.stop()
        log = postgres.cluster / "pg_wal"
        subprocess.run(["mv", str(log), str(self.wal.folder)], check=True)
        log.symlink_to(self.wal.folder / log.name)
        postgres.start()

    def free(self) -> None:
        for volume in self._made:
            volume.free()

    def close(self) -> None:
        while self._made:
            self._made.pop().close()


def make(folder: Path, postgres: Postgres) -> Volumes | str:
    """Mount all of them; return why not when that is not possible here."""
    try:
        _own_namespace()
        owner = pwd.getpwnam(postgres.user or "root")
        return Volumes(folder, (owner.pw_uid, owner.pw_gid))
    except (NotPossible, OSError) as exc:
        return f"nothing can be mounted: {exc}"


def _own_namespace() -> None:
    """Leave the machine's mounts to the machine: once, before any thread or child is there."""
    global _private
    if os.geteuid() != 0:
        raise NotPossible("only root may")
    if _private:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        raise NotPossible(os.strerror(ctypes.get_errno()))
    _mount("--make-rprivate", "/")
    _private = True


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        raise NotPossible((done.stderr or f"mount ends with {done.returncode}").strip())
