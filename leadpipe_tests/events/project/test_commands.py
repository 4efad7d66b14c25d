"""`leadpipe events` as people use it, against the sandbox."""

import json
from datetime import timedelta

import pytest

from leadpipe.events.mapping.reading import read_mapping
from leadpipe_tests.events.project.worlds import own_names, portal, seeds, sent, services

_SLIPS = """
[events.listing_viewed]
meaning = "view"
listing_id = ["propertyRf", "property.ref"]
only_where = {theme = "dark"}

[events.listing_vewed]
meaning = "view"
"""


@pytest.fixture
def own(run, sandbox, yesterday):
    """Types a command for the team with names of its own."""
    sandbox.control.insert(list(own_names(yesterday)))
    return run


def asked(sandbox) -> list[str]:
    """The names of the queries that PostHog was asked."""
    return [
        request["name"].removeprefix("leadpipe: ")
        for request in sandbox.control.requests()
        if request["name"]
    ]


def test_every_event_is_listed_with_what_becomes_of_it(own, sandbox, yesterday):
    """Counts, first and last day, the meaning, and the properties that most have; in two queries."""
    sandbox.control.insert([sent("$pageview", yesterday, "p1"), sent("$set", yesterday, "p1")])
    rows = json.loads(own("events", "--json").stdout)
    day = yesterday.date().isoformat()
    first = {"first_day": day, "last_day": day}
    assert rows == [
        {
            "event": "listing_viewed",
            "events": 240,
            **first,
            "means": "nothing",
            "properties": "propertyRef 100 %, source 100 %, theme 100 %",
        },
        {
            "event": "contact_agent_clicked",
            "events": 60,
            **first,
            "means": "nothing",
            "properties": "agentId 100 %, channel 100 %, phone 100 %, propertyRef 100 %",
        },
        {
            "event": "search_performed",
            "events": 30,
            **first,
            "means": "nothing",
            "properties": "query 100 %",
        },
        {"event": "$pageview", "events": 1, **first, "means": "pageview", "properties": ""},
        {
            "event": "$set",
            "events": 1,
            **first,
            "means": "nothing (PostHog's own)",
            "properties": "",
        },
    ]
    assert asked(sandbox) == ["event names", "event properties"]


def test_an_event_is_shown_without_anybodys_data(own):
    """Few values are shown; of phone numbers and all the others the form."""
    rows = json.loads(own("events", "show", "contact_agent_clicked", "--json").stdout)
    shown = {row["property"]: (row["filled"], row["values"], row["examples"]) for row in rows}
    assert shown["phone"] == ("100 %", 60, "+999999999999")
    assert {*shown["channel"][2].split(", ")} == {"WhatsApp", "call", "E-Mail"}
    result = own("events", "show", "search_performed")
    assert "aaaaa 9" in result.stdout
    assert "house" not in result.stdout


def test_a_slip_in_a_name_gets_the_nearest(own):
    """One line, with the next step."""
    result = own("events", "show", "listing_vewed")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: No event named 'listing_vewed' came in the last 30 days; `leadpipe events` lists those that "
        "did; did you mean listing_viewed?\n"
    )


def test_what_is_suggested_is_written_once(own, tmp_path):
    """A file that is there stays as it is: what could be added is printed."""
    path = tmp_path / "data" / "events.toml"
    printed = own("events", "suggest", "--print").stdout
    assert not path.exists()
    assert own("events", "suggest").exit_code == 0
    assert path.read_text() == printed
    assert own("events", "suggest").stderr.startswith("Nothing to suggest")
    path.write_text('[events.listing_viewed]\nmeaning = "nothing"\n')
    result = own("events", "suggest")
    assert path.read_text() == '[events.listing_viewed]\nmeaning = "nothing"\n'
    assert "[events.contact_agent_clicked]" in result.stdout
    assert "[events.listing_viewed]" not in result.stdout
    assert f"{path} is there and is not overwritten" in " ".join(result.stderr.split())


def test_the_file_may_lie_elsewhere(own, tmp_path, monkeypatch):
    """--output names one; LEADPIPE_EVENTS_FILE names the one that is used, before it is there, too."""
    other = tmp_path / "mine" / "o'ther.toml"
    assert own("events", "suggest", "--output", str(other)).exit_code == 0
    assert read_mapping(other).names_of("lead")[-1] == "contact_agent_clicked"
    monkeypatch.setenv("LEADPIPE_EVENTS_FILE", str(tmp_path / "named.toml"))
    assert own("events", "suggest").exit_code == 0
    assert (tmp_path / "named.toml").read_text() == other.read_text()


