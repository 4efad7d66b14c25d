"""The page as people use it: the count, the buttons, the progress, and what goes wrong."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from pydantic import SecretStr

from leadpipe_tests.web.browser.serving import PAGE
from leadpipe_tests.web.builders import pageview, publish_some
from leadpipe_tests.web.fake_dagster import FakeDagster
from leadpipe_tests.web.fixtures import TOKEN

_NO_ANSWER = "Failed to load resource"


def logged(message):
    """A line that an asset logged."""
    return {"__typename": "LogMessageEvent", "message": message, "level": "INFO"}


class PublishingDagster(FakeDagster):
    """A Dagster whose run publishes something before it has succeeded."""

    def __init__(self, folder, **script):
        super().__init__(**script)
        self.folder = folder

    def _run(self, run_id):
        if self.states == ["SUCCESS"] and not (self.folder / "data" / "published").exists():
            publish_some(self.folder, run_id=run_id)
        return super()._run(run_id)


def test_the_button_shows_steps_then_the_result_then_new_charts(serve, open_page, tmp_path):
    """A button starts a run, shows its steps and what it logs, its result, and draws what it published."""
    dagster = PublishingDagster(
        tmp_path,
        states=["QUEUED", "STARTED"],
        events=[logged("asking PostHog for 3 weeks")],
    )
    page = open_page(serve(dagster=dagster).page)
    expect(page.get_by_role("heading", name="Nothing to draw yet")).to_be_visible()
    page.get_by_role("button", name="Only visitors").click()
    progress = page.locator("#progress")
    expect(progress.locator(".state")).to_have_text("running")
    expect(page.get_by_role("button", name="Only visitors")).to_have_attribute(
        "aria-disabled", "true"
    )
    expect(progress.get_by_role("progressbar")).to_have_attribute("value", "1")
    expect(progress.locator("li.succeeded")).to_contain_text("visitor metrics")
    expect(progress.locator("li.waiting")).to_contain_text("weeks agree")
    expect(progress).to_contain_text("asking PostHog for 3 weeks")
    dagster.states = ["SUCCESS"]
    expect(progress.locator(".state")).to_have_text("succeeded")
    assert progress.locator(".result > div").all_inner_texts() == [
        "weeks changed\n1",
        "weeks unchanged\n2",
        "weeks that could not be counted\n0",
        "weeks compared\n3",
    ]
    expect(page.locator("#said")).to_have_text(
        "Visitors succeeded: 1 weeks changed, 2 weeks unchanged, 0 weeks that could not be counted, "
        "3 weeks compared"
    )
    expect(
        page.get_by_role("group", name="Visitors per week, 2–8 Nov to 16–22 Nov")
    ).to_be_visible()
    expect(page.locator(".facts")).to_contain_text("1 succeeded")
    expect(page.get_by_role("button", name="Only visitors")).to_have_attribute(
        "aria-disabled", "false"
    )
    assert page.url.endswith("?run=run-1")


def test_sync_events_starts_what_the_schedule_would(serve, open_page):
    """The button of events starts a run for each range of days, and shows them all."""
    dagster = FakeDagster(job="sync", tick=[{"range": "a"}, {"range": "b"}], states=["STARTED"])
    page = open_page(serve(dagster=dagster).page)
    page.get_by_role("button", name="Only events and leads").click()
    expect(page.locator("#progress .run h3")).to_contain_text(
        ["Events and leads", "Events and leads"]
    )
    assert [run["selector"]["jobName"] for run in dagster.launched] == ["sync", "sync"]


def test_a_run_under_way_is_taken_over(serve, open_page):
    """A run that a schedule or somebody else started is shown when the page is opened, and followed."""
    dagster = FakeDagster(under_way="run-9", states=["STARTED"])
    page = open_page(serve(dagster=dagster).page)
    expect(page.locator("#progress .run h3").first).to_have_text("Visitors running")
    dagster.states = ["SUCCESS"]
    expect(page.locator("#progress .state").first).to_have_text("succeeded")
    assert dagster.launched == []


def test_the_count_moves_when_a_pageview_arrives(serve, open_page, tmp_path):
    """An open page shows a new visitor of this week, and not the same one twice."""
    publish_some(tmp_path)
    site = serve()
    page = open_page(site.page)
    expect(page.locator("#feed")).to_have_attribute("data-state", "live")
    expect(page.locator("#visitors")).to_have_text("2")
    site.post_webhook(pageview(3))
    expect(page.locator("#visitors")).to_have_text("3")
    expect(page.locator("#waiting")).to_have_text("1")
    expect(page.locator("#live-said")).to_have_text("3 visitors this week")
    site.post_webhook(pageview(3))
    site.post_webhook(pageview(4))
    expect(page.locator("#visitors")).to_have_text("4")


def test_a_lost_connection_shows_and_mends(serve, open_page, tmp_path):
    """While leadpipe is away the page says so quietly; when it is back the count goes on."""
    publish_some(tmp_path)
    site = serve()
    page = open_page(site.page, complaints=_NO_ANSWER)
    expect(page.locator("#feed-text")).to_have_text("live")
    site.stop()
    expect(page.locator("#feed-text")).to_have_text("connection lost, trying again")
    expect(page.locator("#visitors")).to_have_text("2")
    site.start()
    site.post_webhook(pageview(3))
    expect(page.locator("#visitors")).to_have_text("3")
    expect(page.locator("#feed-text")).to_have_text("live")


def test_without_the_stream_the_count_is_asked_for(serve, open_page, tmp_path):
    """Where a proxy lets no stream through, the page asks every few seconds."""
    publish_some(tmp_path)
    site = serve()
    page = open_page("about:blank", complaints=_NO_ANSWER)
    page.route("**/api/visitors/stream", lambda route: route.abort())
    page.goto(site.page)
    site.post_webhook(pageview(3))
    expect(page.locator("#visitors")).to_have_text("3")
    expect(page.locator("#feed-text")).to_have_text("asked for every few seconds")


def test_a_refusal_stays_to_be_read(serve, open_page):
    """Why Dagster started nothing stays on the page while the page goes on asking what is under way."""
    dagster = FakeDagster(problem="no such job")
    page = open_page(serve(dagster=dagster).page, complaints=_NO_ANSWER)
    page.get_by_role("button", name="Only visitors").click()
    expect(page.get_by_role("alert")).to_have_text("Dagster says: no such job")
    with page.expect_response("**/progress*"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(200)
    expect(page.get_by_role("alert")).to_be_visible()


def test_a_dagster_that_is_down_is_named(serve, open_page):
    """Without Dagster the page says so once, and what to do; pressing the button says it aloud."""
    page = open_page(serve().page, complaints=_NO_ANSWER)
    down = re.compile("Dagster does not answer at .* Start it with make up")
    expect(page.locator("#progress .problem")).to_have_text(down)
    page.get_by_role("button", name="Only visitors").click()
    expect(page.get_by_role("alert")).to_have_text(down)
    expect(page.locator("#progress .problem")).to_be_hidden()
    expect(page.get_by_role("button", name="Only visitors")).to_have_attribute(
        "aria-disabled", "false"
    )


def test_a_failed_run_shows_its_reason(serve, open_page):
    """What the failed step said stands on the page, for eyes and for those who listen."""
    failure = {
        "__typename": "ExecutionStepFailureEvent",
        "message": "step failed",
        "error": {"message": "KeyRejected: PostHog does not take the key."},
    }
    dagster = FakeDagster(states=["STARTED", "FAILURE"], events=[failure])
    page = open_page(serve(dagster=dagster).page)
    page.get_by_role("button", name="Only visitors").click()
    expect(page.locator("#progress .state")).to_have_text("failed")
    expect(page.locator("#progress .problem")).to_have_text(
        "KeyRejected: PostHog does not take the key."
    )
    expect(page.locator("#said")).to_have_text(
        "Visitors failed: KeyRejected: PostHog does not take the key."
    )


def test_an_empty_page_says_what_to_do(serve, open_page):
    """Without PostHog and without data: why, and the next steps."""
    page = open_page(serve(dagster=FakeDagster()).page)
    expect(page.get_by_role("heading", name="PostHog is not configured yet")).to_be_visible()
    expect(page.locator(".notice")).to_contain_text(
        "POSTHOG_API_KEY and POSTHOG_PROJECT_ID not set"
    )
    expect(page.locator(".empty li")).to_have_count(3)
    expect(page.locator("#visitors")).to_have_text("0")


def test_without_javascript_the_page_does_the_same(serve, open_page, tmp_path):
    """The button posts the form; the page with the run loads itself again until the result is there."""
    dagster = PublishingDagster(tmp_path, states=["STARTED"])
    page = open_page(serve(dagster=dagster).page, java_script_enabled=False)
    page.get_by_role("button", name="Only visitors").click()
    expect(page.locator("#progress .state")).to_have_text("running")
    assert page.url.endswith("?run=run-1")
    dagster.states = ["SUCCESS"]
    expect(page.locator("#progress .state")).to_have_text("succeeded")
    expect(page.locator("#progress .result")).to_contain_text("weeks compared")
    charts = page.get_by_role("group", name=re.compile("^Visitors per week"))
    expect(
        charts.first
    ).to_be_visible()  # until its style is there, a page that comes again has two


def test_the_keyboard_is_enough(serve, open_page):
    """Tab reaches the skip link and the buttons, focus can be seen, Enter starts a run."""
    dagster = FakeDagster(states=["STARTED"])
    page = open_page(serve(dagster=dagster).page)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    button = page.get_by_role("button", name="Sync now")
    expect(button).to_be_focused()
    assert button.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("#progress .state").first).to_have_text("running")
    assert [run["selector"]["jobName"] for run in dagster.launched] == ["sync", "visitors"]
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Only events and leads")).to_be_focused()


@pytest.mark.parametrize("width", [320, 360, 640, 820, 1_280])
def test_nothing_scrolls_sideways(serve, open_page, tmp_path, width):
    """From the narrowest phone on, the page is as wide as the screen, tables open or not."""
    publish_some(tmp_path)
    page = open_page(
        serve(dagster=FakeDagster(under_way="run-1", states=["STARTED"])).page, width=width
    )
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_dark_mode_is_dark(serve, open_page, tmp_path):
    """Ground, text and charts follow the reader's colour scheme."""
    publish_some(tmp_path)
    site = serve()
    found = {
        scheme: open_page(site.page, color_scheme=scheme).evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color, "
            "getComputedStyle(document.querySelector('.chart rect.bar')).fill]"
        )
        for scheme in ("light", "dark")
    }
    assert found == {
        "light": ["rgb(246, 247, 247)", "rgb(22, 33, 31)", "rgb(15, 138, 126)"],
        "dark": ["rgb(16, 22, 21)", "rgb(230, 236, 235)", "rgb(53, 181, 165)"],
    }


