"""Tests of a warehouse that is a lake, with all domains together."""
