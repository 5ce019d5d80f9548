"""What a server must be like before we rely on it.

Asked by INFO, which even a narrow ACL user may have, rather than CONFIG GET. An evicting policy
deletes whole streams, with every unread record and the group in them: that is refused. No AOF means
that a restart of Redis loses what is not stored yet: that is said loudly, and so is what a user
without INFO cannot be told.
"""

from __future__ import annotations

import redis

from godot.errors import Refused
from godot.stream.connection import told


def check(client: redis.Redis) -> list[str]:
    """Return warnings about the server; raise Refused when it cannot be trusted with records."""
    memory = told(client, "memory")
    persistence = told(client, "persistence")
    policy = memory.get("maxmemory_policy")
    warnings = []
    if policy is None:
        warnings.append("maxmemory-policy could not be read: it must be noeviction")
    elif policy != "noeviction" and int(memory.get("maxmemory", 0)):
        raise Refused(
            f"Redis may evict the stream: maxmemory-policy is {policy}, allowed is noeviction "
            "(CONFIG SET maxmemory-policy noeviction)"
        )
    elif policy != "noeviction":
        warnings.append(f"maxmemory-policy is {policy}: with a maxmemory it would evict the stream")
    if "aof_enabled" not in persistence:
        warnings.append("appendonly could not be read: it should be on")
    elif not persistence["aof_enabled"] and not persistence.get("loading"):
        warnings.append("appendonly is off: a restart of Redis loses what is not stored yet")
    return warnings
