"""How often things run, by a file: what it names, and nothing else, runs as it says."""

import re

import pytest

from leadpipe.definitions import build_defs
from leadpipe.errors import ConfigurationError
from leadpipe_tests.docs.markdown import ROOT, blocks, sections, table_rows

_BUILT_IN = {
    "sync_every_six_hours": "0 */6 * * *",
    "visitors_every_six_hours": "20 */6 * * *",
    "sync_leads_every_day": "20 6 * * *",
    "draw_every_day": "30 6 * * *",
}


def times(settings):
    """Cron expression and time zone of each schedule that is looked at here."""
    found = build_defs(settings=settings).get_repository_def().schedule_defs
    return {
        one.name: (one.cron_schedule, one.execution_timezone)
        for one in found
        if one.name in _BUILT_IN
    }


def test_without_a_file_things_run_as_built_in(settings):
    """All in UTC."""
    assert times(settings) == {name: (cron, "UTC") for name, cron in _BUILT_IN.items()}


def test_a_file_changes_what_it_names(settings):
    """Every hour, or at a time of a zone; others stay, and what is started stays the same."""
    settings.schedules_path.parent.mkdir(parents=True, exist_ok=True)
    settings.schedules_path.write_text(
        "[schedules]\n"
        'visitors_every_six_hours = "0 * * * *"\n'
        'draw_every_day = { cron = "0 8 * * *", timezone = "Africa/Lagos" }\n'
    )
    assert times(settings) == {
        "sync_every_six_hours": ("0 */6 * * *", "UTC"),
        "visitors_every_six_hours": ("0 * * * *", "UTC"),
        "sync_leads_every_day": ("20 6 * * *", "UTC"),
        "draw_every_day": ("0 8 * * *", "Africa/Lagos"),
    }
    repository = build_defs(settings=settings).get_repository_def()
    assert repository.get_schedule_def("draw_every_day").job_name == "draws"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('hourly = "0 * * * *"', "there is no schedule hourly; choose of"),
        ('draw_every_day = "every day"', "draw_every_day: 'every day' is no cron expression"),
        ("draw_every_day = 6", "should have a section [schedules] with lines such as"),
        (
            'draw_every_day = { cron = "0 8 * * *", timezone = "Lagos" }',
            "draw_every_day: 'Lagos' is no time zone",
        ),
        ('draw_every_day = "0 8 * * *', "not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_told(settings, line, said):
    """At the start, with the file and the name."""
    settings.schedules_path.parent.mkdir(parents=True, exist_ok=True)
    settings.schedules_path.write_text(f"[schedules]\n{line}\n")
    with pytest.raises(ConfigurationError, match=rf"schedules\.toml.*{re.escape(said)}"):
        build_defs(settings=settings)


def test_the_page_lists_every_schedule(settings):
    """With its built-in time; and the file it shows is one that works."""
    section = sections(ROOT / "docs" / "operations.md", level=2)["How often things run"]
    found = build_defs(settings=settings).get_repository_def().schedule_defs
    assert sorted(table_rows(section)) == sorted(
        (one.name, str(one.cron_schedule)) for one in found
    )
    [example] = [
        block
        for block in blocks(ROOT / "docs" / "operations.md", "toml")
        if block.text.startswith("[schedules]")
    ]
    settings.schedules_path.parent.mkdir(parents=True, exist_ok=True)
    settings.schedules_path.write_text(example.text)
    assert times(settings)["draw_every_day"] == ("30 8 * * *", "Africa/Lagos")
