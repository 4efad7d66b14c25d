"""The PostHog API client: what leadpipe says to PostHog, and what it makes of the answers.

Belongs here: requests, retries, limits, deadlines, errors, and the literals that may stand in a
HogQL text. Does not belong here: leads, Dagster, DuckDB, environment variables, HogQL of a domain.
"""

from leadpipe.posthog.client import PostHog
from leadpipe.posthog.hosts import identity
from leadpipe.posthog.limits import CallCounts, CallStats, Limits
from leadpipe.posthog.literals import NO_NAMES, checked_name, utc_literal, utc_text
from leadpipe.posthog.results import Project, QueryResult

__all__ = [
    "NO_NAMES",
    "CallCounts",
    "CallStats",
    "Limits",
    "PostHog",
    "Project",
    "QueryResult",
    "checked_name",
    "identity",
    "utc_literal",
    "utc_text",
]
