from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from godot.delivery import Delivery
from godot.errors import StreamUnavailable
from godot.settings import load


def test_fields_named_in_a_file_are_redacted_before_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "fields"
    file.write_text("ssn\n")
    monkeypatch.delenv("GODOT_REDACT_FIELDS", raising=False)
    monkeypatch.setenv("GODOT_REDACT_FIELDS_FILE", str(file))
    with Delivery(load({"GODOT_DATA_DIR": str(tmp_path)})) as delivery:
        assert delivery.make("api", "m", data={"ssn": "1"}).data == b'{"ssn":"[REDACTED]"}'


def test_what_is_closed_while_a_server_says_nothing_does_not_try_again(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as thread:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        delivery = Delivery(load({"GODOT_DATA_DIR": str(tmp_path), "GODOT_REDIS_URL": url}))
        sent = thread.submit(delivery.send, [delivery.make("api", "m")])
        asked, _ = silent.accept()
        with asked:
            assert asked.recv(1)
            delivery.close()
            assert isinstance(sent.exception(30), StreamUnavailable)
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.accept()
