"""What `leadpipe demo` shows of leads."""

from datetime import datetime

from leadpipe.cli.output import console, emit
from leadpipe.published import reading
from leadpipe.settings import Settings


def load(settings: Settings, *, now: datetime) -> list[str]:
    """Nothing of its own: the sync has built it."""
    del settings, now
    return []


def show(settings: Settings) -> None:
    """Leads by type, and how many there are."""
    folder = settings.published_dir
    by_type = reading.query(
        folder,
        "WITH actions AS (SELECT unnest(CAST(lead_actions AS JSON[])) AS action FROM leads) "
        "SELECT replace(coalesce(action ->> 'message_type', action ->> 'action_type'), 'lead_', '') "
        "AS lead_type, count(*) AS actions, CAST(sum(CAST(action ->> 'points' AS INTEGER)) AS BIGINT) "
        "AS points FROM actions GROUP BY lead_type ORDER BY actions DESC",
    )
    emit(by_type, None, title="Leads by type")
    leads, records, actions = reading.query(
        folder, "SELECT count(DISTINCT lead_id), count(*), sum(total_actions)::BIGINT FROM leads"
    ).rows[0]
    console.print(
        f"{actions or 0:,} actions make {leads:,} leads, one for each seeker and listing or profile,"
        f" in {records:,} records, one for each sync of a lead."
    )
