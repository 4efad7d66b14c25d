"""Tests of `leadpipe.posthog`, file by file; `builders.py` makes clients, clocks and servers."""
