"""A PostHog to run against without an account: query and capture APIs, traps included.

Belongs here: a server for loopback, its traffic generator, and the process and control objects that
demos and tests use. Does not belong here: anything of leadpipe itself, which this package never
imports; leadpipe imports it lazily, in the CLI, the demo and the tests only.

Wants the extra: `pip install leadpipe[sandbox]`.
"""
