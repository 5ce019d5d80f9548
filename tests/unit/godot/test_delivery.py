from __future__ import annotations

from pathlib import Path

import pytest

from godot.delivery import Delivery
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
