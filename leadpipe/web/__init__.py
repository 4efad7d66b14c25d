"""leadpipe's own web application: the webhook, cron and status endpoints, and the pages people look at.

Belongs here: HTTP, secrets, sessions, how a page is laid out. Does not belong here: what a domain shows (its
`pages.py`), running (Dagster, over its API).
"""
