"""A data folder as `mktemp -d` makes it, and stacks of stand-ins that run over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.folders import server_folder
from tests.integration.embedded.runs import Run, Start


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with server_folder() as folder:
        yield folder
    for suffix in (".journal", ".output"):
        Path(f"{folder}{suffix}").unlink(missing_ok=True)


@pytest.fixture
def start(data_dir: Path) -> Iterator[Start]:
    runs: list[Run] = []

    def start_one(*arguments: str, env: Mapping[str, str] | None = None) -> Run:
        runs.append(Run(data_dir, arguments, env or {}))
        return runs[-1]

    yield start_one
    for run in runs:
        if run.process.poll() is None:
            run.end()
