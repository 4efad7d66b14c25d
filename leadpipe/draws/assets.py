"""Dagster's rim around the draws domain: participants, cohort, draw, its events; a partition a date."""

from datetime import UTC, date, datetime, timedelta
from typing import cast

import dagster as dg

from leadpipe.catalog import ON_DEMAND, table_of
from leadpipe.connections import connect_capture
from leadpipe.draws.cohort import CohortMode, ensure_draw_cohort, participants_of
from leadpipe.draws.drawing import freeze, run
from leadpipe.draws.msisdn import MASKED_SQL
from leadpipe.draws.participants import build_participants
from leadpipe.draws.prizes import load_prizes
from leadpipe.draws.recording import record_draw
from leadpipe.draws.register import draw_of
from leadpipe.draws.rules import rules_of
from leadpipe.draws.settings import DrawsSettings
from leadpipe.errors import ConfigurationError
from leadpipe.partitions import DAILY, days_of
from leadpipe.posthog import CallCounts, PostHog
from leadpipe.published.tables import publish_tables
from leadpipe.resources import (
    PostHogConnection,
    WarehouseResource,
    about,
    failing_clearly,
    preview,
)
from leadpipe.warehouse import owning


def _dates(context: dg.AssetExecutionContext) -> list[date]:
    first, last = days_of(context)
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def _calls(before: CallCounts, client: PostHog) -> dict[str, float]:
    """What was asked of PostHog meanwhile, and how long its answers took."""
    spent = client.stats.snapshot() - before
    return {
        "API calls": spent.api_calls,
        "API calls repeated": spent.retries,
        "seconds of API calls": round(spent.seconds, 3),
    }


@dg.asset(
    deps=["raw_events"],
    partitions_def=DAILY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name=ON_DEMAND,
    kinds={"duckdb"},
    pool="warehouse",
)
def draw_participants(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[DrawsSettings],
) -> dg.MaterializeResult[None]:
    """Who takes part in the draw of a date, with points and entries; a partition a draw date.

    Source: recharge events that PostHog received before the date began in
    LEADPIPE_DRAW_TIMEZONE, and the blacklist. Running
    it again, at any time, gives the same rows. A date that a draw has frozen is compared, never changed.
    Dates that nobody asked for are missing, as all are where there are no draws.
    """
    first, last = days_of(context)
    now = datetime.now(UTC)
    with failing_clearly(), warehouse.get_connection() as connection:
        builds = build_participants(connection, first, last, rules=rules_of(settings, now), now=now)
        for build in builds:
            context.add_asset_metadata(
                {
                    "participants": build.participants,
                    "entries": build.total_entries,
                    "recharges counted": build.recharges,
                    "recharges rejected": dg.MetadataValue.json(build.rejected),
                    "blacklisted": build.blacklisted,
                    "days not read yet": build.unread_days,
                    "list": f"frozen, {build.differences} would differ now"
                    if build.is_frozen
                    else "built",
                },
                partition_key=build.draw_date.isoformat(),
            )
        context.add_asset_metadata(
            {
                "preview": preview(
                    connection,
                    f"SELECT {MASKED_SQL} AS msisdn, points, recharge_amount, recharges, last_recharge_at "
                    f"FROM draw_participants WHERE draw_date = DATE '{last}' "
                    "ORDER BY points DESC, last_recharge_at DESC",
                ),
                **about(connection, "draw_participants"),
            },
            partition_key=last.isoformat(),
        )
    return dg.MaterializeResult()


@dg.asset(
    deps=[draw_participants],
    partitions_def=DAILY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name=ON_DEMAND,
    kinds={"posthog"},
    pool="warehouse",
)
def draw_cohort(
    context: dg.AssetExecutionContext,
    posthog: dg.ResourceParam[PostHogConnection],
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[DrawsSettings],
) -> dg.MaterializeResult[None]:
    """The PostHog cohort `Eligible Participants - YYYY-MM-DD`, just one of the name, calculated.

    Source: `draw_participants`. LEADPIPE_COHORT_MODE says whether it follows the persons' properties or
    holds exactly the list. Running it again changes nothing. Dates that nobody asked for are missing.
    """
    with failing_clearly(), posthog.client() as client:
        for draw_date in _dates(context):
            posthog_before = client.stats.snapshot()
            with warehouse.get_connection() as connection:
                participants = participants_of(connection, draw_date)
            ensured = ensure_draw_cohort(
                client,
                draw_date,
                mode=cast("CohortMode", settings.cohort_mode),
                participants=participants,
                region=settings.phone_region,
            )
            context.add_asset_metadata(
                {
                    "cohort": ensured.cohort.id,
                    "name": ensured.cohort.name,
                    "persons": ensured.cohort.count or 0,
                    "participants": sum(map(len, participants.values())),
                    "made now": ensured.is_new,
                    **_calls(posthog_before, client),
                    "others of that name": dg.MetadataValue.json(list(ensured.others)),
                },
                partition_key=draw_date.isoformat(),
            )
    return dg.MaterializeResult()