def test_who_wants_no_motion_gets_none(serve, open_page, tmp_path):
    """With reduced motion the number changes without an animation."""
    publish_some(tmp_path)
    site = serve()
    page = open_page(site.page, reduced_motion="reduce")
    expect(page.locator("#feed-text")).to_have_text("live")
    site.post_webhook(pageview(3))
    expect(page.locator("#visitors.ticked")).to_have_text("3")
    assert page.evaluate("document.getAnimations().length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(serve, open_page, tmp_path, scheme):
    """The rules of axe-core, contrast among them, hold with data, with a problem, and on the login."""
    site = serve(is_public=True, admin_token=SecretStr(TOKEN))
    page = open_page(site.page, color_scheme=scheme, bypass_csp=True)
    assert violations(page) == []
    page.get_by_label("Access token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#progress .problem")).to_be_visible()
    assert violations(page) == []
    publish_some(tmp_path, error="PostHog does not take the key")
    page.reload()
    for summary in page.locator("summary").all():
        summary.click()
    assert violations(page) == []


def violations(page):
    """What axe finds wrong with a page: the rule, and where."""
    found = Axe().run(page).response["violations"]
    return [(rule["id"], [node["target"] for node in rule["nodes"]]) for rule in found]


def test_login_and_logout(serve, open_page):
    """A wrong token is refused with a word; the right one opens the page; logging out closes it."""
    site = serve(is_public=True, admin_token=SecretStr(TOKEN), dagster=FakeDagster())
    page = open_page(site.page, complaints="401")
    assert page.url.endswith(f"/login?next={PAGE}")
    page.get_by_label("Access token").fill("a guess")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("That is not the token.")
    page.get_by_label("Access token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator("#feed-text")).to_have_text("live")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Access token")).to_be_focused()


def test_a_session_that_is_over_leads_to_the_login(serve, open_page):
    """An open page whose cookie is gone goes to the login as soon as it asks for something."""
    site = serve(is_public=True, admin_token=SecretStr(TOKEN), dagster=FakeDagster())
    page = open_page(site.page, complaints="401")
    page.get_by_label("Access token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator("#feed-text")).to_have_text("live")
    page.context.clear_cookies()
    page.get_by_role("button", name="Only visitors").click()
    expect(page.get_by_label("Access token")).to_be_visible()


def test_times_are_told_from_now(serve, open_page, tmp_path):
    """The last sync stands as how long ago it was, with the exact time as its title."""
    publish_some(tmp_path)
    page = open_page(serve(dagster=FakeDagster()).page)
    time = page.locator(".facts time").first
    expect(time).to_have_attribute("title", "2026-11-21 12:00:00 UTC")
    expect(time).to_have_text(re.compile(r"^(\d+ (min|h|d) ago|in \d+ (min|h|d)|just now)$"))


def test_one_button_shows_every_part(serve, open_page):
    """Sync now starts everything, and each part says who started it and leads to its run in Dagster."""
    dagster = FakeDagster(states=["STARTED"])
    page = open_page(serve(dagster=dagster).page)
    page.get_by_role("button", name="Sync now").click()
    expect(page.locator("#progress .run")).to_have_count(2)
    expect(page.locator("#progress .run").first).to_contain_text(
        "started by 127.0.0.1 without a login"
    )
    link = page.get_by_role("link", name="Open in Dagster").first
    expect(link).to_have_attribute("href", "http://127.0.0.1:3000/runs/run-1")
    for name in ("Sync now", "Only events and leads", "Only visitors"):
        expect(page.get_by_role("button", name=name)).to_have_attribute("aria-disabled", "true")
