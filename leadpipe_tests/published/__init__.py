"""Tests of leadpipe.published."""
