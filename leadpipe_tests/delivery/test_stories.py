"""The four scenarios of lead tracking, as a person types them, and the commands they use."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import leadpipe.cli
from leadpipe.delivery.fields import checked_fields
from leadpipe.errors import ConfigurationError
from leadpipe.settings import load_settings
from leadpipe.web.app import create_app
from leadpipe_tests.clocks import let_pass
from leadpipe_tests.delivery.builders import accepted, lead


@pytest.fixture
def at_work(partner, tmp_path, monkeypatch):
    """A working directory whose settings lead to the test partner."""
    for name, value in {
        "NPA_API_URL": partner.url,
        "NPA_API_KEY": partner.api_key,
        "NPA_SETTLE_SECONDS": "0",
        "NPA_DEADLINE_SECONDS": "2",
        "LEADPIPE_DATA_DIR": str(tmp_path / "data"),
        "COLUMNS": "250",
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def run(*words: str, code: int = 0, answer: str = ""):
    """Type a command, a second after the one before."""
    let_pass(1)
    result = CliRunner().invoke(leadpipe.cli.main, [*words], input=answer)
    assert result.exit_code == code, result.output
    return result


def hand_over(*numbers: int, **fields):
    """Deliver a file of leads; what the command counted."""
    Path("leads.json").write_text(json.dumps([lead(number, **fields) for number in numbers]))
    return json.loads(run("deliver", "leads.json", "--json").stdout)


def table(*words: str):
    """A command's rows as JSON."""
    return json.loads(run(*words, "--json").stdout)


def test_credentials_expired(partner, at_work, monkeypatch):
    """Scenario 1: sending stops at the first refusal, the key is renewed, everything goes out once."""
    monkeypatch.setenv("NPA_API_KEY", "npa_expired")
    outcome = hand_over(1)
    assert (outcome["sent"], outcome["succeeded"]) == (1, 0)
    outcome = hand_over(2, 3)
    assert (outcome["sent"], "HTTP 401" in outcome["stopped"]) == (0, True)
    [failed] = table("failed", "list")
    assert "Renew NPA_API_KEY" in failed["error"]
    assert "npa_expired" not in run("failed", "list").output
    monkeypatch.setenv("NPA_API_KEY", partner.api_key)
    run("failed", "retry-all", "--yes")
    assert (accepted(partner), table("failed", "list")) == (["1"], [])
    hand_over(4)
    assert accepted(partner) == ["1", "2", "3", "4"]


def test_partner_down(partner, at_work):
    """Scenario 2: an outage; the plan is shown first, then everything goes out once."""
    partner.configure(default="busy")
    hand_over(1, 2, 3)
    assert len(table("failed", "list")) == 3
    assert "3 leads to retry" in run("failed", "retry-all", "--dry-run").output
    assert "Nothing was sent" in run("failed", "retry-all", answer="n\n").output
    before = partner.requests()
    partner.configure(default="accept")
    run("failed", "retry", "1")
    run("failed", "retry-all", "--yes")
    assert (accepted(partner), partner.requests()) == (["1", "2", "3"], before + 3)
    history = run("failed", "show", "1").output
    assert "busy" in history
    assert "accepted" in history


def test_reconciliation_after_an_incident(partner, at_work):
    """Scenario 3: what the partner lost is found and sent again, once."""
    hand_over(1, 2, 3, 4)
    partner.configure(honours_key=True)
    partner.change(
        forget=["npa-2"],
        edit={"npa-3": {"zip_code": "99999", "phone": "(201) 555-0003"}},
        add=[{"phone": "+12015559999", "full_name": "Somebody Else"}],
    )
    # Whichever lead was npa-2 and npa-3: threads deliver in any order.
    report = table("reconcile", "--since", "24h")
    counts = {name: report[name] for name in ("ours", "theirs", "matched", "missing_there")}
    assert counts == {"ours": 4, "theirs": 4, "matched": 3, "missing_there": 1}
    assert (report["unknown_here"], report["there_twice"]) == (1, 0)
    assert "Nothing was sent" in run("reconcile", "--fix", answer="n\n").output
    assert len([s for s in partner.leads() if "session_id" in s]) == 3
    run("reconcile", "--since", "24h", "--fix", "--yes")
    assert len([s for s in partner.leads() if "session_id" in s]) == 4
    assert table("reconcile", "--since", "24h")["missing_there"] == 0


