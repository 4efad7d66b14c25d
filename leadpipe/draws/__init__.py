"""Draws: who takes part, the cohort that shows it in PostHog, draws that anyone can verify.

Uses the table `raw_events` and what people say about the blacklist. What a `recharge` event is and how
it got here is the events domain's business; how to talk to PostHog is `leadpipe.posthog`'s.
"""

COMMANDS = {
    "draws": "Draws that anyone can verify: participants, cohort, winners.",
}
