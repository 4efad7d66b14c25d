"""The draws in Dagster: the job over one date and over many, its checks, its schedule."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from leadpipe.automation import range_tags
from leadpipe.definitions import build_defs
from leadpipe.draws.automation import draw_every_day
from leadpipe.draws.verify import verify_evidence
from leadpipe_tests.dagster_ui.builders import QUIET, metadata_of, shown_of
from leadpipe_tests.draws.builders import DRAW_DATE, build, mark_read, msisdn, prizes_file, recharge
from leadpipe_tests.events.builders import rows, take_in
from leadpipe_tests.posthog_sandbox.asking import rows as asked
from leadpipe_tests.posthog_sandbox.cohort_asking import meet

_CHECKS = {
    "cohort_has_the_participants",
    "days_before_were_read",
    "every_participant_is_eligible_once",
    "every_result_is_recorded",
    "evidence_holds",
    "published_tables_equal_the_warehouse",
    "recharges_are_usable",
}


@pytest.fixture
def configured(settings, tmp_path):
    """Settings with a promotion, prizes and static cohorts."""
    return settings.model_copy(
        update={
            "prizes_file": prizes_file(tmp_path),
            "promotion_start": DRAW_DATE - timedelta(days=10),
            "start_date": DRAW_DATE - timedelta(days=20),
            "cohort_mode": "static",
        }
    )


@pytest.fixture
def recharged(warehouse, sandbox, tmp_path):
    """Ten people who recharged on the day before, known to PostHog, all read."""
    take_in(warehouse, tmp_path, [recharge(n, 100 * n) for n in range(1, 11)])
    mark_read(warehouse)
    meet(sandbox, {msisdn(n): {} for n in range(1, 11)})
    return warehouse


def run_job(settings, first=DRAW_DATE, last=None, select=None):
    """Run the draws job over a range of dates, as the UI does."""
    job = build_defs(settings=settings).resolve_job_def("draws")
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(
            instance=instance,
            tags=range_tags(first.isoformat(), (last or first).isoformat(), "manual"),
            run_config=QUIET,
            asset_selection=[dg.AssetKey(name) for name in select] if select else None,
            raise_on_error=False,
        )


def verdicts(result):
    """Each check's verdict."""
    return {one.check_name: one.passed for one in result.get_asset_check_evaluations()}


def test_a_date_from_the_list_to_recorded_results(sandbox, recharged, configured):
    """One run: participants, cohort, draw, events, published; every check is green, no number is shown."""
    result = run_job(configured)
    assert result.success
    published = {"published_tables_equal_the_warehouse"}  # draw_events publishes by itself
    assert verdicts(result) == dict.fromkeys(_CHECKS - published, True)
    assert metadata_of(result, "draw_participants")["participants"] == 10
    assert metadata_of(result, "draw_cohort")["persons"] == 10
    assert metadata_of(result, "draw_events")["sent now"] == 6
    for asset in ("draw_cohort", "draw_events"):
        spent = metadata_of(result, asset)
        assert spent["API calls"] > 0
        assert spent["seconds of API calls"] > 0
    [(evidence,)] = rows(recharged, "SELECT evidence FROM draws")
    assert len(verify_evidence(evidence.encode()).draws) == 6
    assert asked(sandbox, "SELECT count() FROM events WHERE event LIKE 'draw_%' LIMIT 1") == [[6]]
    shown = json.dumps(
        [str(one.event_specific_data) for one in result.all_events if one.event_specific_data]
    )
    assert "234803****010" in shown
    assert not any(msisdn(n) in shown for n in range(1, 11))
    assert (configured.published_dir / "current" / "draw_winners.parquet").exists()


def test_materialising_again_changes_nothing(sandbox, recharged, configured):
    """The list is frozen, the cohort found, the draw kept, no event sent."""
    run_job(configured)
    query = "SELECT * FROM draws ORDER BY ALL"
    before = rows(recharged, query)
    result = run_job(configured)
    assert result.success
    assert rows(recharged, query) == before
    assert metadata_of(result, "draw_participants")["list"] == "frozen, 0 would differ now"
    assert metadata_of(result, "draw_cohort")["made now"] is False
    assert metadata_of(result, "draw_events")["sent now"] == 0


def test_a_backfill_is_one_run(recharged, configured):
    """A range of dates in one run gives the lists of single runs, a partition each."""
    first, last = DRAW_DATE - timedelta(days=2), DRAW_DATE
    result = run_job(configured, first, last, ["draw_participants"])
    assert result.success
    made = result.asset_materializations_for_node("draw_participants")
    assert [one.partition for one in made] == [
        (first + timedelta(days=n)).isoformat() for n in range(3)
    ]
    query = "SELECT * FROM draw_participants ORDER BY ALL"
    backfilled = rows(recharged, query)
    for n in range(3):
        build(recharged, first + timedelta(days=n))
    assert rows(recharged, query) == backfilled


def test_a_date_that_cannot_be_drawn_fails_clearly(warehouse, configured):
    """Nobody eligible: the run fails with the reason, and no draw is left behind."""
    mark_read(warehouse)
    result = run_job(configured, select=["draw_participants", "draw"])
    [failed] = [event for event in result.all_events if event.is_step_failure]
    assert failed.step_failure_data.user_failure_data.description.startswith(
        "DrawImpossible: Nobody is eligible for the draw of 2026-11-21"
    )
    assert rows(warehouse, "SELECT count(*) FROM draws") == [(0,)]


