"""From settings to a mapping: the file, and the two settings that name events."""

import pytest

from leadpipe.cli.findings import Finding
from leadpipe.errors import ConfigurationError
from leadpipe.events.connecting import event_mapping, sync_config
from leadpipe.events.findings import findings
from leadpipe.events.mapping.reading import built_in
from leadpipe.events.settings import EventsSettings
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import settings_of
from leadpipe_tests.events.mapping.builders import mapping_of
from leadpipe_tests.events.mapping.worlds import CARS, OWN_NAMES


def configured(warehouse, **fields):
    """The mapping of a data folder."""
    return event_mapping(settings_of(warehouse, **fields).of(EventsSettings))


def test_without_a_file_the_built_in_names_hold(warehouse):
    """Nothing has to be written."""
    assert configured(warehouse) == built_in()


def test_the_signup_setting_names_another_event(warehouse):
    """The built-in signup is not counted then; an event that means something else counts as both."""
    other = configured(warehouse, signup_event="joined")
    assert other.names_of("signup") == ("joined",)
    assert "user_signed_up" not in other.names
    both = configured(warehouse, signup_event="lead_phone")
    assert both.names_of("signup") == ("lead_phone",)
    assert "lead_phone" in both.names_of("lead")


def test_the_signup_of_a_file_counts_beside_the_setting(warehouse):
    """A team's own signup needs no setting."""
    mapping_of(warehouse.path.parent, '[events.joined]\nmeaning = "signup"\n')
    assert configured(warehouse).names_of("signup") == ("user_signed_up", "joined")


def test_a_file_says_which_events_of_the_signups_name_count(warehouse):
    """LEADPIPE_SIGNUP_EVENT counts all events of a name, unless the file has a filter for its signups."""
    text = '[events.joined]\nmeaning = "signup"\nonly_where = {list = "beta"}\n'
    mapping_of(warehouse.path.parent, text)
    filtered = configured(warehouse, signup_event="joined")
    assert (filtered.signup_event, filtered.names_of("signup")) == (None, ("joined",))
    mapping_of(warehouse.path.parent, text.replace("signup", "keep"))
    assert configured(warehouse, signup_event="joined").signup_event == "joined"


def test_further_events_are_kept_whole(warehouse):
    """A name in LEADPIPE_EXTRA_EVENTS is read with all its properties, and means nothing to tables."""
    mapping = configured(warehouse, extra_events=("searched", "lead"))
    assert mapping.names == (*built_in().names, "searched")
    assert "searched" not in mapping.narrow_events
    assert mapping.names_of("lead") == built_in().names_of("lead")


def test_what_is_asked_follows_the_mapping(warehouse):
    """The query has the mapping's names, its narrow events and exactly their properties."""
    mapping = mapping_of(warehouse.path.parent, CARS)
    config = sync_config(settings_of(warehouse).of(EventsSettings))
    assert config.mapping == mapping
    assert config.selection.events == mapping.names
    assert config.selection.bulky_events == ("vehicle_opened", "tapped")
    assert config.selection.bulky_properties == mapping.narrow_properties


def test_a_file_that_is_named_must_be_there(warehouse, tmp_path):
    """A slip in the setting does not load under other names."""
    with pytest.raises(ConfigurationError, match=r"LEADPIPE_EVENTS_FILE names .*none\.toml, which"):
        configured(warehouse, events_file=tmp_path / "none.toml")


def test_check_says_whether_the_file_can_be_used(warehouse):
    """One line: how many events it maps, or every mistake with its line."""
    settings = settings_of(warehouse)
    path = warehouse.path.parent / "events.toml"
    mapping_of(path.parent, OWN_NAMES)
    assert next(findings(settings, None, now=NOW)) == Finding(
        "ok", "events file", f"{path}, 17 events"
    )
    path.write_text('[events.seen]\nmeaning = "veiw"\n')
    assert next(findings(settings, None, now=NOW)) == Finding(
        "wrong", "events file", f"{path}, line 2: unknown meaning 'veiw'; did you mean view?"
    )
