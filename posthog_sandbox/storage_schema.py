"""The columns of a stored event, which the store, the generator and Parquet files share.

Belongs here: names and types. Does not belong here: anything that needs ClickHouse.
"""

import pyarrow as pa

EVENT_SCHEMA = pa.schema(
    [
        ("uuid", pa.string()),
        ("event", pa.string()),
        ("properties", pa.string()),
        ("distinct_id", pa.string()),
        ("person_id", pa.string()),
        ("timestamp", pa.timestamp("us", "UTC")),
        ("created_at", pa.timestamp("us", "UTC")),
        ("visible_at", pa.timestamp("us", "UTC")),
    ]
)
"""PostHog's columns, and the moment from which a query sees the row."""
