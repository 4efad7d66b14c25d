"""Weekly visitor metrics: PostHog's own count per ISO week, weeks counted by hand, and the live count.

How events come in (query or webhook) is `leadpipe.events`' and `leadpipe.inbox`'s business.
"""

COMMANDS = {
    "visitors": "Weekly visitors, signups and conversion.",
}
