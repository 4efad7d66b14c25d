"""`leadpipe today`: the same as the page and the message, and `--send`."""

import json

import pytest
from click.testing import CliRunner

from leadpipe.cli import main
from leadpipe_tests.inboxes import http_inbox
from leadpipe_tests.today.builders import SEEKERS, something_new


@pytest.fixture
def leadpipe(tmp_path, monkeypatch):
    """Run the command on the test's folder."""
    monkeypatch.setenv("LEADPIPE_DATA_DIR", str(tmp_path / "data"))

    def run(*words, **environment):
        return CliRunner().invoke(main, ["today", *words], env=environment)

    return run


def test_it_says_what_the_message_says(leadpipe, tmp_path):
    """The day, then a line each; in JSON the numbers with their lists."""
    something_new(tmp_path)
    shown = leadpipe()
    assert shown.exit_code == 0
    assert shown.stdout.startswith("Saturday, 21 November 2026\n• ")
    assert "Leads: 4 new leads since yesterday" in " ".join(shown.stdout.split())
    found = json.loads(leadpipe("--json").stdout)
    assert [section["title"] for section in found["sections"]] == ["Leads", "Listings", "Visitors"]
    assert found["sections"][0]["facts"][0]["path"] == "/leads?since=2026-11-20T00%3A00%3A00Z"
    text = shown.stdout + json.dumps(found)
    assert [name for name in SEEKERS if name in text] == []


def test_send_tells_those_who_were_not_told(leadpipe, tmp_path):
    """A second time it says that they had it."""
    something_new(tmp_path)
    with http_inbox() as inbox:
        first = leadpipe("--send", LEADPIPE_ALERT_TO=f"json://{inbox.place}/")
        again = leadpipe("--send", LEADPIPE_ALERT_TO=f"json://{inbox.place}/")
        assert len(inbox.bodies) == 1
    assert (first.stderr, again.stderr) == (
        "Told 1 now; 0 had it already.\n",
        "Told 0 now; 1 had it already.\n",
    )


def test_what_stands_in_the_way_is_said(leadpipe, tmp_path):
    """Nothing to say, or nobody to say it to: one line, and 1."""
    empty = leadpipe("--send")
    assert (empty.exit_code, "Nothing was sent, as nothing can be said" in empty.stderr) == (
        1,
        True,
    )
    assert "Run `leadpipe sync` first" in empty.stdout
    something_new(tmp_path)
    nobody = leadpipe("--send")
    assert (nobody.exit_code, "LEADPIPE_ALERT_TO is not set" in nobody.stderr) == (1, True)
