from __future__ import annotations

from pathlib import Path

from godot.embedded import plan
from godot.embedded.postgres import Postgres
from godot.embedded.valkey import Valkey

ELSEWHERE = {
    "GODOT_REDIS_URL": "redis://db.example:6379/0",
    "DEWEY_URL": "postgresql://db.example/x",
}


def test_what_our_own_stack_says_of_itself_is_no_server_that_is_given(tmp_path: Path) -> None:
    """As in a shell that asked `godot env` while it ran, and starts it again."""
    postgres = Postgres(tmp_path / "postgres")
    environ = {
        "GODOT_REDIS_URL": Valkey(tmp_path / "valkey").url,
        "DEWEY_URL": postgres.url(plan.DATABASE, plan.WRITER),
        "DEWEY_READER_URL": postgres.url(plan.DATABASE, plan.READER),
        "DEWEY_OWNER_URL": postgres.url(plan.DATABASE),
    }
    found = plan.make(plan.Options(data_dir=tmp_path, ephemeral=True), environ)
    assert found.valkey is not None
    assert found.postgres is not None
    assert (found.redis_url, found.store.variables["DEWEY_URL"]) == (
        *(environ["GODOT_REDIS_URL"], environ["DEWEY_URL"]),
    )


def test_servers_elsewhere_are_given_and_not_started(tmp_path: Path) -> None:
    found = plan.make(plan.Options(data_dir=tmp_path, ephemeral=True), ELSEWHERE)
    assert (found.valkey, found.postgres) == (None, None)
    assert (found.redis_url, found.store.writer) == tuple(ELSEWHERE.values())
