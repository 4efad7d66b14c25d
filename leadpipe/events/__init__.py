"""Events: out of PostHog, through one door, into `raw_events`.

`vocabulary` says which events and spellings exist, `extraction` reads them from PostHog, `ingest` is
the door, `ledger` keeps `runs`, `sync` plays them together, `assets` shows them to Dagster. What the
events mean for leads or listings is those domains' business.
"""
