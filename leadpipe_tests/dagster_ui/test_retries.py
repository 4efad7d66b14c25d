"""What Dagster does again later by itself, and what it leaves to a person."""

import dagster as dg
import pytest

from leadpipe import resources
from leadpipe.errors import (
    WarehouseConflict,
    WarehouseLocked,
    WarehouseRefused,
    WarehouseUnreachable,
)


@pytest.mark.parametrize(
    ("error", "is_manual", "is_done_again"),
    [
        (WarehouseLocked("in use"), False, True),
        (WarehouseConflict("changed meanwhile"), False, True),
        (WarehouseUnreachable("PostgreSQL does not answer"), False, True),
        (WarehouseUnreachable("PostgreSQL does not answer"), True, False),
        (WarehouseRefused("the key lacks a right"), False, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_what_passes_is_done_again(error, is_manual, is_done_again, monkeypatch):
    """What passes by itself is; what somebody has to change, or somebody waits for, is told at once."""
    monkeypatch.setattr(resources, "_FIRST_WAIT_SECONDS", 0)
    tries = []

    @dg.asset
    def stored(context: dg.AssetExecutionContext) -> None:
        tries.append(context.retry_number)
        with resources.retried_later(context, is_manual=is_manual):
            if len(tries) == 1:
                raise error

    with dg.instance_for_test() as instance:
        result = dg.materialize([stored], instance=instance, raise_on_error=False)
    assert tries == ([0, 1] if is_done_again else [0])
    assert result.success == is_done_again
