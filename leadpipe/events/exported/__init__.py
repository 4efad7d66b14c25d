"""Files that PostHog exported: Parquet and JSON Lines of its events model, through the one door."""
