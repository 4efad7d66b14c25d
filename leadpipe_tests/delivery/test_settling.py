"""Dead ends are opened by persons: it is there, send it, or give it up; who said so and why is kept."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

import leadpipe.cli
from leadpipe.settings import load_settings
from leadpipe.web.app import create_app
from leadpipe_tests.clocks import let_pass
from leadpipe_tests.delivery.builders import lead


@pytest.fixture
def at_work(partner, tmp_path, monkeypatch):
    """A working directory whose settings lead to a test partner without a list."""
    for name, value in {
        "NPA_API_URL": partner.url,
        "NPA_API_KEY": partner.api_key,
        "NPA_LIST_PATH": "none",
        "NPA_SETTLE_SECONDS": "0",
        "NPA_DEADLINE_SECONDS": "2",
        "LEADPIPE_DATA_DIR": str(tmp_path / "data"),
        "COLUMNS": "250",
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def run(*words: str, code: int = 0, answer: str = "") -> str:
    """Type a command, a second after the one before."""
    let_pass(1)
    result = CliRunner().invoke(leadpipe.cli.main, [*words], input=answer)
    assert result.exit_code == code, result.output
    return result.output if code else result.stdout


def lost(partner, *numbers: int) -> None:
    """Leads whose answer was lost; the partner took none of them."""
    partner.configure(script=["die_before"] * len(numbers), honours_key=False)
    Path("leads.json").write_text(json.dumps([lead(number) for number in numbers]))
    run("deliver", "leads.json")
    let_pass(1)
    run("deliver")


def states() -> list[str]:
    return [row["state"] for row in json.loads(run("failed", "list", "--all", "--json"))]


def test_counts_say_what_happened(partner, at_work):
    """Nothing is sent, and nothing is said to be sent."""
    lost(partner, 1)
    before = partner.requests()
    said = json.loads(run("failed", "retry", "1", "--json"))
    assert (said["sent"], said["asked"], said["unknown"]) == (0, 0, 1)
    assert (partner.requests(), states()) == (before, ["unknown"])
    assert "`leadpipe failed settle 1`" in run("failed", "list", "--csv")


def test_a_person_settles_what_nobody_else_can(partner, at_work):
    """Each decision leads to its state, and is in the history with who and why."""
    lost(partner, 1, 2, 3)
    run(
        "failed",
        "settle",
        "1",
        "--delivered",
        "npa-77",
        "--why",
        "seen in their portal",
        "--who",
        "Ola",
    )
    run("failed", "settle", "2", "--send-again", "--who", "Ola", answer="it never came\n")
    run(
        "failed",
        "settle",
        "3",
        "--give-up",
        "--why",
        "call +1 201 555 0003 instead",
        "--who",
        "Ola",
    )
    assert states() == ["succeeded", "succeeded", "given_up"]
    assert [item["session_id"] for item in partner.leads()] == ["2"]
    assert json.loads(run("failed", "list", "--json")) == []
    [row] = json.loads(run("succeeded", "list", "--json", "--phone", "2015550001"))
    assert row["npa_lead_id"] == "npa-77"
    assert "delivered, says Ola: seen in their portal" in run("failed", "show", "1")
    assert "send again, says Ola: it never came" in run("failed", "show", "2")
    assert "give up, says Ola: call [phone] instead" in run("failed", "show", "3")
    run("failed", "settle", "3", "--send-again", "--why", "after all")
    assert states() == ["succeeded"] * 3


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("1",), "Say one of"),
        (("1", "--give-up", "--send-again"), "Say one of"),
        (("9", "--give-up"), "No lead has the number 9"),
        (("nine", "--give-up"), "'nine' is no number of a lead"),
        (("1", "--give-up", "--why", " "), "needs who made it, and why"),
        (("2", "--delivered"), "Lead 2 is succeeded: the partner has it"),
        (("1", "--delivered", "npa-1"), "The partner's lead npa-1 is our lead 2 already"),
        (("3", "--send-again"), "Lead 3 was never sent"),
    ],
)
def test_what_cannot_be_decided_is_said(partner, at_work, words, problem):
    """And nothing changes."""
    lost(partner, 1)
    Path("leads.json").write_text(json.dumps([lead(2), lead(3, zip_code="1")]))
    run("deliver", "leads.json")
    why = () if "--why" in words else ("--why", "because")
    assert problem in run(
        "failed", "settle", *words, *why, code=2 if "one of" in problem or "nine" in words else 1
    )
    assert states() == ["unknown", "failed"]


def test_a_number_as_a_table_shows_it_is_taken(partner, at_work):
    """With or without its comma."""
    assert "No lead has the number 1234;" in run(
        "failed", "settle", "1,234", "--give-up", "--why", "x", code=1
    )


def test_what_was_invalid_once_is_judged_by_todays_rules(partner, at_work, monkeypatch):
    """A field that is no longer sent keeps no lead back."""
    Path("leads.json").write_text(json.dumps([lead(1, zip_code="1")]))
    run("deliver", "leads.json")
    assert "cannot be delivered as it is" in run("failed", "retry", "1", code=1)
    monkeypatch.setenv("NPA_FIELDS", "zip_code=")
    assert json.loads(run("failed", "retry", "1", "--json"))["succeeded"] == 1
    assert "zip_code" not in partner.leads()[0]


def test_the_page_settles_too(partner, at_work):
    """With the person's name, in the form beside the lead."""
    lost(partner, 1)
    with TestClient(
        create_app(load_settings()), client=("127.0.0.1", 50000), base_url="http://localhost"
    ) as client:
        page = client.get("/admin/delivery").text
        token = page.partition('name="csrf" value="')[2].partition('"')[0]
        form = {
            "id": "1",
            "decision": "delivered",
            "who": "Ola",
            "why": "they said so",
            "csrf": token,
        }
        assert client.post("/admin/delivery/settle", data=form | {"csrf": ""}).status_code == 403
        assert (
            client.post("/admin/delivery/settle", data=form | {"decision": "x"}).status_code == 400
        )
        assert "needs who" in client.post("/admin/delivery/settle", data=form | {"why": ""}).text
        assert "No failed lead." in client.post("/admin/delivery/settle", data=form).text
    assert states() == ["succeeded"]
    assert "delivered, says Ola: they said so" in run("failed", "show", "1")