def test_a_file_with_mistakes_is_told_by_its_lines(own, tmp_path):
    """Before anything is asked or suggested: unknown meaning, contradiction, wrong constant."""
    path = tmp_path / "data" / "events.toml"
    path.parent.mkdir()
    path.write_text(
        '[events.seen]\nmeaning = "veiw"\n\n'
        '[[events.called]]\nmeaning = "lead"\nlead_type = 5\n\n'
        '[[events.called]]\nmeaning = "share"\n'
    )
    for command in ("suggest", "try"):
        result = own("events", command)
        assert result.exit_code == 1
        assert f"{path}, line 2: unknown meaning 'veiw'; did you mean view?" in result.stderr
        assert "line 6: lead_type should be" in result.stderr
        assert "rule 2 of called contradicts rule 1" in result.stderr


def test_what_a_file_names_and_nothing_has_is_told(own, tmp_path):
    """With the nearest that comes; in try and in check."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "events.toml").write_text(_SLIPS)
    slips = [
        "listing_viewed: listing_id reads propertyRf, which it never has; did you mean propertyRef?",
        "listing_viewed: listing_id reads property.ref, which it never has",
        "listing_vewed never came; did you mean listing_viewed?",
    ]
    result = own("events", "try")
    assert [slip for slip in slips if f"! {slip}" not in " ".join(result.stderr.split())] == []
    said = own("check", "--json").stdout
    texts = [finding["text"] for finding in json.loads(said) if finding["what"] == "events file"]
    assert [slip for slip in slips if not any(text.startswith(slip) for text in texts)] == []


_DEEP = """
[events.listing_viewed]
meaning = "view"
listing_id = ["propertyRef"]
platform = ["$curent_url", "$current_url"]

[events.tapped]
meaning = "share"
only_where = {"page.zone.name" = "x"}
listing_id = ["page.refs[0].id", "page.refs[0].idd", "page.item.ref"]
"""


def test_slips_are_found_at_any_depth(run, sandbox, yesterday, tmp_path):
    """Within objects within objects, within lists, and among PostHog's own; what is there is no slip."""
    page = {"refs": [{"id": "L1"}], "item": {"reff": {"x": 1}, "rev": 2}, "zone": {"nam": "x"}}
    sandbox.control.insert(
        [
            sent("listing_viewed", yesterday, "p", propertyRef="L1", **{"$current_url": "/a"}),
            sent("tapped", yesterday, "p", page=page),
        ]
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "events.toml").write_text(_DEEP)
    result = run("events", "try")
    assert result.exit_code == 0
    assert [line for line in result.stderr.splitlines() if line.startswith("!")] == [
        "! listing_viewed: platform reads $curent_url, which it never has; did you mean $current_url?",
        "! tapped: listing_id reads page.refs.0.idd, which it never has; did you mean page.refs.0.id?",
        "! tapped: listing_id reads page.item.ref, which it never has; did you mean page.item.rev?",
        "! tapped: only_where asks for page.zone.name, which it never has; did you mean page.zone.nam?",
    ]


