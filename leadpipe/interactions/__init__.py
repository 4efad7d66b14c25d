"""Staff interactions: `LeadUpdated` events merged into the tenants' leads.json, and the table of syncs.

Belongs here: reading those events, matching, the smallest change to a file, the record of each sync.
Does not belong here: how events come into the warehouse, and what else a leads file holds.
"""

COMMANDS = {
    "sync-leads": "Merge staff contacts into a tenant's leads file.",
    "sync-posthog-leads": "The same as sync-leads.",
    "validate-leads": "Say what is wrong with a leads file, by JSON path.",
}
