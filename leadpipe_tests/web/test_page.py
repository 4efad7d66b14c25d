"""The page without a browser: what it answers, who may see it, and what its panels read."""

import asyncio
import re

import pytest

from leadpipe.domains import HasPages, parts
from leadpipe.web.probe import PostHogProbe
from leadpipe_tests.web.builders import panels, publish_some
from leadpipe_tests.web.fake_dagster import FakeDagster, NoDagster
from leadpipe_tests.web.fixtures import TOKEN, web_settings

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


def test_one_button_starts_every_part(start):
    """Events first, so that what counts them waits for them in Dagster's queue."""
    dagster = FakeDagster()
    client = start(dagster=dagster)
    answer = press(client, "all", **AS_SCRIPT)
    jobs = [run["selector"]["jobName"] for run in dagster.launched]
    assert jobs == [sync.job for _, part in parts(HasPages) for sync in part.PAGES.syncs]
    assert answer.json() == {"runs": [f"run-{number + 1}" for number in range(len(jobs))]}
    assert jobs[0] == "sync"


def test_a_form_without_a_part_is_the_one_button(start):
    """The Enter key presses the first button."""
    dagster = FakeDagster()
    client = start(dagster=dagster)
    token = re.search(r'name="csrf" value="([^"]+)"', client.get(PAGE).text)
    assert token
    client.post(PAGE, data={"csrf": token[1]}, follow_redirects=False)
    assert len(dagster.launched) > 1


class _HalfADagster(FakeDagster):
    """Starts runs of events only."""

    def _launch(self, params):
        self.problem = "no room" if params["selector"]["jobName"] == "visitors" else None
        return super()._launch(params)


def test_a_part_that_does_not_start_is_said_beside_those_that_did(start):
    """The runs that go on are shown, and why there are no more of them."""
    problem = "Visitors did not start: Dagster says: no room"
    client = start(dagster=_HalfADagster(states=["STARTED"]))
    answer = press(client, "all", **AS_SCRIPT)
    assert (answer.status_code, answer.json()) == (202, {"runs": ["run-1"], "error": problem})
    page = press(client, "all")
    assert page.status_code == 503
    assert problem in page.text
    assert 'data-runs="run-2"' in page.text


@pytest.mark.parametrize("job", ["all", "sync", "visitors"])
def test_what_a_person_starts_is_manual_and_names_the_person(start, job):
    """Nothing of the schedule whose plan it has stays on the run, so it is told at once what fails."""
    of_the_schedule = {
        "dagster/schedule_name": "sync_every_six_hours",
        "leadpipe/kind": "scheduled",
    }
    dagster = FakeDagster(tick=[{**of_the_schedule, "leadpipe/sync": "one"}])
    client = start(dagster=dagster, admin_token=TOKEN, is_public=False)
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/login").text)
    assert token
    client.post("/login", data={"csrf": token[1], "token": TOKEN})
    press(client, job)
    for params in dagster.launched:
        tags = {tag["key"]: tag["value"] for tag in params["executionMetadata"]["tags"]}
        assert tags["leadpipe/kind"] == "manual"
        assert tags["leadpipe/person"] == "admin token"
        assert "dagster/schedule_name" not in tags


def test_a_run_says_who_started_it(start):
    """A person by name, beside the way to the run in Dagster."""
    dagster = FakeDagster(states=["STARTED"])
    client = start(dagster=dagster)
    press(client)
    page = client.get(f"{PAGE}/progress?run=run-1").text
    assert "started by 127.0.0.1 without a login" in page
    assert 'href="http://127.0.0.1:3000/runs/run-1"' in page
    dagster.launched[0]["executionMetadata"]["tags"] = [
        {"key": "leadpipe/kind", "value": "scheduled"}
    ]
    assert "started by its schedule" in client.get(f"{PAGE}/progress?run=run-1").text


def test_without_dagster_there_are_no_links_into_it(tmp_path, start):
    """Nothing leads where nobody answers."""
    publish_some(tmp_path)
    assert "127.0.0.1:3000/" in start(dagster=FakeDagster()).get(PAGE).text
    text = start(dagster=NoDagster()).get(PAGE).text
    assert re.findall(r'href="http://127\.0\.0\.1:3000[^"]*"', text) == []


def test_nothing_starts_while_posthog_is_known_to_be_down(start, sandbox, settings):
    """The page says so at once, with the next step, and starts no run; when PostHog is back it does."""
    dagster = FakeDagster()
    client = start(
        dagster=dagster,
        posthog_api_key=settings.posthog_api_key,
        posthog_project_id=settings.posthog_project_id,
        posthog_base_url="http://127.0.0.1:9",
    )
    answer = press(client, "all", **AS_SCRIPT)
    assert answer.status_code == 503
    assert answer.json()["error"].startswith("Nothing was started, as PostHog cannot be reached: ")
    assert "`leadpipe check` says more" in answer.json()["error"]
    assert dagster.launched == []


def test_posthog_is_asked_again_before_a_sync_where_it_was_down(settings, sandbox):
    """Whoever presses after PostHog is back does not wait for the minute to end."""
    moment = [0.0]
    down = web_settings(settings.data_dir.parent)
    probe = PostHogProbe(down, clock=lambda: moment[0])

    async def asked(seconds: float, *, is_now: bool) -> bool:
        moment[0] += seconds
        return (await (probe.state_now() if is_now else probe.state())).is_reachable

    async def asked_in_turn() -> list[bool]:
        first = await asked(0, is_now=False)
        probe._settings = settings
        return [
            first,
            await asked(4, is_now=True),
            await asked(4, is_now=False),
            await asked(1, is_now=True),
        ]

    assert asyncio.run(asked_in_turn()) == [False, False, False, True]