def test_a_draw_needs_prizes(recharged, configured):
    """Without a prizes file the message says what to set."""
    settings = configured.model_copy(update={"prizes_file": None})
    result = run_job(settings, select=["draw_participants", "draw"])
    [failed] = [event for event in result.all_events if event.is_step_failure]
    assert "Set LEADPIPE_PRIZES_FILE" in failed.step_failure_data.user_failure_data.description


# What somebody did to the warehouse, the checks that find it.
_TAMPERING = {
    "UPDATE draw_participants SET points = 0 WHERE entries = 3": {
        "every_participant_is_eligible_once"
    },
    "DELETE FROM draw_participants WHERE entries = 3": {
        "every_participant_is_eligible_once",
        "cohort_has_the_participants",
    },
    "INSERT INTO draw_participants FROM draw_participants WHERE entries = 3": {
        "every_participant_is_eligible_once"
    },
    "UPDATE draw_participant_builds SET unread_days = 2": {"days_before_were_read"},
    "UPDATE draws SET evidence = replace(evidence, 'Jackpot', 'Jackpos')": {"evidence_holds"},
    "UPDATE draw_winners SET entries = entries + 1": {"evidence_holds"},
    "UPDATE draw_winners SET recorded_at = NULL": {"every_result_is_recorded"},
}


def red_checks(settings):
    """The checks that are red when they run by themselves."""
    definitions = build_defs(settings=settings)
    job = dg.define_asset_job(
        "only_checks",
        selection=dg.AssetSelection.checks(
            *(
                key
                for key in definitions.resolve_asset_graph().asset_check_keys
                if key.name in _CHECKS
            )
        ),
        executor_def=dg.in_process_executor,
    )
    result = (
        dg.Definitions.merge(definitions, dg.Definitions(jobs=[job]))
        .resolve_job_def("only_checks")
        .execute_in_process(run_config=QUIET, raise_on_error=False)
    )
    assert set(verdicts(result)) == _CHECKS
    return {name for name, passed in verdicts(result).items() if not passed}


def test_checks_go_red(recharged, configured):
    """Each kind of tampering is found by the checks that are there for it, and by no other."""
    run_job(configured)
    tables = ("draw_participants", "draw_participant_builds", "draws", "draw_winners")
    whole = {table: rows(recharged, f"SELECT * FROM {table}") for table in tables}
    found = {}
    for wrong in _TAMPERING:
        with recharged.writing("participants") as connection:
            connection.execute(wrong)
        # What is published is not tampered with, and that check says so.
        found[wrong] = red_checks(configured) - {"published_tables_equal_the_warehouse"}
        with recharged.writing("participants") as connection:
            for table, before in whole.items():
                connection.execute(f"DELETE FROM {table}")
                marks = ", ".join("?" for _ in before[0])
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", before)
    assert found == _TAMPERING
    assert red_checks(configured) == set()


def test_rejected_recharges_are_a_warning(recharged, configured, tmp_path):
    """New ones turn the check yellow, and the run succeeds."""
    take_in(recharged, tmp_path, [recharge(1, "a lot")], run_id="run-2")
    result = run_job(configured, select=["draw_participants"])
    [found] = [
        one
        for one in result.get_asset_check_evaluations()
        if one.check_name == "recharges_are_usable"
    ]
    assert (result.success, found.passed, found.severity) == (
        True,
        False,
        dg.AssetCheckSeverity.WARN,
    )


@pytest.mark.parametrize(
    ("start", "prizes", "expected"),
    [
        (None, True, None),
        (DRAW_DATE, True, None),
        (DRAW_DATE - timedelta(days=1), False, ["draw_participants", "draw_cohort"]),
        (
            DRAW_DATE - timedelta(days=1),
            True,
            ["draw_participants", "draw_cohort", "draw", "draw_events"],
        ),
    ],
)
def test_the_schedule_runs_what_is_configured(configured, start, prizes, expected):
    """Nothing before the promotion, the list and cohort in it, the draw if there are prizes."""
    update = {"promotion_start": start} | ({} if prizes else {"prizes_file": None})
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 11, 21, 6, 30, tzinfo=UTC),
        resources={"settings": configured.model_copy(update=update)},
    )
    asked_for = draw_every_day(context)
    if expected is None:
        assert isinstance(asked_for, dg.SkipReason)
    else:
        assert isinstance(asked_for, dg.RunRequest)
        assert asked_for.partition_key == "2026-11-21"
        assert [key.to_user_string() for key in asked_for.asset_selection or ()] == expected


def test_the_ui_shows_its_assets():
    """Participants, cohort, draw and its events, each with its checks."""
    assert shown_of("draws") == {
        "draw_participants": (
            ("on_demand", "warehouse", "duckdb"),
            {"every_participant_is_eligible_once", "recharges_are_usable", "days_before_were_read"},
        ),
        "draw_cohort": (
            ("on_demand", "warehouse", "posthog"),
            {"cohort_has_the_participants"},
        ),
        "draw": (("on_demand", "warehouse", "duckdb"), {"evidence_holds"}),
        "draw_events": (
            ("on_demand", "warehouse", "posthog"),
            {"every_result_is_recorded"},
        ),
    }
