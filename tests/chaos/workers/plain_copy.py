"""A mutant: COPY straight into the table, always; its schema has no unique key."""

from __future__ import annotations

from dewey_logs import ways
from godot.__main__ import main

WITHOUT_KEY = "ALTER TABLE logs DROP CONSTRAINT logs_created_at_id_key"

if __name__ == "__main__":
    ways.staged = ways.fresh
    main()
