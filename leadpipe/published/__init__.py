"""The published tables: what of the warehouse is shown to readers, and how they read it.

Readers never open the DuckDB file. How a publication is written and swapped is `leadpipe.warehouse`'s.
"""
