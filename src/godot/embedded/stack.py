"""The whole system over one data folder: what `godot up` runs, until a signal.

Servers first, then the schema, then our programs. The stack is published in endpoint.json only
while all of it is ready, so that a program that finds the file finds servers that answer.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from godot.embedded import endpoint as endpoints
from godot.embedded import folder, instance
from godot.embedded.complaints import MAX_LOG_BYTES, Complaints, move_aside
from godot.embedded.endpoint import Endpoint
from godot.embedded.plan import DATABASE, LOGINS, Options, Plan, make, programs, servers
from godot.embedded.services import LOG_FOLDER, SERVER_NAMES
from godot.embedded.supervisor import Interrupted, Supervisor
from godot.errors import GodotError, StackProblem, StreamUnavailable
from godot.settings import Settings

LEFTOVERS_S = 40.0  # longer than any child takes to stop by itself


def run(
    options: Options,
    *,
    say: Callable[[str], None],
    on_ready: Callable[[Endpoint], None],
    environ: Mapping[str, str] | None = None,
) -> signal.Signals:
    """Run a stack until a signal; return that signal once everything has stopped.

    Raises GodotError (or DeweyError, from the migration) when it cannot start; whatever was
    started is stopped by then. Call it from the main thread.
    """
    data_dir = options.data_dir
    folder.prepare(data_dir)
    if options.ephemeral:
        folder.require_no_data(data_dir)
    with instance.Lock(data_dir):
        try:
            _clear_leftovers(data_dir, say)
            plan = make(options, os.environ if environ is None else environ)
            with folder.explained(data_dir):
                return _Stack(plan, say).run(on_ready)
        finally:
            if options.ephemeral:
                folder.wipe(data_dir)
                with suppress(OSError):  # something else was put there meanwhile: it stays
                    data_dir.rmdir()


def _clear_leftovers(data_dir: Path, say: Callable[[str], None]) -> None:
    """Undo what a killed run left: its children first, they may still be writing."""
    if instance.leftovers(data_dir):
        say("waiting for what an earlier run left to end")
    for name in instance.end_leftovers(data_dir, SERVER_NAMES, LEFTOVERS_S):
        say(f"{name} of an earlier run was still there and was killed")
    endpoints.remove(data_dir)
    for announcement in (data_dir / instance.RUN_FOLDER).glob("*-*.json"):
        announcement.unlink(missing_ok=True)
    for log in (data_dir / LOG_FOLDER).glob("*.log"):
        if log.stat().st_size > MAX_LOG_BYTES:
            move_aside(log)


def _require_stream(settings: Settings) -> None:
    """Ask the given server now, rather than wait until no worker was ready for half a minute."""
    from godot.stream import connection

    client = connection.connect(settings)
    try:
        with connection.translated():
            client.ping()
    except StreamUnavailable as exc:
        raise _given_server_away(exc, "GODOT_REDIS_URL", "GD-2001") from exc
    finally:
        connection.close(client)


def _given_server_away(exc: Exception, variable: str, code: str) -> StackProblem:
    return StackProblem(
        str(exc), f"start it, or unset {variable} for a server of our own", code, exit_code=3
    )


class _Stack:
    """One run of a plan."""

    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        self.plan = plan
        self.data_dir = plan.options.data_dir
        self.say = say
        self.programs = programs(plan)
        self.complaints = Complaints()
        self.published: Endpoint | None = None
        self.started_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self.supervisor = Supervisor(
            say=say, changed=self._write_down, each_tick=self._pass_on_complaints
        )

    def run(self, on_ready: Callable[[Endpoint], None]) -> signal.Signals:
        supervisor = self.supervisor
        with supervisor.signals():
            try:
                self._start()
                self.published = self._endpoint()
                endpoints.write(self.published)
                on_ready(self.published)
                return supervisor.watch()
            except (Interrupted, GodotError):
                # a Ctrl-C reaches short helpers like createdb too: their failure is no news then
                if supervisor.stop_signal is None:
                    raise
                return supervisor.stop_signal
            finally:
                self.published = None
                endpoints.remove(self.data_dir)
                supervisor.close()
                instance.remove_record(self.data_dir)

    def _start(self) -> None:
        plan = self.plan
        deadline = time.monotonic() + plan.options.start_timeout_s
        if plan.valkey is None:
            _require_stream(plan.settings)
        self.supervisor.start(servers(plan), deadline)
        if plan.postgres is not None:
            plan.postgres.create_database(DATABASE)
        self._migrate()
        if plan.postgres is not None:
            for login, role in LOGINS.items():
                plan.postgres.create_login(login, role)
        for program in self.programs:
            self.complaints.follow(program.log)
        self.supervisor.start(self.programs, deadline)

    def _migrate(self) -> None:
        from dewey_logs import Unavailable
        from dewey_logs.migrations import migrate

        store = self.plan.store
        if store.is_dewey:
            return  # whoever runs it does
        try:
            applied = migrate(store.owner or store.writer, remark=self.say)
        except Unavailable as exc:
            raise _given_server_away(exc, "DEWEY_URL", "GD-2003") from exc
        about = f"{len(applied)} migrations applied" if applied else "up to date"
        self.say(f"  ✓ {'schema':<11} {about}")

    def _endpoint(self) -> Endpoint:
        plan = self.plan
        return Endpoint(
            redis_url=plan.redis_url,
            dewey_url=plan.store.writer,
            dewey_reader_url=plan.store.reader,
            dewey_owner_url=plan.store.owner,
            stream=plan.settings.stream,
            group=plan.settings.group,
            godot_mcp_url=plan.godot_mcp_url,
            dewey_mcp_url=plan.dewey_mcp_url,
            metrics_urls=tuple(p.metrics_url for p in self.programs if p.metrics_url is not None),
            pid=os.getpid(),
            started_at=self.started_at,
            data_dir=str(self.data_dir),
        )

    def _write_down(self) -> None:
        """Keep the record of processes and the published addresses true."""
        try:
            instance.write_record(
                self.data_dir, self.supervisor.children, ephemeral=self.plan.options.ephemeral
            )
            if self.published is not None and self.published != self._endpoint():
                self.published = self._endpoint()
                endpoints.write(self.published)
        except OSError as exc:
            if self.published is None:
                raise
            self.say(f"the record of what runs cannot be written: {exc}")  # no reason to stop

    def _pass_on_complaints(self) -> None:
        for name, complaint in self.complaints.new():
            self.say(f"{name}: {complaint}")
