"""The page without a browser: what it answers, who may see it, and what its panels read."""

import re

import pytest

from leadpipe.domains import HasPages, parts
from leadpipe_tests.web.builders import panels, publish_some
from leadpipe_tests.web.fake_dagster import FakeDagster, NoDagster
from leadpipe_tests.web.fixtures import TOKEN

PAGE = "/admin/sync"
AS_SCRIPT = {"accept": "application/json"}


def press(client, job="sync", **headers):
    """Send the page's form as a browser with JavaScript does."""
    token = re.search(r'name="csrf" value="([^"]+)"', client.get(PAGE).text)
    assert token
    form = {"csrf": token[1], "job": job}
    return client.post(PAGE, data=form, headers=headers, follow_redirects=False)


def test_a_form_answers_with_the_page_of_its_run(start):
    """Posted by a browser, the form leads to the page that shows the run."""
    answer = press(start(dagster=FakeDagster()))
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?run=run-1")


def test_a_script_is_told_the_runs(start):
    """Posted by the page's script, the form answers with the ids of all runs it started."""
    answer = press(start(dagster=FakeDagster(tick=[{}, {}])), **AS_SCRIPT)
    assert (answer.status_code, answer.json()) == (202, {"runs": ["run-1", "run-2"]})


@pytest.mark.parametrize(
    "job", [sync.job for _, part in parts(HasPages) for sync in part.PAGES.syncs]
)
def test_without_dagster_nothing_starts_and_the_page_says_so(start, job):
    """503 with the reason: as a page for people, as JSON for the script."""
    client = start(dagster=NoDagster())
    page = press(client, job)
    problem = press(client, job, **AS_SCRIPT)
    assert (page.status_code, problem.status_code) == (503, 503)
    assert "Start it with `make up`" in problem.json()["error"]
    assert "Start it with `make up`" in page.text


def test_a_form_of_another_site_starts_nothing(start):
    """Without the session's token the form is refused, and the page says what to do."""
    dagster = FakeDagster()
    client = start(dagster=dagster)
    client.get(PAGE)
    answer = client.post(PAGE, data={"csrf": "guess", "job": "sync"})
    assert (answer.status_code, dagster.launched) == (403, [])
    assert "this form is too old; load the page again" in answer.text
    assert client.post(PAGE, data={}, headers=AS_SCRIPT).json() == {
        "error": "this form is too old; load the page again"
    }


@pytest.mark.parametrize("path", ["", "/overview", "/progress", "/runs/run-1"])
def test_every_part_of_the_page_wants_the_login(start, path):
    """Nobody sees a number without having logged in."""
    client = start(admin_token=TOKEN)
    answer = client.get(PAGE + path, follow_redirects=False)
    assert (answer.status_code, answer.text) == (303, "")


def test_the_content_policy_allows_no_inline_script_or_style(start, tmp_path):
    """Everything comes from files of ours, and the page needs nothing else."""
    publish_some(tmp_path)
    answer = start(dagster=FakeDagster()).get(PAGE)
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'; style-src 'self'; " in policy
    assert "unsafe" not in policy
    assert re.findall(r"<style|<script(?! src=)|\son\w+=|\sstyle=", answer.text) == []
    assert re.findall(r'(?:src|href)="(?:https?:)?//(?!127\.0\.0\.1)', answer.text) == []


def test_a_page_for_another_machine_has_no_link_to_this_ones_dagster(start):
    """http://127.0.0.1:3000 means something else at the reader's machine."""
    here = start(dagster=FakeDagster())
    assert "http://127.0.0.1:3000" in here.get(PAGE).text
    away = start(dagster=FakeDagster(), is_public=True, admin_token=TOKEN)
    away.base_url = "http://stats.example.org"
    token = re.search(r'name="csrf" value="([^"]+)"', away.get("/login").text)
    assert token
    page = away.post(f"/login?next={PAGE}", data={"csrf": token[1], "token": TOKEN})
    assert (page.status_code, "Log out" in page.text) == (200, True)
    assert "http://127.0.0.1:3000" not in page.text


def test_a_run_nobody_knows_is_said_to_be_unknown(start):
    """A run of an address that is old or wrong gives a word, not an error page."""
    answer = start(dagster=FakeDagster()).get(f"{PAGE}?run=gone")
    assert answer.status_code == 200
    assert "Dagster says: Run gone could not be found." in answer.text


def test_nothing_published_gives_no_panels(start):
    """Before the first sync there is nothing to draw, and no error."""
    client = start()
    assert panels(client) == panels(client, "notice") == {}


def test_panels_stand_in_the_domains_order(tmp_path, start):
    """What there is to show is shown, one domain's panels after another's."""
    publish_some(tmp_path)
    shown = list(panels(start()))
    brought = [panel.template for _, part in parts(HasPages) for panel in part.PAGES.panels]
    assert shown
    assert shown == [template for template in brought if template in shown]
