"""What comes along with an import: a program pays for what it uses, and finds every public name."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

import clientlib
import dewey_logs

STATUS = "from godot import findings, snapshot, status; from dewey_logs import store_totals"
CHECKS = "from godot import checks; from godot.stream import direct"


@pytest.mark.parametrize("package", [clientlib, dewey_logs])
def test_every_public_name_can_be_had_and_is_kept(package: ModuleType):
    for name in package.__all__:
        found = getattr(package, name)
        assert vars(package)[name] is found, "it is looked for once"
    with pytest.raises(AttributeError, match="no attribute 'NoSuchName'"):
        _ = package.NoSuchName


def printed(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_a_look_at_the_pipeline_imports_neither_a_sender_nor_what_searches_and_writes():
    spare = {
        "redis",
        "clientlib.sender",
        "clientlib.record",
        "dewey_logs.filters",
        "dewey_logs.writer",
        "psycopg_pool",
        "prometheus_client",
        "rich",
    }
    assert printed(f"import sys; {STATUS}; print(*sorted({spare} & set(sys.modules)))") == "\n"


def test_a_check_of_the_stream_imports_no_driver_at_all():
    heavy = {"redis", "psycopg", "asyncio"}
    assert printed(f"import sys; {CHECKS}; print(*sorted({heavy} & set(sys.modules)))") == "\n"


def test_a_command_s_name_is_completed_without_importing_any_command():
    asked = "BashComplete(godot, {}, 'godot', '').get_completions([], '')"
    commands = "{m for m in sys.modules if m.startswith('godot.cli.') and '._' not in m}"
    said = printed(
        "import sys; from click.shell_completion import BashComplete; from godot.cli import godot;"
        f" print(len({asked}) > 40, *{commands})"
    )
    assert said == "True\n"
