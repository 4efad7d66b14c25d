"""Which workers of a cluster take a run: the queues, and the tag that names one.

On one machine there are no queues, and nothing is tagged.
"""

from leadpipe.settings import Settings, load_settings

ANYWHERE = "dagster"
"""Any machine can do it: the default."""
EDGE = "edge"
"""It needs files of the machine with the page: its inbox, leads handed over, tenants' leads files."""
BULK = "bulk"
"""It takes long and can wait: files of exports, backfills."""
QUEUES = (ANYWHERE, EDGE, BULK)

QUEUE_TAG = "dagster-celery/queue"
BACKFILL_TAG = "dagster/backfill"


def in_queue(name: str) -> dict[str, str]:
    """The tags of a job or an asset whose runs only workers of a queue take; none on one machine."""
    return {QUEUE_TAG: name} if load_settings(Settings).broker is not None else {}
