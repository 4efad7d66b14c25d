"""The webhook inbox: what PostHog sends is kept durably here until the warehouse has it.

Belongs here: reading a delivered body, the SQLite file, moving its rows through the one door. Does not
belong here: HTTP and secrets (`leadpipe.web`), what an event means (`leadpipe.events`).
"""

COMMANDS = {
    "inbox": "Webhook events that wait, and those that could not be used.",
    "webhook": "A secret for PostHog's webhook; what only it brought.",
}
