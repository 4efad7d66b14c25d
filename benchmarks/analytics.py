"""Hourly listing analytics: leadpipe's query, a hand-tuned one, and pandas, on the same events.

`python -m benchmarks.analytics leadpipe|tuned|pandas FILE` runs one side and prints its seconds.
"""

import sys
from pathlib import Path

import duckdb

from benchmarks.measure import Stopwatch, print_figures, run_in_turn
from benchmarks.traffic import filled_warehouse
from leadpipe.listings.listings import name_actions
from leadpipe.warehouse import read_sql

_SPAN = {"first_day": "2025-01-01", "last_day": "2026-12-31"}

# Only the numbers, no rejected rows to skip, no breakdowns as JSON: as one would write it by hand.
_TUNED = """
    SELECT listing_id, event_date, event_hour,
        count_if(event = 'property_view') AS views,
        count(DISTINCT CASE WHEN event = 'property_view' THEN coalesce(person_id, distinct_id) END) AS people,
        count_if(event = 'property_view' AND is_logged_in) AS logged_in,
        count_if(viewed_from = 'home') AS home, count_if(viewed_from = 'explore') AS explore,
        count_if(viewed_from = 'search') AS search, count_if(viewed_from = 'direct') AS direct,
        count_if(event = 'impression_social_media') AS social,
        count_if(event = 'impression_website_visit') AS website,
        count_if(event = 'impression_share') AS shares,
        count_if(event = 'impression_saved_listing' AND save_action = 'add') AS saves,
        count_if(lead_type = 'phone') AS phone, count_if(lead_type = 'whatsapp') AS whatsapp,
        count_if(lead_type = 'direct_message') AS direct_message, count_if(lead_type = 'email') AS email,
        count_if(lead_type = 'appointment') AS appointment, count_if(lead_type = 'website') AS website_leads,
        count(DISTINCT CASE WHEN lead_type IS NOT NULL THEN seeker_id END) AS seekers,
        sum(price) AS sales_value
    FROM raw_events WHERE listing_id IS NOT NULL
    GROUP BY listing_id, event_date, event_hour
"""
_FRAME = """
    SELECT listing_id, event_date, event_hour, event, lead_type, viewed_from, is_logged_in, save_action,
           seeker_id, coalesce(person_id, distinct_id) AS viewer, price::DOUBLE AS price
    FROM raw_events WHERE listing_id IS NOT NULL
"""


def _duckdb(path: Path, query: str, parameters: dict[str, str]) -> None:
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "SELECT $x", {"x": 1}
        )  # what Python imports for parameters does not count
        name_actions(connection)
        with Stopwatch():
            connection.execute(f"CREATE TEMP TABLE hours AS {query}", parameters or None)


def _pandas(path: Path) -> None:
    with duckdb.connect(str(path), read_only=True) as connection, Stopwatch():
        events = connection.execute(_FRAME).df()
        keys = ["listing_id", "event_date", "event_hour"]
        is_view, is_lead = events["event"] == "property_view", events["lead_type"].notna()
        flags = {
            "views": is_view,
            "logged_in": is_view & events["is_logged_in"].fillna(value=False).astype(bool),
        }
        flags |= {
            f"from_{w}": events["viewed_from"] == w for w in ("home", "explore", "search", "direct")
        }
        flags |= {
            name: events["event"] == f"impression_{name}"
            for name in ("social_media", "website_visit", "share")
        }
        flags["saves"] = events["save_action"] == "add"
        kinds = ("phone", "whatsapp", "direct_message", "email", "appointment", "website")
        flags |= {kind: events["lead_type"] == kind for kind in kinds}
        hours = events[keys].assign(**flags, price=events["price"]).groupby(keys).sum()
        hours["viewers"] = events[is_view].groupby(keys)["viewer"].nunique()
        hours["seekers"] = events[is_lead].groupby(keys)["seeker_id"].nunique()
        hours.reset_index()


def run(*, is_full: bool) -> None:
    """Measure all sides on one file."""
    events = 20_000_000 if is_full else 1_000_000
    path = filled_warehouse(events)
    sides = {"tuned query": "tuned", "leadpipe": "leadpipe", "pandas": "pandas"}
    figures = run_in_turn(
        {name: ["benchmarks.analytics", side, str(path)] for name, side in sides.items()}
    )
    print_figures(f"analytics: hours of {events:,} events", figures, against="tuned query")


def main() -> None:
    """Run one side."""
    side, path = sys.argv[1], Path(sys.argv[2])
    if side == "pandas":
        _pandas(path)
    elif side == "tuned":
        _duckdb(path, _TUNED, {})
    else:
        _duckdb(path, read_sql("listings", "listing_analytics.sql"), _SPAN)


if __name__ == "__main__":
    main()
