"""What people may do: three roles, each of which may do what those before it may.

Pure. Who has which role is the business of `people.py` and `sign_on.py`; where one is needed is said where
the route is declared (`sessions.only_logged_in`).
"""

from enum import IntEnum


class Role(IntEnum):
    """A role, the higher the more it may do."""

    VIEWER = 1
    WORKER = 2
    OPERATOR = 3

    def __str__(self) -> str:
        return self.name.lower()

    @property
    def purpose(self) -> str:
        """What it is for, in words."""
        return _PURPOSES[self]


_PURPOSES = {
    Role.VIEWER: "sees the pages and the Dagster UI, with personal data covered",
    Role.WORKER: "works with leads: reveals personal data, decides about leads, retries deliveries",
    Role.OPERATOR: "operates leadpipe: starts syncs, commands Dagster, gives roles",
}
ROLES = {str(role): role for role in Role}
