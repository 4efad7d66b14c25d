"""What the proof costs: questions to PostHog, which allows few; seconds are a benchmark's business."""

from datetime import timedelta

from leadpipe.connections import connect_posthog
from leadpipe.events.connecting import sync_config
from leadpipe.events.planning import plan_sync
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.builders import event, load

_DAYS, _MOST_QUERIES = 400, 4


def test_a_sync_with_nothing_new_asks_four_questions_at_most(sandbox, settings, warehouse):
    """However many days are loaded: what changed, the days that are compared, and today."""
    first_day = TODAY - timedelta(days=_DAYS - 1)
    moments = [NOW - timedelta(days=n, hours=3) for n in range(_DAYS - 1)]
    sandbox.control.insert([event("property_view", at, listing_id="L") for at in moments])

    def sync(run_id, now):
        sandbox.control.set_clock(now)
        sandbox.control.clear_requests()
        with connect_posthog(settings) as posthog:
            plan = plan_sync(
                posthog, warehouse, config=sync_config(settings), first_day=first_day, now=now
            )
        report = load(settings, warehouse, plan.days, run_id=run_id, now=now)
        return report.ingested.new, report.incomplete_days, len(sandbox.control.requests())

    assert sync("first", NOW)[:2] == (_DAYS - 1, ())
    new, incomplete, queries = sync("second", NOW + timedelta(hours=6))
    assert (new, incomplete) == (0, ())
    assert 0 < queries <= _MOST_QUERIES
