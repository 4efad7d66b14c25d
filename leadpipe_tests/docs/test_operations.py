"""docs/operations.md names the checks, errors, schedules and programs that there really are."""

import re
import sys
from pathlib import Path

import dagster as dg

from leadpipe import errors
from leadpipe.definitions import build_defs
from leadpipe_tests.dagster_ui.builders import with_everything
from leadpipe_tests.docs.markdown import ROOT, blocks, sections, table_rows

_PAGE = ROOT / "docs" / "operations.md"


def first_cells(heading: str) -> list[str]:
    """The first column of the table below a heading."""
    return [row[0] for row in table_rows(sections(_PAGE, level=2)[heading])]


def subclasses(kind: type[Exception]) -> set[str]:
    """Names of all classes below one."""
    return {
        name for below in kind.__subclasses__() for name in {below.__name__, *subclasses(below)}
    }


def test_the_checks_are_the_real_ones():
    """The page explains each asset check, and no other."""
    graph = with_everything().resolve_asset_graph()
    assert sorted(first_cells("The Dagster UI")) == sorted(
        key.name for key in graph.asset_check_keys
    )


def test_assets_schedule_and_sensor_are_named_as_they_are():
    """The names a person looks for in the UI are on the page."""
    definitions = with_everything()
    graph = definitions.resolve_asset_graph()
    published = [*filter(lambda key: len(key.path) > 1, graph.get_all_asset_keys())]
    names = [key.to_user_string() for key in graph.get_all_asset_keys() - {*published}]
    repository = definitions.get_repository_def()
    names += [schedule.name for schedule in repository.schedule_defs]
    names += [sensor.name for sensor in repository.sensor_defs if sensor.name.startswith("report")]
    text = sections(_PAGE, level=2)["The Dagster UI"]
    assert [name for name in names if name not in text] == []
    assert isinstance(definitions.resolve_job_def("sync"), dg.JobDefinition)


def test_every_error_of_posthog_has_its_next_step():
    """The table of refusals has all of the error tree's branch for PostHog."""
    assert sorted(first_cells("PostHog refuses")) == sorted(
        {"ConfigurationError", *subclasses(errors.PostHogError)}
    )


def test_services_start_programs_that_are_installed():
    """A unit's program is one that the set-up installs."""
    units = [path.read_text() for path in (ROOT / "deploy" / "systemd").glob("*.service")]
    programs = [re.findall(r"^ExecStart=/opt/leadpipe/bin/(\S+)", u, re.MULTILINE) for u in units]
    installed = Path(sys.executable).parent
    assert [(installed / name).exists() for [name] in programs] == [True] * 5


def test_every_schedule_is_listed_with_its_time(settings):
    """With its built-in time; and the file that the page shows is one that works."""
    section = sections(_PAGE, level=2)["How often things run"]
    partner = settings.model_copy(update={"npa_api_url": "https://npa.example"})
    found = build_defs(settings=partner).get_repository_def().schedule_defs
    assert sorted(table_rows(section)) == sorted(
        (one.name, str(one.cron_schedule)) for one in found
    )
    [example] = [block for block in blocks(_PAGE, "toml") if block.text.startswith("[schedules]")]
    settings.schedules_path.parent.mkdir(parents=True, exist_ok=True)
    settings.schedules_path.write_text(example.text)
    draws = build_defs(settings=settings).get_repository_def().get_schedule_def("draw_every_day")
    assert (draws.cron_schedule, draws.execution_timezone) == ("30 8 * * *", "Africa/Lagos")
