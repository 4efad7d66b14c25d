"""Tests of staff interactions and leads files."""
