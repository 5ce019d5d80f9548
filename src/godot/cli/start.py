"""START: run the whole system here, stop it, and tell others how to reach it."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from godot.cli._group import Command
from godot.cli._number import Whole
from godot.cli._output import (
    INTERRUPTED,
    UNCONFIRMED,
    UNREACHABLE,
    fail,
    json_text,
    note,
    sanitise,
    write_line,
)
from godot.cli._times import Rate, Span

if TYPE_CHECKING:
    from godot.embedded.endpoint import Endpoint

DEFAULT_RATE = "50/s"
MOST_A_SECOND = 10_000.0


class DemoRate(Rate):
    """A rate that one process can send at."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        rate = super().convert(value, param, ctx)
        if rate > MOST_A_SECOND:
            self.fail(f"{value!r} is too much: at most {MOST_A_SECOND:g}/s", param, ctx)
        return rate


def _or_default(given: Path | None) -> Path:
    if given is None:
        from clientlib import default_data_dir

        given = Path(os.environ.get("GODOT_DATA_DIR") or default_data_dir())
    return given.absolute()


data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the stack keeps its data; default: GODOT_DATA_DIR, else a folder of its own.",
)


@click.command(
    cls=Command,
    examples="""
    godot up                             follow it here; Ctrl-C stops everything
    godot up --demo 200/s                with sample traffic
    godot up --detach --wait 30s         return when it is ready (for scripts)
    """,
)
@data_dir_option
@click.option("--ephemeral", is_flag=True, help="Keep nothing: the data goes when the stack stops.")
@click.option("--workers", type=Whole(1, 64), default=1, show_default=True)
@click.option("--detach", is_flag=True, help="Run in the background, return when ready.")
@click.option(
    "--wait",
    "wait_ms",
    type=Span(),
    default="30s",
    show_default=True,
    help="How long starting may take.",
)
@click.option(
    "--demo",
    "demo_rate",
    type=DemoRate(),
    is_flag=False,
    flag_value=DEFAULT_RATE,
    metavar="[RATE]",
    help=f"Send sample traffic of several components, {DEFAULT_RATE} unless given.",
)
@click.pass_context
def up(
    context: click.Context,
    data_dir: Path | None,
    ephemeral: bool,
    workers: int,
    detach: bool,
    wait_ms: int,
    demo_rate: float | None,
) -> None:
    """Run the whole system here: servers, schema, workers, tools for agents, metrics. [write]

    Valkey and PostgreSQL come from wheels and keep everything in one folder; with GODOT_REDIS_URL
    or DEWEY_URL set, those servers are used instead and not touched beyond our keys and schema.
    """
    from godot.embedded import background, stack
    from godot.embedded.plan import Options

    wait_s = wait_ms / 1000
    data_goes = " and removes the data." if ephemeral else "; the data stays."
    where = _new_folder() if ephemeral and data_dir is None else _or_default(data_dir)
    if detach:
        arguments = [f"--workers={workers}", f"--wait={wait_s}s", *["--ephemeral"] * ephemeral]
        if demo_rate is not None:
            arguments.append(f"--demo={demo_rate}")
        endpoint = background.start(arguments, where, wait_s)
        note(f"godot runs in the background (process {endpoint.pid}), its log is in {where}/logs")
        _explain(endpoint, f"godot down stops it{data_goes}")
        return
    options = Options(
        data_dir=where,
        workers=workers,
        ephemeral=ephemeral,
        demo_rate=demo_rate,
        start_timeout_s=wait_s,
    )
    ending = f"Ctrl-C stops everything{data_goes}"
    note(f"godot {_version()}: embedded stack in {where} (nothing outside is touched)")
    begun = time.monotonic()

    def on_ready(endpoint: Endpoint) -> None:
        _say(f"Ready in {time.monotonic() - begun:.1f} s")
        _explain(endpoint, ending)

    stopped_by = stack.run(options, say=_say, on_ready=on_ready)
    note("stopped" + ("" if ephemeral else f"; the data is in {where}"))
    context.exit(INTERRUPTED if stopped_by == signal.SIGINT else 0)


