"""Leads of finished conversations, on their way to the partner's API.

Belongs here: the outbox, the partner's client, retries, reconciliation, alerts. Does not belong here: how
`lead_captured` events come in (`leadpipe.events`, `leadpipe.inbox`), and lead scores (`leadpipe.leads`).
"""
