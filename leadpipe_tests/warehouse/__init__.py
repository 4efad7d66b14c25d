"""Tests of leadpipe.warehouse."""
