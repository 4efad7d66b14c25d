"""Whose staff contacts in the warehouse are others than they were: what the sensor asks.

Pure. Does not belong here: Dagster, and merging them.
"""

from collections.abc import Collection, Mapping

import duckdb

from leadpipe.interactions.tenants import SEPARATOR
from leadpipe.warehouse import read_sql

Fingerprints = Mapping[str, str]
"""By `tenant/program`: what its contacts are."""


def fingerprints(connection: duckdb.DuckDBPyConnection, listed: Collection[str]) -> Fingerprints:
    """What the contacts of each listed tenant and program are now; those without any are not in it."""
    found = connection.execute(read_sql("interactions", "waiting_contacts.sql")).fetchall()
    by_key = {
        f"{tenant}{SEPARATOR}{program_id}": fingerprint for tenant, program_id, fingerprint in found
    }
    return {key: by_key[key] for key in sorted(listed) if key in by_key}


def with_others(before: Fingerprints, now: Fingerprints) -> list[str]:
    """Tenants and programs whose contacts are others now."""
    return [key for key, fingerprint in now.items() if before.get(key) != fingerprint]
