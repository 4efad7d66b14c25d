"""The DuckDB warehouse: connections, transactions, migrations, SQL files, published marts.

The only package that opens a DuckDB connection. It knows no table: domains bring them in `tables.py`.
"""

from leadpipe.warehouse.backup import BackupReport, back_up, restore
from leadpipe.warehouse.comparison import differing
from leadpipe.warehouse.connection import (
    Warehouse,
    commit_by_one_thread,
    lock_holder,
    memory,
    transaction,
)
from leadpipe.warehouse.filters import (
    Hashes,
    KeyFilter,
    Keys,
    forget_filters,
    hashes_of,
    look_through,
    open_filters,
    remember_keys,
)
from leadpipe.warehouse.instances import cursors_of
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
from leadpipe.warehouse.sql import Rows, date_literals, read_sql, rows_of

__all__ = [
    "CURRENT",
    "BackupReport",
    "Hashes",
    "KeyFilter",
    "Keys",
    "Published",
    "Rows",
    "TableFiles",
    "Warehouse",
    "back_up",
    "commit_by_one_thread",
    "cursors_of",
    "date_literals",
    "differing",
    "files_of",
    "forget_filters",
    "hashes_of",
    "lock_holder",
    "look_through",
    "measure_tables",
    "memory",
    "open_filters",
    "publish",
    "read_sql",
    "remember_keys",
    "restore",
    "rewrite",
    "rows_of",
    "tables_in",
    "transaction",
    "view_table",
]
