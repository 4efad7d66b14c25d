"""Tests of leadpipe.events.mapping."""
