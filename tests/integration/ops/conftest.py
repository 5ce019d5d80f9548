"""Workers and their servers, as the worker's own tests have them."""

from __future__ import annotations

from tests.integration.worker.conftest import bench, own_folder, own_postgres, own_valkey, working

__all__ = ["bench", "own_folder", "own_postgres", "own_valkey", "working"]
