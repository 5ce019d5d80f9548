"""What doctor finds on servers that are as they should be, and on others."""

from __future__ import annotations

import json
import tarfile
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from godot import snapshot
from godot.doctor import machine, redis_side, store_side
from godot.stream import diagnosis
from godot.stream.connection import close, connect
from godot.stream.diagnosis import RedisFacts

SOUND = RedisFacts(
    version="valkey 9.1.2",
    answer_ms=0.1,
    clock_ahead_ms=3.0,
    policy="noeviction",
    memory_limit_bytes=0,
    appendonly=True,
    last_save_failed=False,
    cluster=False,
    refused=(),
    odd_announcements=0,
)


@pytest.fixture(autouse=True)
def at_a_glance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look once, and take no busy machine for a slow server."""
    monkeypatch.setattr(redis_side, "SLOW_MS", 60_000.0)
    monkeypatch.setattr(store_side, "SLOW_MS", 60_000.0)
    monkeypatch.setattr(snapshot, "GLANCE_S", 0.0)
    monkeypatch.setattr(snapshot, "LONGEST", 2)


def examined(here, *options: str, **variables: str) -> dict[str, dict[str, str]]:
    done = here("doctor", "-o", "json", *options, **variables)
    items = json.loads(done.stdout)["items"]
    assert done.returncode in (0, 4)
    bad = {item["outcome"] for item in items} & {"failed", "warning"}
    assert bool(bad) == (done.returncode == 4)
    return {item["code"]: item for item in items}


def test_a_system_in_order_passes_with_the_least_of_rights(here, working):
    with working():
        found = examined(here)
    assert {code for code, one in found.items() if one["outcome"] == "failed"} == set()
    for code in ("GD-5010", "GD-5012", "GD-5013", "GD-5014", "GD-5020", "GD-5021", "GD-5022"):
        assert found[code]["outcome"] == "ok", found[code]
    assert found["GD-5023"]["text"] == (
        "queries log in as godot_reader, workers log in as godot_writer: no more than they need"
    )
    assert found["GD-5024"]["outcome"] == found["GD-5025"]["outcome"] == "ok"
    assert found["GD-3101"]["text"] == "group dewey is ok"


def test_servers_that_are_away_are_found_and_the_rest_is_looked_at(here):
    found = examined(
        here,
        GODOT_REDIS_URL="redis://127.0.0.1:1/0",
        DEWEY_URL="postgresql://nobody@127.0.0.1:1/none",
    )
    assert found["GD-2001"]["outcome"] == found["GD-2003"]["outcome"] == "failed"
    assert found["GD-5001"]["outcome"] == "ok"
    assert all(one["next_step"] for one in found.values() if one["outcome"] == "failed")


def test_a_login_that_may_do_everything_is_warned_of(here, settings):
    assert settings.dewey_url is not None
    found = examined(here, "--only", "5023", DEWEY_URL=settings.dewey_url)
    assert found["GD-5023"]["outcome"] == "warning"
    assert "a superuser" in found["GD-5023"]["text"]


def test_a_login_that_may_not_read_groups_is_told_what_it_lacks(here, settings):
    client = connect(settings)
    client.execute_command(
        *("ACL", "SETUSER", settings.stream, "on", ">secret", "~*", "+@all", "-xclaim", "-xack")
    )
    url = f"unix://{settings.stream}:secret@{urlsplit(settings.redis_url).path}"
    found = examined(here, "--only", "GD-5013", GODOT_REDIS_URL=url)
    client.acl_deluser(settings.stream)
    close(client)
    assert found["GD-5013"]["outcome"] == "failed"
    assert found["GD-5013"]["text"] == "this login may not send XACK, XCLAIM"


@pytest.mark.parametrize(
    ("changed", "code", "outcome"),
    [
        ({}, "", "ok"),
        ({"policy": "allkeys-lru"}, "GD-5011", "warning"),
        ({"policy": "allkeys-lru", "memory_limit_bytes": 9}, "GD-5011", "failed"),
        ({"policy": None}, "GD-5011", "unknown"),
        ({"appendonly": False}, "GD-5012", "warning"),
        ({"last_save_failed": True}, "GD-5012", "failed"),
        ({"version": "redis 6.2.1"}, "GD-5010", "failed"),
        ({"version": "redis 7.0.15"}, "", "ok"),
        ({"version": None}, "GD-5010", "unknown"),
        ({"cluster": True}, "GD-5010", "failed"),
        ({"answer_ms": 90_000.0}, "GD-5010", "warning"),
        ({"refused": None}, "GD-5013", "unknown"),
        ({"clock_ahead_ms": -1_800.0}, "GD-5014", "warning"),
        ({"clock_ahead_ms": 90_000.0}, "GD-5014", "failed"),
        ({"odd_announcements": 2}, "GD-5016", "warning"),
    ],
)
def test_each_fact_about_redis_is_judged(changed, code, outcome, settings, monkeypatch):
    monkeypatch.setattr(diagnosis, "read", lambda _: replace(SOUND, **changed))
    found = {one.code: one for one in redis_side.examine(settings) if one.outcome != "ok"}
    assert [(one.code, one.outcome) for one in found.values()] == (
        [] if outcome == "ok" else [(code, outcome)]
    )
    assert all(one.next_step for one in found.values() if one.outcome in ("failed", "warning"))


def test_the_games_engine_is_told_from_us(tmp_path, monkeypatch):
    engine = tmp_path / "godot"
    engine.write_bytes(b"\x7fELF")
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = machine._command()
    assert (found.outcome, found.next_step) == ("warning", "call godot-logs instead")
    engine.write_text("#!/x/python\nfrom godot.__main__ import main\n")
    assert next(iter(machine._command())).outcome == "ok"


def test_a_bundle_has_what_helps_and_no_secret(here, settings, tmp_path):
    logs = settings.data_dir / "logs"
    logs.mkdir()
    (logs / "worker-1.log").write_text(
        'login with hun"ter22 refused\n{"said": "hun\\"ter22 refused"}\npassword=sesame77\n'
    )
    bundle = tmp_path / "report.tar.gz"
    arguments = ("doctor", "--only", "5001", "--bundle", str(bundle))
    done = here(*arguments, DEWEY_TOKEN='hun"ter22')
    assert b"logs/worker-1.log" in done.stderr
    with tarfile.open(bundle) as archive:
        files = {one.name: archive.extractfile(one).read() for one in archive.getmembers()}  # type: ignore[union-attr]  # files alone
    assert set(files) == {
        f"godot/{name}"
        for name in (
            *("doctor.json", "config.json", "status.json", "versions.json", "logs/worker-1.log"),
        )
    }
    everything = b"".join(files.values())
    assert b"ter22" not in everything
    assert b"sesame77" not in everything
    assert b"login with *** refused" in everything
    assert bundle.stat().st_mode & 0o077 == 0
    assert here(*arguments).returncode == 1  # never over what is there
    assert here("doctor", "--only", "9999").returncode == 2
