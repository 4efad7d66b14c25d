"""What a team may write in events.toml, and what is said of every mistake."""

import re

import pytest

from leadpipe.errors import ConfigurationError
from leadpipe.events.mapping.model import EventMapping, path_text
from leadpipe.events.mapping.reading import built_in, from_content, read_mapping
from leadpipe.events.mapping.sources import parsed_path
from leadpipe_tests.events.mapping.builders import mapping_of
from leadpipe_tests.events.mapping.worlds import CARS, CONTACTS, OWN_NAMES

VIEW = '[events.seen]\nmeaning = "view"\n'
CONTACT = '[events.logged]\nmeaning = "staff_contact"\n'
LEAD = '[events.called]\nmeaning = "lead"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[events.seen]\nmeaning = "veiw"',
            "line 2: unknown meaning 'veiw'; did you mean view?",
        ),
        (
            '[events.seen]\nmeaning = "engagement"',
            (
                "line 2: unknown meaning 'engagement'; an engagement is social_media, website_visit, share "
                "or saved_listing"
            ),
        ),
        (
            "[events.seen]\nlisting_id = ['a']",
            'line 1: seen has no meaning; write meaning = "view" or another',
        ),
        (
            VIEW + 'listing = ["a"]',
            "line 3: unknown key 'listing'; did you mean listing_id?",
        ),
        (
            VIEW + "\n# a comment\nlisting_id = [\n  'a',\n  'b..c',\n]",
            (
                "line 7: 'b..c' is no property name; write a, a.b for the b within a, or '\"a.b\"' for a "
                "name with a dot"
            ),
        ),
        (
            VIEW + 'listing_id = "propertyRef"',
            (
                'line 3: listing_id = "propertyRef" would be the same for every event; for a property write '
                'listing_id = ["propertyRef"]'
            ),
        ),
        (
            VIEW + 'viewed_from = "source"',
            (
                'line 3: viewed_from should be home, explore, search, direct or other, not "source"; for a '
                'property write viewed_from = ["source"]'
            ),
        ),
        (
            VIEW + 'is_logged_in = "yes"',
            'line 3: is_logged_in should be true or false, not "yes"',
        ),
        (
            VIEW + "price = 3",
            "line 3: price belongs to a sale, and not to view",
        ),
        (
            LEAD,
            (
                'line 1: called is a lead without a lead_type; write lead_type = "phone", or '
                'lead_type = ["kind"] for the property that says it'
            ),
        ),
        (
            LEAD + "lead_type = 5",
            (
                "line 3: lead_type should be phone, message, whatsapp, direct_message, email, appointment or "
                "website, not 5"
            ),
        ),
        (
            LEAD + 'lead_type = "fone"',
            'line 3: lead_type cannot be "fone"; did you mean phone?',
        ),
        (
            LEAD
            + 'lead_type.from = ["a"]\n[events.called.lead_type.values]\n"Call" = "phone"\nx = "fax"',
            "line 6: lead_type should be phone, message",
        ),
        (
            LEAD + 'lead_type = {from = ["a"], values = {Call = "phone", call = "email"}}',
            "line 3: 'call' is read as two things in lead_type; upper and lower case are alike",
        ),
        (
            '[[events.a]]\nmeaning = "view"\n\n[[events.a]]\nmeaning = "share"\nonly_where = {x = 1}',
            (
                "line 4: rule 2 of a contradicts rule 1, which already takes every event that it would; give "
                "them an only_where that differs, or remove one"
            ),
        ),
        (
            (
                '[[events.a]]\nmeaning = "view"\nonly_where = {x = ["1", "2"]}\n'
                '[[events.a]]\nmeaning = "share"\nonly_where = {x = 2, y = 1}'
            ),
            "line 4: rule 2 of a contradicts rule 1",
        ),
        (
            '[[events.a]]\nmeaning = "nothing"\n[[events.a]]\nmeaning = "view"',
            'line 1: a has meaning = "nothing" and other rules; keep one',
        ),
        (
            CONTACT + 'lead_id = ["who"]',
            "line 3: unknown key 'lead_id'; did you mean leadId?",
        ),
        (
            CONTACT + 'leadId = "L1"',
            (
                'line 3: leadId = "L1" would be the same for every event; for a property write '
                'leadId = ["L1"]'
            ),
        ),
        (
            CONTACT + 'contactOutcome = {from = ["a"], values = {Yes = "convrsation"}}',
            'line 3: contactOutcome cannot be "convrsation"; did you mean conversation?',
        ),
        (
            CONTACT + 'notes = ["a..b"]',
            "line 3: 'a..b' is no property name",
        ),
        (
            VIEW + 'leadId = ["who"]',
            "line 3: leadId belongs to a staff_contact, and not to view",
        ),
        (
            '[properties]\nlead_type = ["kind"]',
            "line 2: lead_type differs by event: write it in the table of each lead",
        ),
        (
            '[properties]\nlisting = ["a"]',
            "line 2: unknown property 'listing'; did you mean listing_id?",
        ),
        (
            '[properties]\nlister_id = ["agent"]\nlister_type = {from = [], by_lister_id = {agnt = "agent"}}',
            (
                "line 3: by_lister_id names agnt, under which no lister_id comes; did you mean agent?"
            ),
        ),
        (
            "builtin = false",
            "no event is mapped; write a table such as [events.listing_viewed]",
        ),
        (
            'builtin = "no"',
            "line 1: builtin should be true or false",
        ),
        (
            "events = 5",
            "line 1: events should be a table, such as [events]",
        ),
        (
            "keep = [5]",
            "line 1: keep should be a list of property names, not 5",
        ),
        (
            '[event.seen]\nmeaning = "view"',
            "line 1: unknown key 'event'; did you mean events?",
        ),
        (
            '[events."a\\u0007"]\nmeaning = "view"',
            "line 1: the event name 'a\\x07' should have 1 to 200 printable characters",
        ),
        (
            '[events.a]\nmeaning = "veiw"\n[events.b]\nmeaning = "sale"\nprice = "a lot"',
            "line 2: unknown meaning\nline 5: price should be a number",
        ),
        (
            "".join(f'[events.e{n}]\nmeaning = "view"\n' for n in range(2_001)),
            "2,001 events; 2,000 can",
        ),
    ],
)
def test_every_mistake_is_told_with_its_line(tmp_path, text, said):
    """All mistakes of a file at once, each with the file, the line and the next step."""
    with pytest.raises(ConfigurationError) as caught:
        mapping_of(tmp_path, text)
    lines = str(caught.value).splitlines()
    for line, wanted in zip(lines, said.splitlines(), strict=True):
        assert re.match(rf"{re.escape(str(tmp_path / 'events.toml'))}(, |: )", line)
        assert wanted in line


