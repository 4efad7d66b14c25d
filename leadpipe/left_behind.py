"""What killed runs leave behind goes, also when no run follows them: page files, open ledger entries.

That their pools become free is `launcher.py`'s business.
"""

from datetime import UTC, datetime

import dagster as dg

from leadpipe.errors import LeadpipeError
from leadpipe.events import ledger
from leadpipe.living import remove_dead
from leadpipe.resources import WarehouseResource
from leadpipe.settings import Settings

_PATIENCE_SECONDS = 10.0


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Removes page files of runs that were killed, and marks those runs as interrupted.",
)
def clear_left_behind(
    warehouse: WarehouseResource, settings: dg.ResourceParam[Settings]
) -> dg.SkipReason:
    """Clear up after the dead; starts no run."""
    gone = remove_dead(settings.landing_dir)
    if not gone:
        return dg.SkipReason("nothing was left behind")
    place = warehouse.warehouse(lock_timeout_seconds=_PATIENCE_SECONDS)
    try:
        with place.transaction() as connection:
            ledger.mark_interrupted(connection, landing=settings.landing_dir, now=datetime.now(UTC))
    except LeadpipeError as error:  # the next sync, plan or drain marks them
        return dg.SkipReason(str(error))
    return dg.SkipReason(f"cleared up after {', '.join(gone)}")
