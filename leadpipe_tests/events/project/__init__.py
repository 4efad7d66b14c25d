"""Tests of leadpipe.events.project."""
