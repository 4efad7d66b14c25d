"""Events that PostHog exported to files: downloads, a bucket, files brought by hand.

All of them go through the one door (`events/ingest.py`), and their days are proved like any others.
"""
