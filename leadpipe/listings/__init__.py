"""Listings: hourly analytics and all-time totals per listing.

Uses the table `raw_events`; leads as records for people are the leads domain's business.
"""

COMMANDS = {
    "listings": "Listings over all time, or one listing hour by hour.",
}
