"""Tests of events that PostHog exported to files."""
