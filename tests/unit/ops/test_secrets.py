"""ops/secrets: what it makes fits together, stays, and fits compose.yml."""

from __future__ import annotations

import re
import stat
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dewey_logs.tools.tokens import TokenFile
from godot.settings import load

ROOT = Path(__file__).resolve().parents[3]


def make(folder: Path) -> str:
    script = str(ROOT / "ops" / "secrets")
    done = subprocess.run(
        ["/bin/sh", script, str(folder)], capture_output=True, text=True, check=True
    )
    return done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets") / "made"
    make(folder)
    return folder


def test_the_folder_is_ours_alone_and_its_files_can_be_mounted(made: Path):
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()} == {0o644}


def test_what_is_there_is_kept(made: Path):
    before = {path.name: path.read_text() for path in made.iterdir()}
    (made / "grafana_admin").unlink()
    assert make(made).splitlines() == [f"made {made}/grafana_admin"]
    after = {path.name: path.read_text() for path in made.iterdir()}
    before.pop("grafana_admin"), after.pop("grafana_admin")
    assert after == before


def test_no_two_secrets_are_alike(made: Path):
    texts = [path.read_text() for path in made.iterdir()]
    assert len(texts) == len(set(texts))
    assert all(len(text) >= 40 for text in texts)


def test_every_program_reads_its_own(made: Path, tmp_path: Path):
    found = load(
        {
            "GODOT_DATA_DIR": str(tmp_path),
            "GODOT_REDIS_URL_FILE": str(made / "redis_worker_url"),
            "DEWEY_URL_FILE": str(made / "dewey_writer_url"),
            "DEWEY_TOKEN_FILE": str(made / "mcp_token"),
        }
    )
    parts = urlsplit(found.redis_url)
    assert (parts.username, parts.password) == ("worker", (made / "redis_worker").read_text())
    store = urlsplit(found.dewey_url or "")
    assert (store.username, store.password) == (
        "godot_writer",
        (made / "postgres_writer").read_text(),
    )
    known = TokenFile(made / "dewey_tokens").find(found.dewey_token or "")
    assert known is not None
    assert known.scopes == {"logs:read", "logs:admin"}
    agent = TokenFile(made / "godot_tokens").find((made / "agent_token").read_text())
    assert agent is not None
    assert agent.scopes == {"logs:read", "logs:write"}


def test_every_secret_of_compose_is_made(made: Path):
    wanted = re.findall(r"\./secrets/(\w+)", (ROOT / "compose.yml").read_text("utf-8"))
    assert wanted
    assert set(wanted) <= {path.name for path in made.iterdir()}
