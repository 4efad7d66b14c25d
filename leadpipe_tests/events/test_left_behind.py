"""What a killed run left is cleared by whoever comes next, and nothing of a living run is touched."""

import os
import socket

import dagster as dg
import pytest

from leadpipe.connections import connect_posthog
from leadpipe.definitions import build_defs
from leadpipe.events.connecting import sync_config
from leadpipe.events.ledger import Run, begin_run, mark_interrupted
from leadpipe.events.planning import plan_sync
from leadpipe.inbox.connecting import open_inbox
from leadpipe.inbox.drain import drain
from leadpipe.living import living
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.builders import load, rows
from leadpipe_tests.inbox.builders import a_body, payload
from leadpipe_tests.test_living import somebody

KILLED = ("interrupted", "the process ended before the run did")


def a_load(settings, warehouse):
    load(settings, warehouse, [TODAY], run_id="next")


def a_plan(settings, warehouse):
    with connect_posthog(settings) as posthog:
        plan_sync(posthog, warehouse, config=sync_config(settings), first_day=TODAY, now=NOW)


def a_drain(settings, warehouse):
    inbox = open_inbox(settings)
    inbox.add([payload(a_body())], now=NOW)
    drain(
        inbox,
        warehouse,
        run_id="next",
        landing=settings.landing_dir,
        publish=lambda _: None,
        clock=lambda: NOW,
    )


def the_sensor(settings, warehouse):
    definitions = build_defs(settings=settings)
    repository = definitions.get_repository_def()
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(
            instance=instance, resources=definitions.resources, repository_def=repository
        ) as context,
    ):
        repository.get_sensor_def("clear_left_behind").evaluate_tick(context)


def enter(warehouse, run_id: str) -> None:
    """A run in the ledger that has not ended."""
    with warehouse.writing("door") as connection:
        begin_run(connection, Run(run_id, "manual"), days=[TODAY], now=NOW)


def status(warehouse, run_id: str) -> tuple[str, str | None]:
    """What the ledger says of a run."""
    ((found,),) = rows(warehouse, f"SELECT (status, error) FROM runs WHERE run_id = '{run_id}'")
    return tuple(found)


@pytest.mark.parametrize("comes_next", [a_load, a_plan, a_drain, the_sensor])
def test_the_next_clears_up_after_the_dead_only(settings, warehouse, comes_next):
    """A load, a plan, a drain and the daemon: page files of the killed go, those of the living stay."""
    landing = settings.landing_dir
    with somebody(landing, "killed") as killed, somebody(landing, "alive"):
        enter(warehouse, "killed")
        enter(warehouse, "alive")
        comes_next(settings, warehouse)
        assert status(warehouse, "killed") == status(warehouse, "alive") == ("running", None)
        assert (landing / "killed" / "page.ndjson").exists()
        killed.kill()
        killed.wait(10)
        comes_next(settings, warehouse)
        assert status(warehouse, "killed") == KILLED
        assert status(warehouse, "alive") == ("running", None)
        assert sorted(path.name for path in landing.iterdir()) == ["alive", "alive.lock"]


def test_a_dry_plan_touches_nothing(settings, warehouse):
    """It reads and writes nothing, so it does not clear up either."""
    enter(warehouse, "killed")
    (settings.landing_dir / "killed").mkdir(parents=True)
    with connect_posthog(settings) as posthog:
        plan_sync(
            posthog,
            warehouse,
            config=sync_config(settings),
            first_day=TODAY,
            now=NOW,
            is_dry=True,
        )
    assert (settings.landing_dir / "killed").exists()
    assert status(warehouse, "killed") == ("running", None)


@pytest.mark.parametrize("host", [socket.gethostname(), "a-host-that-was-renamed"])
def test_a_pid_that_lives_again_deceives_nobody(settings, warehouse, host):
    """A dead run's pid is another process's now, on this host or on one of the same data folder."""
    enter(warehouse, "killed")
    with warehouse.connect() as connection:
        connection.execute("UPDATE runs SET pid = ?, host = ?", [os.getpid(), host])
        mark_interrupted(connection, landing=settings.landing_dir, now=NOW)
    assert status(warehouse, "killed") == KILLED


def test_a_living_run_is_believed_whatever_its_pid(settings, warehouse):
    """In another container the pid is nobody's here; the lock is seen all the same."""
    enter(warehouse, "alive")
    with living(settings.landing_dir, "alive"), warehouse.connect() as connection:
        connection.execute("UPDATE runs SET pid = 4194305, host = 'another-container'")
        mark_interrupted(connection, landing=settings.landing_dir, now=NOW)
    assert status(warehouse, "alive") == ("running", None)
