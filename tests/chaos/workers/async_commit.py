"""A mutant: commits without waiting for the disk, so that a crash of PostgreSQL takes it back."""

from __future__ import annotations

from dewey_logs.patience import PatientConnection
from dewey_logs.writer import Writer
from godot.__main__ import main

connected = Writer._connected


def careless(self: Writer) -> PatientConnection:
    connection = connected(self)  # which turns it on; so afterwards
    connection.execute("SET synchronous_commit = off")
    return connection


Writer._connected = careless  # type: ignore[method-assign]  # the mutation
main()
