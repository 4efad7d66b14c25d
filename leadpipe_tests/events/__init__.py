"""Tests of leadpipe.events."""
