"""A PostHog to run against without an account: query and capture APIs, traps included.

Belongs here: a server for loopback, its traffic generator, and the process and control objects that
demos and tests use. Does not belong here: anything of leadpipe, which this package never imports.

How to use it: README.md, beside this file.
"""
