"""Ports, settled before anything starts, so that a taken one is an error of its own."""

from __future__ import annotations

import socket

from godot.errors import StackProblem


def choose(host: str, wanted: int, variable: str, *, otherwise_any: bool) -> int:
    """Return the wanted port if it is free; 0 means any free one.

    Raises StackProblem when it is taken and another would not do. Between this and the bind
    someone else may take it; the program that binds then says so.
    """
    if wanted and is_free(host, wanted):
        return wanted
    if wanted and not otherwise_any:
        raise StackProblem(
            f"port {wanted} on {host} is taken",
            f"stop what listens there, or choose with {variable} (0: any free port)",
            "GD-4008",
        )
    with _socket(host) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    try:
        with _socket(host) as probe:
            probe.bind((host, port))
    except OSError:
        return False
    return True


def _socket(host: str) -> socket.socket:
    probe = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    # as the programs themselves: a closed connection that still lingers is no obstacle
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return probe