@dg.asset(
    deps=[draw_participants],
    partitions_def=DAILY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name=ON_DEMAND,
    kinds={"duckdb"},
    pool="warehouse",
    metadata=table_of("draws"),
)
def draw(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[DrawsSettings],
) -> dg.MaterializeResult[None]:
    """The draw of a date: winners and runner-ups of each prize tier, with evidence anyone can verify.

    Source: `draw_participants`, the prizes in LEADPIPE_PRIZES_FILE, a random seed whose hash is fixed with
    the list. A date that has a draw keeps it; `leadpipe draws run --redo` makes another, with a reason.
    Dates that nobody asked for are missing.
    """
    with (
        failing_clearly(),
        warehouse.get_connection() as connection,
        owning(connection, "participants"),  # a date has one draw, whoever makes it
    ):
        for draw_date in _dates(context):
            if draw_of(connection, draw_date) is None:
                if settings.prizes_file is None:
                    raise ConfigurationError(
                        f"The draw of {draw_date} has no prizes. Set LEADPIPE_PRIZES_FILE, or run "
                        f"leadpipe draws run {draw_date} --prizes prizes.toml"
                    )
                freeze(
                    connection,
                    draw_date,
                    load_prizes(settings.prizes_file),
                    rules=rules_of(settings, datetime.now(UTC)),
                    now=datetime.now(UTC),
                )
            drawn = run(connection, draw_date, now=datetime.now(UTC))
            context.add_asset_metadata(
                {
                    "draw": drawn.draw_id,
                    "participants": drawn.announcement["participants"],
                    "entries": drawn.announcement["total_entries"],
                    "commitment": drawn.commitment,
                    "frozen at": drawn.frozen_at.isoformat(),
                    "winners": preview(
                        connection,
                        f"SELECT prize_tier_name, is_runner_up, rank, {MASKED_SQL} AS msisdn, entries "
                        f"FROM draw_winners WHERE draw_id = '{drawn.draw_id}' "
                        "ORDER BY is_runner_up, prize_tier_id, rank",
                    ),
                },
                partition_key=draw_date.isoformat(),
            )
    return dg.MaterializeResult()


@dg.asset(
    deps=[draw],
    partitions_def=DAILY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name=ON_DEMAND,
    kinds={"posthog"},
    pool="warehouse",
    metadata=table_of("draw_winners"),
)
def draw_events(
    context: dg.AssetExecutionContext,
    posthog: dg.ResourceParam[PostHogConnection],
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[DrawsSettings],
) -> dg.MaterializeResult[None]:
    """The results of a draw as `draw_winner` and `draw_runner_up` events in PostHog, each exactly once.

    Source: `draw`. Each is looked for before it is sent and after; running it again sends what is missing.
    Then the tables are published. Dates that nobody asked for are missing.
    """
    with failing_clearly(), posthog.client() as client:
        for draw_date in _dates(context):
            posthog_before = client.stats.snapshot()
            report = record_draw(
                warehouse.warehouse(),
                client,
                lambda: connect_capture(settings),
                draw_date,
                clock=lambda: datetime.now(UTC),
            )
            context.add_asset_metadata(
                {
                    "draw": report.draw_id,
                    "results": report.places,
                    "sent now": report.sent,
                    "found now": report.recorded,
                    **_calls(posthog_before, client),
                },
                partition_key=draw_date.isoformat(),
            )
        with warehouse.get_connection() as connection:
            publish_tables(connection, settings.published_dir)
    return dg.MaterializeResult()
