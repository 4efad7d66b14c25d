"""Tests of leadpipe.listings."""
