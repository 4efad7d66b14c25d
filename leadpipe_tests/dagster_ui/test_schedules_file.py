"""How often things run, by a file: what it names, and nothing else, runs as it says."""

import re

import pytest

from leadpipe.definitions import build_defs
from leadpipe.errors import ConfigurationError

_BUILT_IN = {
    "sync_every_six_hours": "0 */6 * * *",
    "visitors_every_six_hours": "20 */6 * * *",
    "audit_every_night": "10 3 * * *",
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
        'audit_every_night = { cron = "0 8 * * *", timezone = "Africa/Lagos" }\n'
    )
    assert times(settings) == {
        "sync_every_six_hours": ("0 */6 * * *", "UTC"),
        "visitors_every_six_hours": ("0 * * * *", "UTC"),
        "audit_every_night": ("0 8 * * *", "Africa/Lagos"),
    }
    repository = build_defs(settings=settings).get_repository_def()
    assert repository.get_schedule_def("audit_every_night").job_name == "audit"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('hourly = "0 * * * *"', "there is no schedule hourly; choose of"),
        ('audit_every_night = "every day"', "audit_every_night: 'every day' is no cron expression"),
        ("audit_every_night = 6", "should have a section [schedules] with lines such as"),
        (
            'audit_every_night = { cron = "0 8 * * *", timezone = "Lagos" }',
            "audit_every_night: 'Lagos' is no time zone",
        ),
        ('audit_every_night = "0 8 * * *', "not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_told(settings, line, said):
    """At the start, with the file and the name."""
    settings.schedules_path.parent.mkdir(parents=True, exist_ok=True)
    settings.schedules_path.write_text(f"[schedules]\n{line}\n")
    with pytest.raises(ConfigurationError, match=rf"schedules\.toml.*{re.escape(said)}"):
        build_defs(settings=settings)
