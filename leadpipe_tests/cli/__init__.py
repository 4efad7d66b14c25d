"""Tests of leadpipe.cli."""
