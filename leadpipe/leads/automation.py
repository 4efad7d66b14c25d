"""When what people said is published: minutes after they said it, not with the next sync."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from leadpipe.automation import KIND_TAG, asset_job, at_most, hindrance
from leadpipe.errors import LeadpipeError, NotPublished
from leadpipe.leads.edits import Edit, kept_edits
from leadpipe.leads.settings import LeadsSettings
from leadpipe.published import reading

_COMPANY = timedelta(minutes=5)
"""So long a change waits for others: who works through a list causes a run every few minutes."""

edits_job = asset_job(
    "edits",
    selection=dg.AssetSelection.assets("leads", "published_tables"),
    description="Take what people said about leads into the tables, and publish them.",
    tags=at_most(hours=1),
)


@dg.sensor(
    job=edits_job,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Publishes status and notes five minutes after somebody set them; pages have them at once.",
)
def publish_lead_edits(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[LeadsSettings]
) -> dg.RunRequest | dg.SkipReason | dg.SensorResult:
    """A run when a change has waited for others, and none is under way; the cursor is what is published."""
    now = datetime.now(UTC)
    try:
        edits = kept_edits(settings)
        seen = int(context.cursor or 0)
        _, last, _ = edits.state()
        said = edits.edits(after=seen if seen <= last else 0)  # one that was put back is read anew
        waiting = _unpublished(settings, said)
    except NotPublished:
        return dg.SkipReason("nothing is published yet: the first sync takes changes in")
    except LeadpipeError as error:
        return dg.SkipReason(str(error))
    if not waiting:
        return dg.SensorResult(skip_reason="every change is published", cursor=str(last))
    if now - min(edit.edited_at for edit in waiting) < _COMPANY:
        return dg.SkipReason(f"changes that wait for company: {len(waiting)}")
    if reason := hindrance(context.instance, edits_job.name, now):
        return dg.SkipReason(reason)
    return dg.RunRequest(tags={KIND_TAG: "edits"})


def _unpublished(settings: LeadsSettings, said: list[Edit]) -> list[Edit]:
    """Those changes that readers of the tables do not have."""
    if not said:
        return []
    found = reading.query(
        settings.published_dir,
        "SELECT edit_id FROM lead_edits WHERE edit_id IN (SELECT unnest($ids::VARCHAR[]))",
        {"ids": [edit.edit_id for edit in said]},
    )
    published = {edit_id for (edit_id,) in found.rows}
    return [edit for edit in said if edit.edit_id not in published]


JOBS = (edits_job,)
SCHEDULES = ()
SENSORS = (publish_lead_edits,)
