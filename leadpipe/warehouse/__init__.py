"""The DuckDB warehouse: connections, transactions, migrations, SQL files, published marts.

The only package that opens a DuckDB connection. It knows no table: domains bring them in `tables.py`.
"""

from leadpipe.warehouse.backup import BackupReport, back_up, restore
from leadpipe.warehouse.comparison import differing
from leadpipe.warehouse.connection import (
    Warehouse,
    between_databases,
    commit_by_one_thread,
    cursor,
    has_own_state,
    lock_holder,
    memory,
    transaction,
)
from leadpipe.warehouse.history import Snapshot, choose, looking_back, snapshots, stamp
from leadpipe.warehouse.maintaining import LakeSize, Maintenance, maintain
from leadpipe.warehouse.moving import MoveReport, move
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
    "LakeSize",
    "Maintenance",
    "MoveReport",
    "Published",
    "Rows",
    "Snapshot",
    "TableFiles",
    "Warehouse",
    "back_up",
    "between_databases",
    "choose",
    "commit_by_one_thread",
    "cursor",
    "differing",
    "files_of",
    "has_own_state",
    "lock_holder",
    "looking_back",
    "maintain",
    "measure_tables",
    "memory",
    "move",
    "publish",
    "read_sql",
    "restore",
    "rewrite",
    "rows_of",
    "snapshots",
    "stamp",
    "tables_in",
    "transaction",
    "view_table",
]
