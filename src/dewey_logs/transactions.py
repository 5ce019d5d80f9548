"""Waiting for transactions of others to end, before what would wait for them anyway.

A statement that waits and gives up in the end leaves something half done. Looking from outside
leaves nothing, takes no lock, and needs no right: whoever may not see how long a transaction has
lasted sees all the same whether it is still there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import LiteralString

from dewey_logs.database import Connection
from dewey_logs.statements import statement

LOOK_AGAIN_S = 0.05


def ended(
    connection: Connection,
    which: LiteralString,
    within_s: float,
    parameters: Mapping[str, object] | None = None,
) -> bool:
    """Say whether those that a statement names now are over within so many seconds.

    Those that begin meanwhile do not count. Costs a look at `pg_locks` every 50 ms.
    """
    deadline = time.monotonic() + within_s

    def found() -> set[str]:
        return {name for (name,) in connection.execute(statement(which), parameters)}

    left = found()
    while left and time.monotonic() < deadline:
        time.sleep(LOOK_AGAIN_S)
        left &= found()
    return not left
