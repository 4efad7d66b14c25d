"""What `leadpipe demo` loads and shows of draws: one, of today, among those who recharged before."""

from datetime import date, datetime

from leadpipe.cli.output import console, emit, notes
from leadpipe.connections import connect_capture, open_warehouse
from leadpipe.draws.participants import build_participants
from leadpipe.draws.rules import rules_of
from leadpipe.draws.settings import DrawsSettings
from leadpipe.errors import PostHogUnavailable
from leadpipe.posthog.capture import event_uuid, set_event
from leadpipe.published import reading
from leadpipe.settings import Settings
from leadpipe.zones import day_in

_PRIZES = """# The prizes of the demo's draw. For your own set LEADPIPE_PRIZES_FILE.
[[tiers]]
id = 1
name = "Phone"
value = 150000
winners = 1
runner_ups = 2

[[tiers]]
id = 2
name = "Airtime"
value = 5000
winners = 3
"""


def load(settings: Settings, *, now: datetime) -> list[str]:
    """Who takes part today, their cohort, the draw and its results in PostHog; what went wrong, a line each.

    Nothing where nobody has recharged: a demo that was filled before there were draws in it.
    """
    from leadpipe.execution import run_job  # noqa: PLC0415 - Dagster takes seconds to import

    mine = settings.of(DrawsSettings)
    today = day_in(mine.draw_timezone, now)
    if not _tell_persons(mine, today, now):
        return []
    notes.print(f"Drawing the prizes of {today} …")
    prizes = settings.data_dir / "prizes.toml"
    if mine.prizes_file is None and not prizes.exists():
        prizes.write_text(_PRIZES)
    of_demo = settings.model_copy(update={"prizes_file": mine.prizes_file or prizes})
    drawn = run_job(of_demo, "draws", today, today)
    return [
        *([drawn.error] if drawn.error else []),
        *(f"The draw's check {name} is red; see the Dagster UI" for name in drawn.failed_checks),
    ]


def show(settings: Settings) -> None:
    """The latest draw, and who has won."""
    folder = settings.published_dir
    found = reading.query(
        folder,
        "SELECT draw_id, draw_date, participants, total_entries FROM draws WHERE status = 'drawn' "
        "ORDER BY draw_date DESC LIMIT 1",
    ).as_dicts()
    for draw in found:
        winners = reading.query(
            folder,
            "SELECT prize_tier_name AS prize, CASE WHEN is_runner_up THEN 'runner-up' ELSE 'winner' END "
            "AS result, rank, msisdn, entries FROM draw_winners WHERE draw_id = $draw "
            "ORDER BY prize_tier_id, is_runner_up, rank",
            {"draw": draw["draw_id"]},
        )
        emit(winners, None, title=f"The draw of {draw['draw_date']}")
        console.print(
            f"Drawn among {draw['participants']:,} people with {draw['total_entries']:,} entries, one for "
            "every 100 naira recharged. Anyone can check it: "
            f"`leadpipe draws verify {draw['draw_date']}`."
        )


def _tell_persons(settings: DrawsSettings, today: date, now: datetime) -> bool:
    """Give persons what the cohort's filters ask for, as a team's app does; whether there are any."""
    with open_warehouse(settings).connect() as connection:
        build_participants(connection, today, today, rules=rules_of(settings, now), now=now)
        people = connection.execute(
            "SELECT distinct_id, points, last_recharge_at::DATE FROM draw_participants "
            "WHERE draw_date = ? ORDER BY msisdn",
            [today],
        ).fetchall()
    if not people:
        return False
    with connect_capture(settings) as capture:
        report = capture.send(
            [
                set_event(
                    event_uuid("recharge of the demo", name, today.isoformat()),
                    name,
                    now,
                    set_always={
                        "points": points,
                        "recharge_date": last.isoformat(),
                        "blacklisted": False,
                    },
                )
                for name, points, last in people
            ]
        )
    if report.unsent:
        raise PostHogUnavailable(
            f"The sandbox did not take the demo's persons: {report.reason}", request_name="demo"
        )
    return True
