"""The DuckDB warehouse: connections, transactions, migrations, SQL files, published marts.

The only package that opens a DuckDB connection. It knows no table of a domain beyond the migrations
that create them; what a table means is the domain's business.
"""

from leadpipe.warehouse.backup import BackupReport, back_up, restore
from leadpipe.warehouse.connection import Warehouse, lock_holder, read_parquet, transaction
from leadpipe.warehouse.publish import Published, publish
from leadpipe.warehouse.sql import Rows, read_sql, rows_of

__all__ = [
    "BackupReport",
    "Published",
    "Rows",
    "Warehouse",
    "back_up",
    "lock_holder",
    "publish",
    "read_parquet",
    "read_sql",
    "restore",
    "rows_of",
    "transaction",
]
