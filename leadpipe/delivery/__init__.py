"""Leads of finished conversations, on their way to the partner's API.

Belongs here: the outbox, the partner's client, retries, reconciliation, alerts. Does not belong here: how
`lead_captured` events come in (`leadpipe.events`, `leadpipe.inbox`), and lead scores (`leadpipe.leads`).
"""

COMMANDS = {
    "deliver": "Deliver what is due to the partner.",
    "failed": "Leads that were not delivered: list, show, retry.",
    "succeeded": "Leads that the partner has.",
    "reconcile": "Compare delivered leads with the partner's list.",
    "delivery": "How delivery goes.",
}
