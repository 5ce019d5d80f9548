"""The `godot` command. Importing this imports click and nothing else of weight."""

from __future__ import annotations

import click

from godot import __version__
from godot.cli._group import Entry, LazyGroup
from godot.cli._output import color_option, decide_colour

__all__ = ["COMMANDS", "godot"]

COMMANDS: tuple[Entry, ...] = (
    Entry("up", "godot.cli.start", "up", "Run the whole system here, servers included.", "START"),
    Entry("down", "godot.cli.start", "down", "Stop what `up` started.", "START"),
    Entry("env", "godot.cli.start", "env", "Print how to connect to what runs.", "START"),
    Entry("run", "godot.cli.run", "run", "Run a program; its lines are records.", "START"),
    Entry("ingest", "godot.cli.send", "ingest", "Send files or stdin as records.", "START"),
    Entry("emit", "godot.cli.send", "emit", "Send one record.", "START"),
    Entry("status", "godot.cli.status", "status", "Show whether records arrive.", "LOOK"),
    Entry("top", "godot.cli.top", "top", "Watch the same, full screen.", "LOOK"),
    Entry("tail", "godot.cli.tail", "tail", "Show the newest records; -f follows.", "LOOK"),
    Entry("query", "godot.cli.query", "query", "Find stored records.", "LOOK"),
    Entry("show", "godot.cli.show", "show", "Show one record and those beside it.", "LOOK"),
    Entry("trace", "godot.cli.trace", "trace", "Show one trace as a waterfall.", "LOOK"),
    Entry("count", "godot.cli.count", "count", "Count records, over time or by field.", "LOOK"),
    Entry("patterns", "godot.cli.patterns", "patterns", "Show kinds of messages.", "LOOK"),
    Entry("view", "godot.cli.view", "view", "Make any JSON lines readable.", "LOOK"),
    Entry("tap", "godot.cli.tap", "tap", "Record what an MCP server is told and says.", "LOOK"),
    Entry("tap-report", "godot.cli.tap", "tap_report", "Tell why tools cannot be called.", "LOOK"),
    Entry("streams", "godot.cli.streams", "streams", "Show what streams hold.", "PIPELINE"),
    Entry("producers", "godot.cli.producers", "producers", "Show who sends, and what.", "PIPELINE"),
    Entry("groups", "godot.cli.groups", "groups", "Show who reads, and how it does.", "PIPELINE"),
    Entry("consumers", "godot.cli.consumers", "consumers", "See to workers.", "PIPELINE"),
    Entry("pending", "godot.cli.pending", "pending", "Show what workers hold.", "PIPELINE"),
    Entry("peek", "godot.cli.peek", "peek", "Show entries as they are.", "PIPELINE"),
    Entry("check", "godot.cli.check", "check", "Check one thing, for monitoring.", "PIPELINE"),
    Entry("audit", "godot.cli.audit", "audit", "Prove that nothing is lost.", "REPAIR"),
    Entry("claim", "godot.cli.repair", "claim", "Settle what dead workers left.", "REPAIR"),
    Entry("replay", "godot.cli.repair", "replay", "Store again what is streamed.", "REPAIR"),
    Entry("ack", "godot.cli.repair", "ack", "Give pending entries up.", "REPAIR"),
    Entry("dlq", "godot.cli.dlq", "dlq", "See to dead letters.", "REPAIR"),
    Entry("clear", "godot.cli.clear", "clear", "Remove stored records.", "REPAIR"),
    Entry("worker", "godot.cli.operate", "worker", "Move records into the store.", "OPERATE"),
    Entry("mcp", "godot.cli.operate", "mcp", "Serve the tools for agents.", "OPERATE"),
    Entry("token", "godot.cli.operate", "token", "Make a token for the tools.", "OPERATE"),
    Entry("level", "godot.cli.level", "level", "Set what programs log.", "OPERATE"),
    Entry("doctor", "godot.cli.doctor", "doctor", "Find what is wrong.", "OPERATE"),
    Entry("explain", "godot.cli.explain", "explain", "Say what a code means.", "OPERATE"),
    Entry("config", "godot.cli.config", "config", "Show the settings in force.", "OPERATE"),
    Entry("completion", "godot.cli.completion", "completion", "Complete in a shell.", "OPERATE"),
    Entry("rules", "godot.cli.export", "rules", "Alert rules for Prometheus.", "OPERATE"),
    Entry("dashboards", "godot.cli.export", "dashboards", "Dashboards for Grafana.", "OPERATE"),
    Entry("bench", "godot.cli.bench", "bench", "Measure what the servers take.", "OPERATE"),
    Entry("version", "godot.cli.operate", "version", "Print versions.", "OPERATE"),
)

EXAMPLES = """
godot up --demo                           run everything here, with sample traffic
godot tail -f -l warn                     follow warnings and errors
godot query "card declined" --since 1h    find what was stored
journalctl -o cat | godot ingest -        send other programs' logs
"""


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    examples=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
@click.version_option(
    __version__,
    prog_name="godot",
    message="%(prog)s %(version)s",
    help="Print the version; `godot version` prints more.",
)
@color_option
@click.pass_context
def godot(context: click.Context, quiet: bool) -> None:
    """Collect, keep and find the logs of many small programs, each record exactly once."""
    if context.color is None:
        context.color = decide_colour()
