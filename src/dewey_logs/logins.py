"""Who logs in for what: a setting, the role whose rights that login needs, and how to give them.

The roles and their rights are made by the migrations (sql/migrations/0008_roles.sql).
"""

from __future__ import annotations

import re
from typing import NamedTuple

_PLAIN = "[a-z_][a-z0-9_]*"  # what SQL takes without quotes


class Login(NamedTuple):
    """One kind of login; `remedy` says what to do for a `{user}` who may not do enough."""

    setting: str
    remedy: str

    def lacks(self, user: str, said: str) -> str:
        """Return the line about a right that is missing; `said` is what PostgreSQL says."""
        name = user if re.fullmatch(_PLAIN, user) else '"{}"'.format(user.replace('"', '""'))
        remedy = self.remedy.format(user=name)
        return f"{user}, who logs in by {self.setting}, lacks a right: {said} [42501]; {remedy}"


OWNER = Login(
    "DEWEY_OWNER_URL (or DEWEY_URL)",
    "let the owner of the database log in, or GRANT dewey_owner TO {user}",
)
WRITER = Login("DEWEY_URL", "GRANT dewey_writer TO {user}")
READER = Login("DEWEY_READER_URL (or DEWEY_URL)", "GRANT dewey_reader TO {user}")