def test_try_says_what_is_rejected_and_leaves_nothing(own, tmp_path, monkeypatch):
    """Each reason with its event, beside what the stored mapping gives; no folder, table or run is left."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    assert own("sync").exit_code == 0
    data = tmp_path / "data"
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    file = data / "events.toml"
    file.write_text(
        '[events.listing_viewed]\nmeaning = "view"\nlisting_id = ["ref"]\n\n'
        '[events.contact_agent_clicked]\nmeaning = "lead"\nlisting_id = ["propertyRef"]\n'
        'lead_type = {from = ["channel"], values = {call = "phone"}, otherwise = "unknown"}\n'
    )
    rows = json.loads(own("events", "try", "--days", "2", "--json").stdout)
    found = {row["what"]: (row["with_your_file"], row["as_it_is_now"]) for row in rows}
    assert found["events read"] == (300, 0)
    assert found["lead records"] == (20, 0)
    rejected = {what: count for what, count in found.items() if what.startswith("rejected")}
    assert rejected == {
        "rejected: listing_viewed without listing_id": (240, 0),
        "rejected: contact_agent_clicked, lead of an unknown lead_type": (40, 0),
    }
    file.unlink()
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before
    assert list((tmp_path / "tmp").iterdir()) == []


def test_try_asks_only_for_its_days(own, sandbox, yesterday):
    """Older events are not read."""
    sandbox.control.insert(
        [sent("lead_phone", yesterday - timedelta(days=5), "p", listing_id="L1")]
    )
    [row] = [
        row
        for row in json.loads(own("events", "try", "--days", "2", "--json").stdout)
        if row["what"] == "events read"
    ]
    assert row["now"] == 0


def test_a_project_with_ten_thousand_names(run, sandbox, yesterday):
    """The most frequent are listed, how many more there are is said, and what tells something is found."""
    sandbox.control.insert(
        [
            sent(f"e{n:05}_{'x' * 20}", yesterday + timedelta(seconds=n), "p", a=n)
            for n in range(10_000)
        ]
    )
    sandbox.control.insert(list(seeds(yesterday)))
    sandbox.control.insert(
        [sent("listing_opened", yesterday, f"p{n}", listing_ref=f"R{n % 2}") for n in range(4)]
    )
    result = run("events", "--limit", "4", "--csv")
    assert [line.split(",")[0] for line in result.stdout.splitlines()] == [
        "event",
        "property_view",
        "lead_phone",
        "listing_opened",
        f"e00000_{'x' * 20}",
    ]
    assert "9,999 more event names" in result.stderr
    assert "[events.listing_opened]" in run("events", "suggest", "--print").stdout
    assert "and 9,998 more events, which no table uses" in " ".join(run("check").stdout.split())


def test_what_is_too_much_for_posthog_is_asked_in_parts(own, sandbox):
    """Fewer days of names, fewer events at once."""
    sandbox.control.fault("timeout_504", times=1, match="event names")
    sandbox.control.fault("timeout_504", times=1, match="event properties")
    result = own("events")
    assert result.exit_code == 0, result.output
    assert "Events of the last 7 days" in result.stdout
    assert "agentId 100 %" in result.stdout
    assert asked(sandbox) == ["event names"] * 2 + ["event properties"] * 3


def test_without_any_event(run):
    """An empty project is no error."""
    assert run("events").stderr == "No event in the last 30 days.\n"
    assert run("events", "suggest").exit_code == 0


def test_an_event_with_two_thousand_properties(run, sandbox, yesterday):
    """Those that hold many values are looked at, as the listing does; that there are more is said."""
    many = {f"a{n:04}": "same" for n in range(2_000)}
    sandbox.control.insert(
        [
            sent(
                "listing_opened",
                yesterday + timedelta(minutes=n),
                f"p{n}",
                **many,
                zRef="x",
                listing_ref=f"R-{n % 4}",
            )
            for n in range(12)
        ]
    )
    assert 'listing_id = ["listing_ref"]' in run("events", "suggest", "--print").stdout
    assert "It has more; the 400 that are filled most are shown." in " ".join(
        run("events", "show", "listing_opened").stderr.split()
    )


def test_values_of_ten_thousand_characters(run, sandbox, yesterday, tmp_path):
    """Neither a label, nor an id, nor a line of the file is made of them; the short ones still tell."""
    long = "call " + "x" * 10_000
    sandbox.control.insert(
        [
            sent(
                "button_clicked",
                yesterday + timedelta(minutes=n),
                f"p{n}",
                button=("call", long, 'say "hi"\n', "menu")[n % 4],
                note=long,
                listing_ref=f"R-{n % 7}",
            )
            for n in range(30)
        ]
    )
    assert run("events", "suggest").exit_code == 0
    text = (tmp_path / "data" / "events.toml").read_text()
    assert 'only_where = {button = ["call"]}' in text
    assert max(map(len, text.splitlines())) < 250


def test_names_that_no_mapping_can_take_are_told(run, sandbox, yesterday, tmp_path):
    """Line breaks and very long names reach neither the file nor the terminal as they are."""
    names = (
        "listing\nviewed",
        "listing viewed \x1b[31m",
        "listing viewed " + "x" * 300,
        "a\"b' listing viewed",
    )
    sandbox.control.insert(
        [
            sent(name, yesterday + timedelta(minutes=n), f"p{n}", listing_ref=f"R-{n % 4}")
            for name in names
            for n in range(8)
        ]
    )
    assert run("events", "suggest").exit_code == 0
    path = tmp_path / "data" / "events.toml"
    assert read_mapping(path).names_of("view")[1:] == ("a\"b' listing viewed",)
    assert path.read_text().count("which this one is not") == 3
    assert "\x1b" not in path.read_text()


def test_a_suggestion_asks_a_bounded_number_of_questions(run, sandbox, yesterday):
    """Names, properties, and values of what can mean several things, however many names there are."""
    sandbox.control.insert(
        [
            sent(
                f"button {'tap ' * (n % 20)}{'click ' * (n // 20)}",
                yesterday,
                f"p{m}",
                button=("call", "share")[m % 2],
                listing_ref=f"R-{m}",
            )
            for n in range(80)
            for m in range(4)
        ]
    )
    assert run("events", "suggest", "--print").exit_code == 0
    assert asked(sandbox)[:2] == ["event names", "event properties"]
    assert len(asked(sandbox)) <= 2 + 3
    assert {*asked(sandbox)[2:]} <= {"event properties by value"}


def test_values_that_are_too_much_for_posthog_are_asked_in_parts(run, sandbox, yesterday):
    """Half of the properties at once."""
    sandbox.control.insert(list(portal(yesterday)))
    sandbox.control.insert(list(services(yesterday)))
    sandbox.control.fault("timeout_504", times=1, match="by value")
    text = run("events", "suggest", "--print").stdout
    assert 'only_where = {pantalla = ["ficha_inmueble"]}' in text
    assert 'only_where = {kind = ["share"]}' in text
    assert asked(sandbox).count("event properties by value") == 3