def test_monthly_audit(partner, at_work):
    """Scenario 4: the month's export against the CSV that the partner sent."""
    hand_over(1, 2, 3)
    exported = run("succeeded", "list", "--since", "30d", "--export", "csv").stdout
    lines = list(csv.reader(io.StringIO(exported)))
    assert lines[0] == [
        "id",
        "submitted_at",
        "channel",
        "session_id",
        "full_name",
        "phone",
        "email",
        "zip_code",
        "vehicle_make",
        "vehicle_model",
        "vehicle_year",
    ]
    assert len(lines) == 4
    Path("partner.csv").write_text(
        "phone,email\n(201) 555-0001,JANE1@example.org\n201-555-0002,\n+12015557777,new@example.org\n"
    )
    report = table("reconcile", "--since", "30d", "--file", "partner.csv")
    assert [report[n] for n in ("ours", "theirs", "matched", "missing_there", "unknown_here")] == [
        *(3, 3, 2, 1, 1)
    ]


def test_personal_data_is_covered_unless_asked_for(partner, at_work):
    """Names, phones and emails are masked in every format."""
    hand_over(1)
    for form in ((), ("--json",), ("--csv",)):
        shown = run("succeeded", "list", *form).stdout
        assert not any(word in shown for word in ("Jane", "jane1", "2015550001"))
    assert "+12015550001" in run("succeeded", "list", "--json", "--show-pii").stdout


def test_an_export_holds_no_formulas(partner, at_work):
    """A text that a spreadsheet would run is quoted; a phone number is none."""
    hand_over(1, full_name='=HYPERLINK("http://x")', email="-a@example.org")
    [line] = list(csv.reader(io.StringIO(run("succeeded", "list", "--export", "csv").stdout)))[1:]
    assert [line[4][:2], line[5][:2], line[6][:2]] == ["'=", "+1", "'-"]


def test_statistics_by_channel_and_day(partner, at_work):
    """Failed against succeeded, and deliveries per day and channel."""
    partner.configure(script=["reject"])
    hand_over(1)
    hand_over(2, 3, channel="voice")
    rates = {
        row["channel"]: (row["leads"], row["success_rate"]) for row in table("delivery", "stats")
    }
    assert rates == {"sms": (1, 0.0), "voice": (2, 100.0)}
    [day] = table("delivery", "stats", "--by-day")
    assert (day["channel"], day["count"]) == ("voice", 2)
    assert len(table("succeeded", "list", "--phone", "+1 201 555 0002")) == 1
    assert table("succeeded", "list", "--channel", "sms") == []


def test_a_person_is_found_in_every_spelling_and_nobody_is_not_everybody(partner, at_work):
    """By phone and email, among delivered and failed leads."""
    hand_over(1, phone="(201) 555-0001", email="Jane@Example.org")
    hand_over(2, phone="1-800-FLOWERS", email="Ärger@Example.org")
    assert len(table("succeeded", "list", "--phone", "+18003569377")) == 1
    assert len(table("succeeded", "list", "--email", "ÄRGER@example.org")) == 1
    partner.configure(default="reject")
    hand_over(3, phone="201.555.0001")
    for phone in ("+12015550001", "2015550001", "1-201-555-0001", "\u202a(201) 555 0001\u202c"):
        for words, number in ((("succeeded", "list"), 1), (("failed", "list"), 3)):
            assert [row["id"] for row in table(*words, "--phone", phone)] == [number]
    assert [row["id"] for row in table("succeeded", "list", "--email", "JANE@example.ORG")] == [1]
    assert table("succeeded", "list", "--phone", "+12015559999") == []
    for words in (("--phone", "nobody"), ("--phone", ""), ("--email", ""), ("--email", "jane")):
        assert "is no" in run("succeeded", "list", *words, code=1).output


