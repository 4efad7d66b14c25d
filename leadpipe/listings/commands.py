"""`leadpipe listings`: totals, or the hours of one."""

from datetime import UTC, datetime, timedelta
from functools import partial

import click

from leadpipe.cli.output import emit, format_options
from leadpipe.errors import ConfigurationError
from leadpipe.published import reading
from leadpipe.published.starts import whole_id
from leadpipe.settings import Settings, load_settings

_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command()
@click.argument("listing", required=False)
@click.option("--hours", is_flag=True, help="The hours of the listing instead of its totals.")
@click.option("--from", "first", type=_DAY, help="With --hours: first day. Default: a week ago.")
@click.option("--to", "last", type=_DAY, help="With --hours: last day, inclusive. Default: today.")
@click.option(
    "--sort",
    type=click.Choice(["total_leads", "total_views", "conversion_rate", "last_activity_at"]),
    default="total_leads",
    show_default=True,
    help="What to sort by, the largest first.",
)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Rows.")
@format_options
def listings(
    *,
    listing: str | None,
    hours: bool,
    first: datetime | None,
    last: datetime | None,
    sort: str,
    limit: int,
    output: str | None,
) -> None:
    """Listings over all time, or one listing hour by hour.

    LISTING is an id, or the start of one.

    \b
    Examples:
      leadpipe listings --sort total_views
      leadpipe listings listing-123
      leadpipe listings listing-123 --hours --from 2026-11-01 --csv
    """
    folder = load_settings(Settings).published_dir
    if listing is not None:
        listing = reading.read_together(
            folder, partial(whole_id, table="listings", column="listing_id", start=listing)
        )
    if not hours:
        rows = reading.query(
            folder,
            "SELECT listing_id, total_views, unique_views, total_impressions, total_leads, "
            "unique_leads, conversion_rate, total_sales, last_activity_at FROM listings "
            "WHERE $listing IS NULL OR listing_id = $listing "
            f"ORDER BY {sort} DESC NULLS LAST, listing_id LIMIT $limit",
            {"listing": listing, "limit": limit},
        )
        emit(
            rows,
            output,
            title="Listings",
            empty="No such listing.",
            drop=(
                "total_sales",
                "total_impressions",
                "last_activity_at",
                "unique_leads",
                "unique_views",
            ),
        )
        return
    if listing is None:
        raise ConfigurationError("--hours wants a listing: leadpipe listings listing-123 --hours")
    today = datetime.now(UTC).date()
    rows = reading.query(
        folder,
        "SELECT date, hour, total_views, unique_views, total_impressions, total_leads, unique_leads, "
        "phone_leads, message_leads, email_leads, appointment_leads, website_leads, conversion_rate "
        "FROM listing_analytics WHERE listing_id = $listing AND date BETWEEN $first AND $last "
        "ORDER BY date DESC, hour DESC LIMIT $limit",
        {
            "listing": listing,
            "first": first.date() if first else today - timedelta(days=7),
            "last": last.date() if last else today,
            "limit": limit,
        },
    )
    emit(
        rows,
        output,
        title=f"Hours of {listing}",
        empty="No activity in these days.",
        drop=(
            "total_impressions",
            "website_leads",
            "email_leads",
            "appointment_leads",
            "message_leads",
            "phone_leads",
            "unique_views",
            "unique_leads",
            "conversion_rate",
        ),
    )


COMMANDS = (listings,)
