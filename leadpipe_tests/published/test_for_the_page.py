"""When the tables are published for the page: after a worker did so where the page does not look."""

import os
import time

import dagster as dg
import pytest

from leadpipe.published.automation import publish_for_the_page
from leadpipe.warehouse import CURRENT


@pytest.fixture
def here(settings):
    """The folder that the page reads, with a publication of an hour ago."""
    folder = settings.published_dir
    (folder / "v000001").mkdir(parents=True)
    (folder / CURRENT).symlink_to("v000001")
    made_at(folder, time.time() - 3_600)
    return folder


def made_at(folder, when):
    """Let the current publication be from then."""
    os.utime(folder / CURRENT, (when, when), follow_symlinks=False)


def published_elsewhere(instance):
    """A run that publishes, on another machine."""

    @dg.asset
    def published_tables():
        return None

    assert dg.materialize([published_tables], instance=instance).success


def look(instance, settings, cursor=None):
    """What the sensor does, and its cursor after it."""
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"settings": settings}
    )
    tick = publish_for_the_page.evaluate_tick(context)
    return tick.run_requests or tick.skip_message, tick.cursor


def test_what_another_machine_published_is_published_here(machine_clock, instance, settings, here):
    """Once for each publication elsewhere; not again while the run that does it has not come."""
    assert look(instance, settings)[0] == "nothing was published yet"
    published_elsewhere(instance)
    asked, cursor = look(instance, settings)
    assert [type(one) for one in asked] == [dg.RunRequest]
    assert "was asked for" in look(instance, settings, cursor)[0]


def test_a_folder_that_both_see_is_left_alone(machine_clock, instance, settings, here):
    """Where the worker's folder is the page's, or the page's machine published since, nothing starts."""
    published_elsewhere(instance)
    made_at(here, time.time())
    assert look(instance, settings)[0] == "the publication here is as new as any"
