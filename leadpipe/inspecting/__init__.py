"""What is promised of tables is looked at: by a sync where something changed, by night everywhere.

What holds of which tables is the domains' business: `inspections.py`.
"""

from leadpipe.inspecting.parts import (
    Inspected,
    Inspection,
    all_inspections,
    inspect_all,
    inspect_changed,
    inspect_longest_ago,
    sql_faults,
)

__all__ = [
    "Inspected",
    "Inspection",
    "all_inspections",
    "inspect_all",
    "inspect_changed",
    "inspect_longest_ago",
    "sql_faults",
]
