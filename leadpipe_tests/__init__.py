"""Tests of leadpipe; the folders mirror the package."""
