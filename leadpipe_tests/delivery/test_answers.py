"""What the partner's words mean: by rules that a person can see and extend, and never by a guess."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

import leadpipe.cli
from leadpipe.delivery.answer_rules import AnswerRules, read_answer_rules
from leadpipe.delivery.answers import read_answer
from leadpipe.delivery.findings import findings
from leadpipe.errors import ConfigurationError
from leadpipe.settings import whole_settings


def meaning(status: int, said: object, rules: AnswerRules | None = None) -> str:
    """What an answer means."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return read_answer(status, {"content-type": "application/json"}, body, rules).meaning


@pytest.mark.parametrize(
    "said",
    [
        {"success": "false", "message": "Invalid ZIP"},
        {"success": 0},
        {"result": "error"},
        {"status": 400},
        {"status": "422"},
        {"accepted": False},
        {"code": 422},
        {"data": {"success": False, "error": "Invalid ZIP"}},
        {"response": {"status": "rejected"}},
        [{"status": "REJECTED"}],
        {"Status": "Declined", "id": 7},
        {"isAccepted": "No"},
        {"errors": [{"field": "zip"}]},
        {"result": {"outcome": "no buyer"}},
        b"ERROR",
        b'"rejected"',
    ],
)
def test_a_no_in_words_under_a_status_of_success_is_a_no(said):
    """However it is written, and however deep."""
    assert meaning(200, said) == "refused"
    assert meaning(201, said) == "refused"


@pytest.mark.parametrize(
    "said",
    [
        {"success": True},
        {"success": "true", "error": None, "errors": []},
        {"status": "OK", "error_code": 0},
        {"result": "accepted", "id": "npa-1"},
        {"id": 17},
        {"lead": {"id": "npa-1"}},
        {"status": 200},
        {"code": 201, "message": "lead created, no errors", "success": 1},
        b"",
        b"OK",
        b'"success"',
        b"Success.",
    ],
)
def test_a_yes_in_words_is_a_yes(said):
    """Also beside empty errors."""
    assert meaning(200, said) == "accepted"


@pytest.mark.parametrize(
    "said",
    [
        {},
        [],
        None,
        {"message": "Invalid ZIP"},
        {"message": "Thank you"},
        {"message": "duplicate", "id": 7},
        {"success": True, "error": "zip not served"},
        {"accepted": True, "status": "rejected"},
        b"<html>Please log in</html>",
        b"please try again",
        b'{"success": tr',
        b"[" * 100_000,
        b'{"success": ' + b"1" * 5_000 + b"}",
    ],
)
def test_what_is_neither_yes_nor_no_is_unknown(said):
    """Never succeeded, and never sent again before the partner was asked."""
    assert meaning(200, said) == "unknown"


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422, 429, 500, 502, 503])
def test_a_no_counts_under_any_status_and_a_yes_against_it_is_unknown(status):
    """A lead that is declined under 403 stops no other, and under 500 is no riddle."""
    assert meaning(status, {"status": "declined"}) == "refused"
    assert meaning(status, {"success": True}) == "unknown"
    failed = "unknown" if status in {500, 502} else meaning(status, {"message": "x"})
    assert meaning(status, {"success": False}) == failed


def test_a_persons_rules_come_first(tmp_path):
    """Whatever the status, and what is built in says."""
    file = tmp_path / "answers.toml"
    file.write_text(
        '[[answer]]\nmeans = "accepted"\nfields = "result.code"\nvalues = ["DUP", 17]\n\n'
        '[[answer]]\nmeans = "busy"\nstatus = [200, 400]\ntext = "come back later"\n\n'
        '[[answer]]\nmeans = "failed"\nfields = "queue"\n'
    )
    rules = read_answer_rules(file)
    assert meaning(422, {"result": {"code": "dup"}}, rules) == "accepted"
    assert meaning(200, {"result": {"code": 17}, "error": "x"}, rules) == "accepted"
    assert meaning(400, {"note": "Come back LATER, please"}, rules) == "busy"
    assert meaning(500, {"note": "come back later"}, rules) == "unknown"
    assert (meaning(200, {"queue": "full"}, rules), meaning(500, {"queue": "full"}, rules)) == (
        "refused",
        "unknown",
    )
    assert meaning(200, {"queue": None}, rules) == "unknown"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[[answer]]\nmeans = "perhaps"\nfields = "a"', "rule 1: means should be one of accepted"),
        ('[[answer]]\nmeans = "busy"', "rule 1: name fields, or words under text"),
        ('[[answer]]\nmeens = "busy"', "rule 1: 'meens' is no part of a rule"),
        ('[[answer]]\nmeans = "busy"\nfields = [[1]]', "rule 1: fields should be a text"),
        ('[[answer]]\nmeans = "busy"\ntext = "a"\nstatus = 20', "status should be from 100"),
        ('[[rule]]\nmeans = "busy"', "it should hold rules only"),
    ],
)
def test_a_rule_that_cannot_be_used_is_named(tmp_path, text, problem):
    """With its number, before anything is sent."""
    file = tmp_path / "answers.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=problem):
        read_answer_rules(file)
    with pytest.raises(ConfigurationError, match="NPA_ANSWERS_FILE names"):
        read_answer_rules(tmp_path / "none.toml")


def test_the_rules_in_force_can_be_seen_and_tried(tmp_path, monkeypatch):
    """Own ones first; a file with an answer says what it would mean."""
    Path("own.toml").write_text('[[answer]]\nmeans = "refused"\nfields = "verdict"\nvalues = "no"')
    Path("answer.json").write_text('{"verdict": "NO"}')
    monkeypatch.setenv("NPA_ANSWERS_FILE", "own.toml")
    shown = CliRunner().invoke(leadpipe.cli.main, ["delivery", "answers", "--json"])
    rows = json.loads(shown.stdout)
    assert [rows[0][name] for name in ("from", "means", "fields", "values")] == [
        *("own", "refused", "verdict", '"no"')
    ]
    assert {row["from"] for row in rows[1:]} == {"built in"}
    words = ["delivery", "answers", "--try", "answer.json", "--status", "201", "--csv"]
    assert "refused" in CliRunner().invoke(leadpipe.cli.main, words).stdout


@pytest.mark.parametrize(
    ("settings", "verdict", "text"),
    [
        ({}, None, ""),
        ({"npa_api_url": "http://127.0.0.1:9"}, "ok", "list /leads (auto); 0 rules of yours and"),
        (
            {"npa_api_url": "http://127.0.0.1:9", "npa_list_path": "none"},
            "warning",
            "a lost answer is a person's",
        ),
        (
            {"npa_api_url": "http://127.0.0.1:9", "npa_answers_file": "none.toml"},
            "wrong",
            "which does not exist",
        ),
        (
            {"npa_api_url": "http://127.0.0.1:9", "npa_list_query": "page"},
            "wrong",
            "NPA_LIST_QUERY: 'page' cannot be used",
        ),
    ],
)
def test_check_says_how_the_partner_is_read(settings, verdict, text, tmp_path):
    """Without a request to it."""
    own = whole_settings()(_env_file=None, data_dir=tmp_path, **settings)
    found = list(findings(own, None, now=datetime.now(UTC)))
    assert [finding.verdict for finding in found] == ([verdict] if verdict else [])
    assert all(text in finding.text for finding in found)