def test_a_session_named_by_a_number_is_covered(partner, at_work):
    """Conversations by SMS often are."""
    hand_over(1, session_id="sms-+12015550001")
    [row] = table("succeeded", "list")
    assert row["session_id"] == "sms-[phone]"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("failed", "retry", "99"), "No unresolved failed lead has the number 99"),
        (("succeeded", "list", "--since", "soon"), "'soon' is no period"),
        (("deliver", "nothing.json"), "nothing.json cannot be read"),
    ],
)
def test_wrong_input_is_named(partner, at_work, words, message):
    """One line, with the thing and the next step."""
    hand_over(1)
    assert message in run(*words, code=1).output


def test_a_backup_comes_back_whole(partner, at_work, monkeypatch):
    """Restored elsewhere, every row is there and nothing is sent again."""
    hand_over(1, 2)
    partner.configure(default="busy")
    hand_over(3)
    run("backup", "all.tar.gz")
    assert "exists" in run("backup", "all.tar.gz", code=1).output
    assert "exist already" in run("restore", "all.tar.gz", code=1).output
    monkeypatch.setenv("LEADPIPE_DATA_DIR", str(at_work / "elsewhere"))
    run("restore", "all.tar.gz")
    assert len(table("succeeded", "list")) == 2
    assert len(table("failed", "list")) == 1
    partner.configure(default="accept")
    run("failed", "retry-all", "--yes")
    assert accepted(partner) == ["1", "2", "3"]


def test_half_an_emoji_in_a_lead_stops_no_delivery(partner, at_work):
    """The lead arrives with U+FFFD, as does everybody's after it."""
    outcome = hand_over(1, full_name="Ann \ud83d")
    assert outcome["succeeded"] == 1
    hand_over(2, full_name="Bo")
    assert sorted(each["full_name"] for each in partner.leads()) == ["Ann \ufffd", "Bo"]


def test_a_phone_that_went_through_a_spreadsheet_arrives_right(partner, at_work):
    """As a number with .0, as a float, with marks nobody sees; one that lost digits is nobody's."""
    for number, phone in enumerate(
        [
            "2015550123.0",
            2015550123.0,
            "\u202a(201) 555-0123\u202c",
            "+1 201 555 0123",
            "2.0155e+09",
        ],
        1,
    ):
        hand_over(number, phone=phone, email="")
    assert [each["phone"] for each in partner.leads()] == [
        *("2015550123", "2015550123", "(201) 555-0123", "+1 201 555 0123")
    ]
    [failed] = table("failed", "list")
    assert failed["error"] == "the phone number has 7 digits and is none (US)"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("phone=x,email=x.y", "phone=x and email=x.y contradict each other"),
        ("phone=x.y.z,email=x", "email=x and phone=x.y.z contradict each other"),
        ("phone=x,email=x", "email=x and phone=x contradict each other"),
        ("full_name=phone", "full_name=phone and phone=phone contradict each other"),
        ("phone=x,phone=y", "phone=x and phone=y contradict each other"),
    ],
)
def test_fields_that_contradict_each_other_are_refused_at_once(
    partner, at_work, monkeypatch, fields, message
):
    """Before anything is sent, with both named; by the page when it starts as well."""
    monkeypatch.setenv("NPA_FIELDS", fields)
    Path("leads.json").write_text(json.dumps([lead(1)]))
    assert message in run("deliver", "leads.json", code=1).stderr
    assert partner.leads() == []
    with pytest.raises(ConfigurationError, match=re.escape(f"NPA_FIELDS: {message}")):
        create_app(load_settings())


@pytest.mark.parametrize(
    "fields",
    ["phone=full_name,full_name=phone", "phone=c.phone,email=c.email", "phone=,email=phone"],
)
def test_fields_that_only_look_alike_are_fine(fields):
    """Swapped names, neighbours in a folder, a place that was left."""
    assert len(checked_fields(fields)) == len(checked_fields(""))
