"""Tests of leadpipe.leads."""
