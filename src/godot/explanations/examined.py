"""What `godot doctor` looks at, 5xxx: why it matters, and what to do where something is wrong."""

from __future__ import annotations

from godot.explanations._explanation import Explanation

EXAMINED: dict[str, Explanation] = {
    "GD-5001": Explanation(
        "versions",
        "Python has to be 3.11 or newer. Programs with an older client go on working: the wire "
        "format has a version of its own.",
    ),
    "GD-5002": Explanation(
        "settings",
        "Every variable is read and checked as the programs do at their start.",
    ),
    "GD-5003": Explanation(
        "the command",
        "The manual of the Godot game engine has its users put a program called godot into the "
        "PATH, too. Where that one comes first, call this one godot-logs, or python -m godot.",
    ),
    "GD-5004": Explanation(
        "room on the disk",
        "The disk under the data folder holds the embedded servers. When it is full PostgreSQL "
        "stops and Redis refuses records.",
    ),
    "GD-5010": Explanation(
        "Redis answers",
        "Redis 7.0 or Valkey 8 is needed. Each batch takes a few round trips, so a slow way to "
        "Redis is a slow worker.",
    ),
    "GD-5011": Explanation(
        "Redis may evict",
        "With another maxmemory-policy than noeviction Redis deletes whole keys when it is full: "
        "the stream, with every unread record. Workers refuse to run on such a server. CONFIG SET "
        "maxmemory-policy noeviction, and the same in redis.conf.",
    ),
    "GD-5012": Explanation(
        "Redis may forget",
        "Without appendonly a restart of Redis loses what is not stored yet. CONFIG SET appendonly "
        "yes, and the same in redis.conf. With appendfsync everysec a crash of the machine costs a "
        "second, with always nothing.",
    ),
    "GD-5013": Explanation(
        "rights in Redis",
        "A login needs the commands on streams, EVAL and TIME; INFO and MEMORY USAGE show more. "
        "Without EVAL looking at a stream brings whole entries.",
    ),
    "GD-5014": Explanation(
        "clocks",
        "The clocks of this machine, of Redis and of PostgreSQL differ. Nothing is lost by that, "
        "but ages are wrong by as much, and records whose time lies far off are stored under "
        "their entry's. Run NTP everywhere.",
    ),
    "GD-5015": Explanation(
        "abandoned consumers",
        "Workers leave their consumer behind when they die. Those that hold nothing are deleted "
        "after a day, or by `godot consumers prune`; what others hold is taken over by workers, or "
        "by `godot claim`. Many of them mean that workers die often.",
    ),
    "GD-5016": Explanation(
        "announcements",
        "Fields of the hash in which producers announce themselves cannot be read: something else "
        "writes there.",
    ),
    "GD-5020": Explanation(
        "the store answers",
        "PostgreSQL 15 or newer is needed. Through a Dewey its own login is what counts.",
    ),
    "GD-5021": Explanation(
        "commits are on the disk",
        "fsync and full_page_writes have to be on, or a crash may lose what was acknowledged; no "
        "worker writes to a server where they are off.",
    ),
    "GD-5022": Explanation(
        "the schema",
        "Migrations that this version brings have not run. `dewey migrate` applies them, safely "
        "from many hosts at once.",
    ),
    "GD-5023": Explanation(
        "logins",
        "A worker needs dewey_writer, queries need dewey_reader; only `dewey migrate`, `maintain` "
        "and `godot clear` need the owner. A login that may do everything also does by mistake "
        "whatever it may: give DEWEY_URL, DEWEY_READER_URL, DEWEY_OWNER_URL logins of their own.",
    ),
    "GD-5024": Explanation(
        "coming partitions",
        "`dewey serve` and `dewey maintain` make partitions days ahead. Where none of them runs, "
        "a worker has one made when it needs it; retention and indexes do not happen.",
    ),
    "GD-5025": Explanation(
        "indexes",
        "A partition that is over gets the indexes that search needs from `dewey serve` or `dewey "
        "maintain`; until then searches read it. An index that is not valid was cut short while it "
        "was built; maintenance builds it again.",
    ),
    "GD-5026": Explanation(
        "connections",
        "A worker holds up to three connections, a server of tools more. Near max_connections "
        "PostgreSQL refuses new ones, and workers wait.",
    ),
}
