"""Tests of leadpipe.today."""
