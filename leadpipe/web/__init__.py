"""leadpipe's own web application: the webhook, cron and status endpoints, and the page people look at.

Belongs here: HTTP, secrets, sessions, what a page shows. Does not belong here: reading events
(`leadpipe.inbox`), counting (`leadpipe.visitors`), running (Dagster, over its API).
"""
