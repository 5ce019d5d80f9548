from __future__ import annotations

import resource

import pytest

from dewey_logs.tools.connection import make_room


@pytest.mark.parametrize(
    ("soft", "hard", "raised", "room"),
    [
        (1_024, 524_288, (16_384, 524_288), 15_260),
        (1_024, resource.RLIM_INFINITY, (16_384, resource.RLIM_INFINITY), 15_260),
        (256, 512, (512, 512), 256),
        (4_096, 4_096, None, 2_972),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None, 15_260),
    ],
)
def test_connections_end_before_file_descriptors_do(monkeypatch, soft, hard, raised, room):
    limits = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: limits.append(both))
    assert make_room() == room
    assert limits == ([] if raised is None else [raised])
