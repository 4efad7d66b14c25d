"""How many examples of deliveries, orders and repetitions a rule is tried with.

Few in `make test`, where each makes warehouses of its own; `make test-orders` tries fifty times as many of
the tests in the files that

    python -m leadpipe_tests.orders

names.
"""

import os
import sys
from pathlib import Path

_IMPORT = "from leadpipe_tests.orders import"
_TIMES = int(os.environ.get("LEADPIPE_TESTS_TIMES", "1"))


def orders(few: int) -> int:
    """So many, or that many times more."""
    return few * _TIMES


def files() -> list[str]:
    """The files whose tests take the number from here."""
    here = Path(__file__).parent
    return [
        str(path.relative_to(here.parent))
        for path in sorted(here.rglob("test_*.py"))
        if _IMPORT in path.read_text(encoding="utf-8")
    ]


if __name__ == "__main__":
    sys.stdout.write("\n".join(files()) + "\n")