@pytest.mark.parametrize("text", [OWN_NAMES, CARS, CONTACTS, 'keep = ["colour"]\n'])
def test_a_mapping_is_kept_and_read_again_as_it_was(tmp_path, text):
    """What the warehouse keeps of a mapping is the mapping, and has its version."""
    mapping = mapping_of(tmp_path, text)
    again = from_content(mapping.as_content())
    assert (again, again.version) == (mapping, mapping.version)
    assert mapping.version != built_in().version


def test_a_file_adds_to_the_built_in_names(tmp_path):
    """Her table replaces ours of the same event; `nothing` leaves it out; `keep` adds."""
    mapping = mapping_of(
        tmp_path,
        OWN_NAMES
        + '[events.recharge]\nmeaning = "nothing"\n[events.listing_sold]\nmeaning = "keep"\n',
    )
    assert {*mapping.names} == {*built_in().names, "listing_viewed", "contact_agent_clicked"} - {
        "recharge"
    }
    assert mapping.names_of("view") == ("property_view", "listing_viewed")
    assert mapping.names_of("sale") == ()


def test_exactly_what_the_tables_need_is_asked_of_narrow_events(tmp_path):
    """Views and engagements come with the first names of their paths and what is kept; leads come whole."""
    mapping = mapping_of(
        tmp_path, CARS.replace("builtin = false", 'builtin = false\nkeep = ["utm_x"]')
    )
    assert mapping.narrow_events == ("vehicle_opened", "tapped")
    assert mapping.narrow_properties[:9] == (
        *(
            "vin",
            "buyer",
            "viewed_from",
            "is_logged_in",
            "platform",
            "action",
            "target",
            "on",
            "button",
        ),
    )
    assert {"utm_x", "$session_id"} < {*mapping.narrow_properties}
    assert "dealer" not in mapping.narrow_properties


def test_a_version_says_what_is_made_of_events_and_not_how_it_is_written(tmp_path):
    """Order of tables, comments and the way to write a list change no version; a value does."""
    first = '[events.b]\nmeaning = "view"\nlisting_id = ["x"]\n[events.a]\nmeaning = "share"\n'
    same = '# ours\n[events.a]\nmeaning = "share"\n[events.b]\nlisting_id.from = "x"\nmeaning = "view"\n'
    one, two = mapping_of(tmp_path, first), mapping_of(tmp_path, same)
    assert one.version == two.version
    assert mapping_of(tmp_path, same.replace('"x"', '"y"')).version != one.version


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)),
        ("a.b", ("a", "b")),
        ("items[0].id", ("items", "0", "id")),
        ('"a.b".c', ("a.b", "c")),
        ("$current_url", ("$current_url",)),
        ("John's key", ("John's key",)),
        ("a/b~c", ("a/b~c",)),
        ("", None),
        (".a", None),
        ("a.", None),
        ("a..b", None),
        ('"a', None),
        ("a[x]", None),
        ("x" * 201, None),
        ("a\nb", None),
    ],
)
def test_paths_are_names_within_names(text, path):
    """Dots go inwards, quotes hold a name with a dot, and what is no path is none."""
    assert parsed_path(text) == path
    if path:
        assert parsed_path(path_text(path)) == path


def test_there_is_no_mapping_without_a_file(tmp_path):
    """A file that is not there is the caller's to take for the built-in names."""
    with pytest.raises(FileNotFoundError):
        read_mapping(tmp_path / "events.toml")
    assert isinstance(built_in(), EventMapping)
