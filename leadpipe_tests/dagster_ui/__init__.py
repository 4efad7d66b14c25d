"""Tests of everything Dagster runs: the UI, the schedule, single assets, checks, failure reports."""
