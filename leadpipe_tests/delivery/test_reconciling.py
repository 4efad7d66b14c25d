"""A comparison harms nobody: it is a plan, and sends only what the partner does not have when asked."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import leadpipe.cli
from leadpipe_tests.clocks import let_pass
from leadpipe_tests.delivery.builders import accepted, lead

_DAY = 86_400


@pytest.fixture
def at_work(partner, tmp_path, monkeypatch):
    """A working directory whose settings lead to the test partner, which keeps no keys."""
    for name, value in {
        "NPA_API_URL": partner.url,
        "NPA_API_KEY": partner.api_key,
        "NPA_SETTLE_SECONDS": "0",
        "LEADPIPE_DATA_DIR": str(tmp_path / "data"),
        "COLUMNS": "250",
    }.items():
        monkeypatch.setenv(name, value)
    partner.configure(honours_key=False, keeps_key=False)
    return tmp_path


def run(*words: str, code: int = 0, answer: str = "") -> str:
    """Type a command, a second after the one before."""
    let_pass(1)
    result = CliRunner().invoke(leadpipe.cli.main, [*words], input=answer)
    assert result.exit_code == code, result.output
    return result.output if code else result.stdout


def deliver(*numbers: int) -> None:
    Path("leads.json").write_text(json.dumps([lead(number) for number in numbers]))
    run("deliver", "leads.json")


def csv_of(*numbers: int, phone: str = "+1201555{:04d}") -> str:
    """A partner's CSV of these leads."""
    Path("partner.csv").write_text(
        "phone\n" + "".join(f"{phone.format(number)}\n" for number in numbers)
    )
    return "partner.csv"


def plan(*words: str) -> dict[int | None, str]:
    """What is said of each lead."""
    said = json.loads(run("reconcile", *words, "--all", "--json"))
    return {each["id"]: each["kind"] for each in said["findings"]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("full_name,phone\nAnn,1.20156E+10\nBo,1.20156E+10\n", "it went through a spreadsheet"),
        ("phone\n+12015559991\n+12015559992\n", "The file has none of the 3 leads"),
        ("phone,created_at\n+12015550001,2020-01-01T00:00:00Z\n", "The file is of another period"),
    ],
)
def test_a_file_that_says_nothing_of_our_leads_is_refused(partner, at_work, text, problem):
    """Nothing is sent, whatever is asked for."""
    deliver(1, 2, 3)
    Path("partner.csv").write_text(text)
    for words in ((), ("--fix", "--yes")):
        assert problem in run("reconcile", "--since", "7d", "--file", "partner.csv", *words, code=1)
    assert accepted(partner) == ["1", "2", "3"]


def test_the_partner_is_asked_about_each_lead_before_it_is_sent_again(partner, at_work):
    """A file that lacks leads which the partner has makes it send none of them."""
    deliver(1, 2, 3)
    partner.configure(spelling="national", is_searched_as_kept=True)
    partner.change(forget=["npa-3"])
    gone = next(number for number in (1, 2, 3) if str(number) not in accepted(partner))
    there = next(number for number in (1, 2, 3) if number != gone)
    found = plan("--file", csv_of(there))
    assert sorted(found.values()) == ["matched", "missing", "missing"]
    found = plan("--file", csv_of(there), "--fix", "--yes")
    assert sorted(found.values()) == ["matched", "matched", "missing"]
    assert accepted(partner) == ["1", "2", "3"]
    assert len(partner.leads()) == 3


def test_a_partner_that_cannot_be_asked_is_sent_nothing(partner, at_work, monkeypatch):
    """Each missing lead is undecided, and a person's."""
    deliver(1, 2)
    monkeypatch.setenv("NPA_LIST_PATH", "none")
    assert plan("--file", csv_of(1), "--fix", "--yes") == {1: "matched", 2: "undecided"}
    assert len(partner.leads()) == 2
    run("failed", "settle", "2", "--send-again", "--why", "they say it never came")
    assert accepted(partner) == ["1", "2", "2"]


def test_a_file_says_nothing_of_leads_far_from_its_own(partner, at_work):
    """A month's file without --since makes no older lead missing."""
    deliver(1)
    let_pass(10 * _DAY)
    deliver(2, 3)
    assert plan("--file", csv_of(2)) == {1: "undecided", 2: "matched", 3: "missing"}
    assert plan("--since", "24h", "--file", csv_of(2)) == {2: "matched", 3: "missing"}


def test_rows_that_cannot_be_read_may_be_any_lead(partner, at_work):
    """One shortened number leaves every lead undecided that is not in the file."""
    deliver(1, 2)
    Path("partner.csv").write_text("phone\n+12015550001\n1.20156E+10\n")
    said = json.loads(run("reconcile", "--file", "partner.csv", "--json"))
    assert (said["matched"], said["missing_there"], said["undecided"]) == (1, 0, 1)
    assert "a spreadsheet has shortened" in said["notes"][0]


def test_a_lost_answer_is_told_with_what_the_list_has(partner, at_work):
    """A person settles it by the plan."""
    partner.configure(script=["die"], offers_list=False)
    deliver(1)
    deliver(2)
    [found] = [
        each
        for each in json.loads(run("reconcile", "--file", csv_of(1, 2), "--json"))["findings"]
        if each["id"] == 1
    ]
    assert (found["kind"], "leadpipe failed settle 1" in found["reason"]) == ("undecided", True)


def test_an_id_that_is_somebody_elses_there_decides_nothing(partner, at_work):
    """A file's own row numbers look like ids."""
    deliver(1, 2)
    ids = {row["id"]: row["npa_lead_id"] for row in json.loads(run("succeeded", "list", "--json"))}
    Path("partner.csv").write_text(f"id,phone\n{ids[1]},+12015550002\n{ids[2]},+12015557777\n")
    assert plan("--file", "partner.csv")[2] in {"matched", "undecided"}


def test_a_list_in_pages_is_compared_whole(partner, at_work):
    """However the partner divides it, and in whatever spelling."""
    partner.configure(spelling="pretty")
    deliver(*range(1, 104))
    for paging in ("cursor", "token", "page", "total", "offset", "link", "next"):
        partner.configure(paging=paging)
        said = json.loads(run("reconcile", "--since", "24h", "--json"))
        assert [said[name] for name in ("ours", "theirs", "matched", "undecided")] == [
            103,
            103,
            103,
            0,
        ]
