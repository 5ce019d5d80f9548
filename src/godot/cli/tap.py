"""LOOK: what passes between an MCP client and its server, and why a tool cannot be called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import click

from godot.cli._errors import FAILURE, FOUND, fail
from godot.cli._filters import with_zone
from godot.cli._group import Command
from godot.cli._number import Whole
from godot.cli._output import emit_document, note, output_options, sanitise

if TYPE_CHECKING:
    from dewey_logs import LogRecordView
    from godot.settings import Settings


def _address(_: click.Context, __: click.Parameter, given: str | None) -> SplitResult | None:
    if given is None:
        return None
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.BadParameter(f"{given!r} is no http:// or https:// address")
    return parts


@click.command(
    cls=Command,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    examples="""
    godot tap --as files -- npx -y @modelcontextprotocol/server-filesystem /srv
    godot tap -- python -m my_server          in a client's configuration, in place of the command
    godot tap --as files --listen 9100 --to http://127.0.0.1:8000/mcp
    """,
)
@click.option("--as", "name", metavar="NAME", help="The component; default: what the command runs.")
@click.option(
    "--propagate", is_flag=True,
    help="Give requests a trace id in params._meta, so that the server logs under it, too.",
)  # fmt: skip
@click.option(
    "--spill", metavar="FILE", type=click.Path(dir_okay=False),
    help="Where records go while Redis does not take them; default: nowhere, the newest wait.",
)  # fmt: skip
@click.option("--listen", type=Whole(1, 65_535), metavar="PORT", help="Speak HTTP here.")
@click.option("--to", metavar="URL", callback=_address, help="The server behind --listen.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def tap(
    name: str | None,
    propagate: bool,
    spill: str | None,
    listen: int | None,
    to: SplitResult | None,
    command: tuple[str, ...],
) -> None:
    """Run an MCP server and record every message that passes. [write]

    Everything passes byte for byte: stdin, stdout, stderr, signals, the exit code; --propagate
    alone changes requests. Each JSON-RPC message becomes a record at TRACE with the trace id of its
    request, each line of stderr becomes one, too. Redis may be away. With --listen and --to it
    stands before a server on HTTP, until Ctrl-C.
    """
    if listen is not None and to is not None and not command:
        _listen(name or to.hostname or "server", listen, to, propagate, spill)
        return
    if listen is not None or to is not None:
        raise click.UsageError("--listen and --to belong together, and to no command")
    from godot.tap import stdio
    from godot.tap.naming import name_of
    from godot.tap.propagation import Propagation
    from godot.tap.recorder import Recorder

    if not command:
        raise click.UsageError("no server given: godot tap [--as NAME] -- COMMAND ARGS...")
    recorder = Recorder(name or name_of(command), {"command": list(command)}, spill)
    try:
        stdio.run(command, recorder, Propagation() if propagate else None)
    except OSError as exc:
        fail("GD-4010", f"{command[0]} cannot be started: {exc.strerror}", "", _shell_code(exc))


def _listen(name: str, port: int, to: SplitResult, propagate: bool, spill: str | None) -> None:
    from godot.tap.feed import Kind
    from godot.tap.http import Proxy
    from godot.tap.recorder import Recorder

    recorder = Recorder(name, {"to": to.geturl()}, spill)  # before there is a socket to inherit
    try:
        listening = Proxy(port, to, recorder.feed, propagate=propagate)
    except OSError as exc:
        recorder.finish()
        fail("GD-4008", f"port {port} cannot be had: {exc.strerror}", "choose another --listen")
    with listening as proxy:
        note(f"http://127.0.0.1:{proxy.server_port}{to.path} leads to {to.geturl()}")
        proxy.serve()
    recorder.feed.put(Kind.ABOUT, b"{}")
    recorder.finish()


def _shell_code(exc: OSError) -> int:
    """Return what a shell exits with for a command that it cannot run."""
    return {FileNotFoundError: 127, PermissionError: 126}.get(type(exc), FAILURE)


@click.command(
    cls=Command,
    examples="""
    godot tap-report                          every tapped server of the last hour
    godot tap-report files --since 1d -o json  one of them, for a program
    godot tap-report --between gates dewey    how their tools differ in shape
    """,
)
@click.argument("names", nargs=-1)
@click.option("-s", "--since", default="1h", show_default=True, help="15m, 2h, or RFC 3339.")
@click.option(
    "--between", nargs=2, metavar="A B", help="Compare what two servers say of themselves."
)
@output_options
@click.pass_context
def tap_report(
    context: click.Context,
    names: tuple[str, ...],
    since: str,
    between: tuple[str, str] | None,
    output: str,
) -> None:
    """Show what tapped servers were asked and answered, and which tools cannot be called. [read]

    Each message is checked against the protocol's schema for its version. Exit code 4: a tool
    cannot be called as it is listed, or a message breaks the protocol.
    """
    from godot.settings import load
    from godot.tap import report, report_text
    from godot.tap.capture import captures

    names = (*names, *(between or ()))
    found = captures(_recorded(load(), names, since))
    known = {capture.component: capture for capture in found}
    for name in names:
        if name not in known:
            note(f"nothing was recorded of {name} since {since}")
    if not names and not found:
        note(f"nothing was recorded since {since}: godot tap records; see its --help")
    servers = [report.server_document(capture) for capture in found]
    document: dict[str, object] = {"servers": servers}
    lines = [line for server in servers for line in report_text.server_lines(server)]
    both = between is not None and all(name in known for name in between)
    if between and both:
        compared = report.between(known[between[0]], known[between[1]])
        document["between"] = {
            method: [{"path": d.path, between[0]: d.first, between[1]: d.second} for d in places]
            for method, places in compared.items()
        }
        lines += report_text.between_lines(between, compared)
    form = "text" if output == "plain" else output
    emit_document(document, map(sanitise, lines), output=form, schema="godot.tap-report/1")
    if between and not both:
        context.exit(FAILURE)
    if not all(report.is_sound(server) for server in servers):
        context.exit(FOUND)


def _recorded(settings: Settings, names: tuple[str, ...], since: str) -> Iterator[LogRecordView]:
    from godot.cli._store import opened
    from godot.tap.stored import recorded

    with opened(settings) as store:
        yield from recorded(store, names, with_zone(since))
