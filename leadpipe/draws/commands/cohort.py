"""`leadpipe draws cohort`: ensure, stats, test."""

from datetime import UTC, datetime, timedelta
from typing import cast

import click

from leadpipe.cli.output import console, emit, format_options, notes
from leadpipe.connections import connect_capture, connect_posthog, open_warehouse
from leadpipe.draws.cohort import (
    CohortMode,
    compare,
    draw_cohorts,
    ensure_draw_cohort,
    find_draw_cohort,
    participants_of,
)
from leadpipe.draws.cohort_trial import try_cohort
from leadpipe.draws.participants import built
from leadpipe.draws.settings import DrawsSettings
from leadpipe.errors import DrawImpossible
from leadpipe.settings import load_settings
from leadpipe.warehouse import Rows

_DATE = click.argument("draw_date", metavar="DATE", type=click.DateTime(formats=["%Y-%m-%d"]))


@click.group()
def cohort() -> None:
    """The PostHog cohort of a draw date: make it, compare it, try its filters.

    \b
    Example:
      leadpipe draws cohort ensure 2026-11-20
    """


@cohort.command()
@_DATE
@click.option(
    "--mode",
    type=click.Choice(["filters", "static"]),
    help="By the persons' properties, or exactly our list. Default: LEADPIPE_COHORT_MODE.",
)
def ensure(*, draw_date: datetime, mode: str | None) -> None:
    """Have the cohort `Eligible Participants - DATE` in PostHog, just one; again changes nothing.

    \b
    Examples:
      leadpipe draws cohort ensure 2026-11-20
      leadpipe draws cohort ensure 2026-11-20 --mode static
    """
    settings, day = load_settings(DrawsSettings), draw_date.date()
    with open_warehouse(settings).connect() as connection:
        participants = participants_of(connection, day)
    if not participants:
        raise DrawImpossible(
            f"Nobody is eligible on {day}. If the list was not built yet: leadpipe draws participants {day}"
        )
    with connect_posthog(settings) as posthog:
        ensured = ensure_draw_cohort(
            posthog,
            day,
            mode=cast("CohortMode", mode or settings.cohort_mode),
            participants=participants,
            region=settings.phone_region,
        )
    made = "made" if ensured.is_new else "found"
    console.print(
        f"{ensured.cohort.name}: {made}, cohort {ensured.cohort.id}, {ensured.cohort.count or 0:,} persons; "
        f"{sum(map(len, participants.values())):,} take part"
    )
    for other in ensured.others:
        notes.print(f"! cohort {other} has the same name; delete it in PostHog if it is not needed")


@cohort.command()
@_DATE
@format_options
def stats(*, draw_date: datetime, output: str | None) -> None:
    """Participants and entries of a date, its cohort in PostHog, and who differs (masked).

    \b
    Example:
      leadpipe draws cohort stats 2026-11-20
    """
    settings, day = load_settings(DrawsSettings), draw_date.date()
    with open_warehouse(settings).connect() as connection:
        state = built(connection, day)
        participants = participants_of(connection, day)
    with connect_posthog(settings) as posthog:
        found = find_draw_cohort(posthog, day)
        result = compare(posthog, found.id, participants, region=settings.phone_region)
    columns = (
        "draw_date",
        "participants",
        "total_entries",
        "cohort_id",
        "is_calculating",
        "members",
        "participants_missing",
        "members_not_taking_part",
    )
    row = (
        day,
        state.participants,
        state.total_entries,
        found.id,
        found.is_calculating,
        result.members,
        result.missing,
        result.surplus,
    )
    emit(Rows(columns, (row,)), output, title=found.name)
    for who, what in result.examples:
        notes.print(f"{who} {what}", markup=False)


@cohort.command("list")
@format_options
def list_cohorts(*, output: str | None) -> None:
    """The cohorts of draw dates that PostHog has; the latest date first.

    \b
    Example:
      leadpipe draws cohort list
    """
    with connect_posthog(load_settings(DrawsSettings)) as posthog:
        found = draw_cohorts(posthog)
    columns = ("draw_date", "cohort_id", "kind", "persons", "is_calculating", "created_at")
    rows = tuple(
        (
            day,
            one.id,
            "static" if one.is_static else "filters",
            one.count,
            one.is_calculating,
            one.created_at,
        )
        for day, one in found
    )
    emit(
        Rows(columns, rows),
        output,
        title="Cohorts of draws",
        empty="PostHog has none yet.",
        drop=("created_at", "is_calculating"),
    )


@cohort.command("test")
def try_out() -> None:
    """Try the cohort's filters on sample people: makes five and a cohort, compares, removes them again.

    Needs POSTHOG_PROJECT_API_KEY, and the scopes person:write and cohort:write.

    \b
    Example:
      leadpipe draws cohort test
    """
    settings, now = load_settings(DrawsSettings), datetime.now(UTC)
    with connect_posthog(settings) as posthog, connect_capture(settings) as capture:
        report = try_cohort(
            posthog,
            capture,
            before=now.date() - timedelta(days=1),
            draw_date=now.date(),
            now=now,
        )
    if not report.passed:
        raise DrawImpossible(
            f"PostHog put {len(report.members)} of {report.people} sample people in the cohort, "
            f"{len(report.expected)} were eligible, {len(report.members & report.expected)} are both. "
            "The samples were removed."
        )
    console.print(
        f"The filters took exactly the {len(report.expected)} eligible of {report.people} sample people; "
        "they and the cohort were removed"
    )
