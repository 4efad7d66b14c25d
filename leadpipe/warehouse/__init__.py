"""The DuckDB warehouse: connections, transactions, migrations, SQL files, published marts.

The only package that opens a DuckDB connection. It knows no table of a domain beyond the migrations
that create them; what a table means is the domain's business.
"""

from leadpipe.warehouse.connection import Warehouse, lock_holder, read_parquet, transaction
from leadpipe.warehouse.publish import Published, publish
from leadpipe.warehouse.sql import Rows, read_sql, rows_of

__all__ = [
    "Published",
    "Rows",
    "Warehouse",
    "lock_holder",
    "publish",
    "read_parquet",
    "read_sql",
    "rows_of",
    "transaction",
]
