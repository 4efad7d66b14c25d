"""The examples for BI tools and notebooks, run on tables that were published from the sandbox."""
