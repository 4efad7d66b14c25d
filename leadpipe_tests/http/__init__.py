"""Tests of leadpipe.http."""
