"""The DuckDB warehouse: connections, transactions, migrations, SQL files, published marts.

The only package that opens a DuckDB connection. It knows no table: domains bring them in `tables.py`.
"""

from leadpipe.warehouse.agreed import agreed
from leadpipe.warehouse.backup import BackupReport, back_up, restore
from leadpipe.warehouse.comparison import differing
from leadpipe.warehouse.connection import (
    Warehouse,
    another_cursor,
    by_one_thread,
    commit_by_one_thread,
    is_of_a_lake,
    lock_holder,
    memory,
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
from leadpipe.warehouse.history import Snapshot, choose, looking_back, snapshots, stamp
from leadpipe.warehouse.instances import cursors_of
from leadpipe.warehouse.locks import ORDER as ALL_LOCKS
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
from leadpipe.warehouse.sql import Rows, date_literals, read_sql, rows_of
from leadpipe.warehouse.transactions import (
    alive_among,
    between_databases,
    has_own_state,
    owning,
    transaction,
)

__all__ = [
    "ALL_LOCKS",
    "CURRENT",
    "BackupReport",
    "Hashes",
    "KeyFilter",
    "Keys",
    "LakeSize",
    "Maintenance",
    "MoveReport",
    "Published",
    "Rows",
    "Snapshot",
    "TableFiles",
    "Warehouse",
    "agreed",
    "alive_among",
    "another_cursor",
    "back_up",
    "between_databases",
    "by_one_thread",
    "choose",
    "commit_by_one_thread",
    "cursors_of",
    "date_literals",
    "differing",
    "files_of",
    "forget_filters",
    "has_own_state",
    "hashes_of",
    "is_of_a_lake",
    "lock_holder",
    "look_through",
    "looking_back",
    "maintain",
    "measure_tables",
    "memory",
    "move",
    "open_filters",
    "owning",
    "publish",
    "read_sql",
    "remember_keys",
    "restore",
    "rewrite",
    "rows_of",
    "snapshots",
    "stamp",
    "tables_in",
    "transaction",
    "view_table",
]
