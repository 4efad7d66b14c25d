"""Asset checks of the draws: lists, the cohort beside the list, evidence, recorded results."""

import dagster as dg

from leadpipe.draws.assets import draw, draw_cohort, draw_events, draw_participants
from leadpipe.draws.cohort import compare, find_draw_cohort, participants_of
from leadpipe.draws.settings import DrawsSettings
from leadpipe.draws.verify import verify_evidence
from leadpipe.errors import EvidenceInvalid, LeadpipeError
from leadpipe.resources import PostHogConnection, WarehouseResource, preview

_MOST_VERIFIED = 100


@dg.asset_check(asset=draw_participants, pool="warehouse", blocking=True)
def every_participant_is_eligible_once(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """On each date a number takes part once, with at least one point, an entry a point, not blocked.

    Otherwise there is neither cohort nor draw.
    """
    with warehouse.get_connection() as connection:
        wrong, blocked, repeated, rows = connection.execute("""
            SELECT
                count(*) FILTER (
                    points < 1 OR entries <> points OR last_recharge_at >= coalesce(begins_at, draw_date)
                ),
                -- of draws that stand; other lists are older than the blacklist until they are built again
                (
                    SELECT count(*)
                    FROM draws JOIN draw_participants USING (draw_date) JOIN blacklist USING (msisdn)
                    WHERE status <> 'superseded' AND draw_date >= blocked_from
                      AND draw_date <= coalesce(blocked_until, 'infinity'::DATE)
                ),
                (SELECT count(*) FROM (
                    SELECT draw_date, msisdn FROM draw_participants GROUP BY ALL HAVING count(*) > 1
                )),
                count(*)
            FROM draw_participants LEFT JOIN draw_participant_builds USING (draw_date)
        """).fetchone() or (0, 0, 0, 0)
        unlike = connection.execute("""
            SELECT count(*) FROM draw_participant_builds AS build
            LEFT JOIN (
                SELECT draw_date, count(*) AS rows, sum(entries) AS entries
                FROM draw_participants GROUP BY draw_date
            ) AS list USING (draw_date)
            WHERE participants <> coalesce(rows, 0) OR total_entries <> coalesce(list.entries, 0)
        """).fetchone()
    dates = int(unlike[0]) if unlike else 0
    return dg.AssetCheckResult(
        passed=not (wrong or blocked or repeated or dates),
        metadata={
            "rows": int(rows),
            "not eligible": int(wrong),
            "blacklisted in a draw that stands": int(blocked),
            "repeated": int(repeated),
            "dates that are not as built": dates,
        },
    )


@dg.asset_check(asset=draw_participants, pool="warehouse")
def recharges_are_usable(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """No recharge received on the day before the latest draw date was rejected; a warning if some were."""
    with warehouse.get_connection() as connection:
        query = (
            "SELECT draw_date, reason, new_recharges, recharges, example_uuid FROM draw_rejections "
            "WHERE draw_date = (SELECT max(draw_date) FROM draw_participant_builds)"
        )
        found = connection.execute(
            f"SELECT coalesce(sum(new_recharges), 0), coalesce(sum(recharges), 0) FROM ({query})"
        ).fetchone() or (0, 0)
        table = preview(connection, f"{query} ORDER BY new_recharges DESC, reason")
    return dg.AssetCheckResult(
        passed=not found[0],
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "rejected, new": int(found[0]),
            "rejected, all": int(found[1]),
            "reasons": table,
        },
    )


@dg.asset_check(asset=draw_participants, pool="warehouse")
def days_before_were_read(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Every day before the latest draw date was read up to its beginning; else people may be missing."""
    with warehouse.get_connection() as connection:
        found = connection.execute(
            "SELECT draw_date, unread_days FROM draw_participant_builds ORDER BY draw_date DESC LIMIT 1"
        ).fetchone()
    return dg.AssetCheckResult(
        passed=found is None or found[1] == 0,
        metadata={
            "draw date": str(found[0]) if found else "none",
            "days not read": int(found[1]) if found else 0,
        },
    )


@dg.asset_check(asset=draw_cohort, pool="warehouse")
def cohort_has_the_participants(
    posthog: dg.ResourceParam[PostHogConnection],
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[DrawsSettings],
) -> dg.AssetCheckResult:
    """The cohort of the latest draw date has exactly its participants; says who differs, masked.

    A warning for a cohort by filters: it follows the persons' properties, not our list.
    """
    severity = (
        dg.AssetCheckSeverity.ERROR
        if settings.cohort_mode == "static"
        else dg.AssetCheckSeverity.WARN
    )
    with warehouse.get_connection() as connection:
        found = connection.execute("SELECT max(draw_date) FROM draw_participant_builds").fetchone()
        draw_date = found[0] if found else None
        participants = participants_of(connection, draw_date) if draw_date else {}
    if draw_date is None:
        return dg.AssetCheckResult(passed=True, metadata={"draw date": "none"})
    try:
        with posthog.client() as client:
            cohort = find_draw_cohort(client, draw_date)
            result = compare(client, cohort.id, participants, region=settings.phone_region)
    except LeadpipeError as error:
        return dg.AssetCheckResult(
            passed=False, severity=severity, metadata={"error": f"{type(error).__name__}: {error}"}
        )
    return dg.AssetCheckResult(
        passed=result.is_equal,
        severity=severity,
        metadata={
            "draw date": str(draw_date),
            "participants": result.participants,
            "members": result.members,
            "participants missing": result.missing,
            "members that do not take part": result.surplus,
            "who differs": dg.MetadataValue.json([list(example) for example in result.examples]),
        },
    )


@dg.asset_check(asset=draw, pool="warehouse", blocking=True)
def evidence_holds(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """The evidence of the latest 100 draws verifies, and names the winners that the table has.

    Otherwise no result is sent to PostHog.
    """
    with warehouse.get_connection() as connection:
        draws = connection.execute(
            "SELECT draw_id, commitment, evidence FROM draws WHERE evidence IS NOT NULL "
            "ORDER BY drawn_at DESC LIMIT ?",
            [_MOST_VERIFIED],
        ).fetchall()
        wrong: dict[str, str] = {}
        for draw_id, commitment, evidence in draws:
            places = connection.execute(
                "SELECT prize_tier_id, is_runner_up, rank, entries FROM draw_winners "
                "WHERE draw_id = ? ORDER BY is_runner_up, prize_tier_id, rank",
                [draw_id],
            ).fetchall()
            try:
                proved = verify_evidence(evidence.encode(), commitment=commitment).draws
            except EvidenceInvalid as error:
                wrong[draw_id] = str(error)
                continue
            if [(p["tier"], p["is_runner_up"], p["rank"], p["entries"]) for p in proved] != places:
                wrong[draw_id] = "draw_winners has other places than the evidence"
    return dg.AssetCheckResult(
        passed=not wrong,
        metadata={"draws verified": len(draws), "draws that fail": dg.MetadataValue.json(wrong)},
    )


@dg.asset_check(asset=draw_events, pool="warehouse")
def every_result_is_recorded(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Each winner and runner-up of the draws that stand was found in PostHog."""
    with warehouse.get_connection() as connection:
        waiting, places = connection.execute("""
            SELECT count(*) FILTER (recorded_at IS NULL), count(*)
            FROM draw_winners JOIN draws USING (draw_id) WHERE status = 'drawn'
        """).fetchone() or (0, 0)
    return dg.AssetCheckResult(
        passed=not waiting,
        metadata={"results": int(places), "not recorded yet": int(waiting)},
    )
