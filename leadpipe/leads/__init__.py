"""Leads: per-run records with scores, the grouped view a sales person reads, status and notes.

Uses the table `raw_events`; what an event is and how it got there is the events domain's business.
"""

COMMANDS = {
    "leads": "Who wants which listing: list, show, change status, add notes.",
}