@click.command(
    cls=Command,
    examples="""
    godot down                           stop what runs, keep its data
    godot down --wipe                    and remove the data, once you have said yes
    godot down --wipe --yes              the same for a script
    """,
)
@data_dir_option
@click.option("--wipe", is_flag=True, help="Remove the data as well.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def down(data_dir: Path | None, wipe: bool, yes: bool) -> None:
    """Stop what `up` started over a data folder, and wait until all of it has ended. [destroys]

    Data goes with --wipe alone.
    """
    from godot.embedded import background, folder
    from godot.wording import count

    where = _or_default(data_dir)
    if wipe:
        folder.require_ours(where)
    if wipe and not yes:
        _confirm_wipe(where)
    ended = background.stop(where)
    note(
        f"stopped {count(len(ended), 'process', 'processes')}"
        if ended
        else f"nothing runs over {where}"
    )
    if wipe:
        folder.wipe(where)
        note(f"removed the data in {where}")


@click.command(
    cls=Command,
    examples="""
    eval "$(godot env)"                  this shell and its programs use what runs
    godot env -o env > .env              for tools that read such files
    godot env -o json | jq -r .redis_url
    """,
)
@data_dir_option
@click.option(
    "-o",
    "--output",
    type=click.Choice(("shell", "env", "json")),
    default="shell",
    show_default=True,
)
def env(data_dir: Path | None, output: str) -> None:
    """Print how to connect to what runs: variables, or everything as JSON. [read]"""
    from godot.embedded import endpoint as endpoints

    where = _or_default(data_dir)
    endpoint = endpoints.running(where)
    if endpoint is None:
        fail("GD-4012", f"nothing runs over {where}", "start it with: godot up", UNREACHABLE)
    if output == "json":
        import msgspec

        write_line(json_text(msgspec.to_builtins(endpoint), indent=2))
    elif output == "shell":
        write_line(endpoints.shell_text(endpoint))
    else:
        for name, value in endpoints.variables(endpoint).items():
            write_line(f"{name}={value}")


def _say(line: str) -> None:
    with suppress(OSError):  # nobody reads along any more: no reason to stop
        note(sanitise(line))


def _explain(endpoint: Endpoint, ending: str) -> None:
    """Say what runs where, how to connect and what to try."""
    from clientlib import default_data_dir

    elsewhere = Path(endpoint.data_dir) != default_data_dir()
    finding = f"export GODOT_DATA_DIR={shlex.quote(endpoint.data_dir)}" if elsewhere else ""
    lines = [
        "",
        *([f"  First     {finding}"] if finding else []),
        "  Python    from clientlib import ICCMLogger",
        '            ICCMLogger(component="api").info("hello")  # finds this stack',
        '  Shell     eval "$(godot env)"',
        f"  Agents    {endpoint.godot_mcp_url}   (tools for reading and writing logs)",
        f"            {endpoint.dewey_mcp_url}   (the store itself)",
        *_metrics_lines(endpoint.metrics_urls),
        "  Try       godot tail -f     godot status     godot query -l error --since 10m",
        "",
        ending,
    ]
    for line in lines:
        _say(line)


def _metrics_lines(urls: tuple[str, ...]) -> list[str]:
    heads = ["  Metrics   ", *["            "] * (len(urls) - 1)]
    return [head + url for head, url in zip(heads, urls, strict=False)]


def _confirm_wipe(where: Path) -> None:
    from godot.embedded import background, folder

    parts = folder.contents(where)
    runs = background.runs_here(where)
    note(f"Plan (nothing done yet) for {where}:")
    note(f"  stop process {runs} and its children" if runs else "  nothing runs")
    for part in parts:
        note(f"  remove {part.name}  ({folder.size_bytes(part) / 1e6:.1f} MB)")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        fail("GD-4013", "this removes data", "run again with --yes", UNCONFIRMED)
    if not click.confirm("Remove it?", err=True):
        fail("GD-4013", "nothing was done", exit_code=UNCONFIRMED)


def _new_folder() -> Path:
    import tempfile

    return Path(tempfile.mkdtemp(prefix="godot-"))


def _version() -> str:
    import godot

    return godot.__version__
