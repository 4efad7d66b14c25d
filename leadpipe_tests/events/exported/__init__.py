"""Tests of leadpipe.events.exported."""
