"""The DuckDB warehouse: connections, transactions, migrations, SQL files, published marts.

The only package that opens a DuckDB connection. It knows no table: domains bring them in `tables.py`.
"""

from leadpipe.warehouse.backup import BackupReport, back_up, restore
from leadpipe.warehouse.comparison import differing
from leadpipe.warehouse.connection import (
    Warehouse,
    another_cursor,
    between_databases,
    commit_by_one_thread,
    has_own_state,
    lock_holder,
    memory,
    transaction,
)
from leadpipe.warehouse.publish import (
    CURRENT,
    Published,
    TableFiles,
    files_of,
    measure_tables,
    publish,
    tables_in,
    view_table,
)
from leadpipe.warehouse.rewriting import rewrite
from leadpipe.warehouse.sql import Rows, read_sql, rows_of

__all__ = [
    "CURRENT",
    "BackupReport",
    "Published",
    "Rows",
    "TableFiles",
    "Warehouse",
    "another_cursor",
    "back_up",
    "between_databases",
    "commit_by_one_thread",
    "differing",
    "files_of",
    "has_own_state",
    "lock_holder",
    "measure_tables",
    "memory",
    "publish",
    "read_sql",
    "restore",
    "rewrite",
    "rows_of",
    "tables_in",
    "transaction",
    "view_table",
]
