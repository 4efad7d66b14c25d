"""The pictures of the documentation: the page with half a year of traffic, on a desk, in the dark, in a hand.

`LEADPIPE_SCREENSHOTS=1` writes them to docs/images; else they are made and measured only. With `all` every
page is in `screenshots/` too, on a desk, in the dark, on a tablet and in a hand, to be looked at.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from leadpipe.connections import connect_posthog
from leadpipe.events.connecting import event_mapping
from leadpipe.published.tables import publish_tables
from leadpipe.visitors.metrics import sync_visitors
from leadpipe.visitors.weeks import weeks_between
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.dagster_ui.processes import REPOSITORY
from leadpipe_tests.events.builders import build_marts, load
from leadpipe_tests.web.builders import pageview
from leadpipe_tests.web.fake_dagster import FakeDagster

_DAYS = 182
_EVENTS = 20_000
_MOST_BYTES = 170_000
_PICTURES: dict[str, dict[str, Any]] = {
    "page-desktop": {"width": 1_280, "height": 1_220},
    "page-dark": {"width": 1_280, "height": 1_220, "color_scheme": "dark"},
}
_PAGES: dict[str, dict[str, Any]] = {
    "today": {"width": 1_280, "height": 860},
    "leads": {"width": 1_280, "height": 860, "color_scheme": "dark"},
    "lead": {"width": 360, "height": 860},
}
_VARIANTS: dict[str, dict[str, Any]] = {
    "desktop": {"width": 1_280, "height": 900},
    "dark": {"width": 1_280, "height": 900, "color_scheme": "dark"},
    "tablet": {"width": 820, "height": 1_180},
    "phone": {"width": 360, "height": 780},
}
_ALL = REPOSITORY / "screenshots"
_STEPS = (
    "visitor_metrics",
    "visitor_metrics_weeks_agree_with_events",
    "visitor_metrics_weeks_are_possible",
)


class FinishedDagster(FakeDagster):
    """A Dagster in which the visitor sync has succeeded."""

    def _run(self, run_id):
        return super()._run(run_id) | {
            "executionPlan": {"steps": [{"key": step} for step in _STEPS]},
            "stepStats": [{"stepKey": step, "status": "SUCCESS"} for step in _STEPS],
        }


@pytest.fixture
def traffic(settings, sandbox):
    """Half a year of invented traffic: loaded, counted, published."""
    sandbox.control.generate(events=_EVENTS, days=_DAYS, end=NOW)
    warehouse = Warehouse(settings.warehouse_path)
    days = [TODAY - timedelta(days=before) for before in range(_DAYS, -1, -1)]
    load(settings, warehouse, days)
    build_marts(warehouse)
    said: list[str] = []
    with connect_posthog(settings) as posthog:
        sync_visitors(
            posthog,
            warehouse,
            weeks_between(days[0], TODAY),
            run_id="run-1",
            mapping=event_mapping(settings),
            clock=lambda: NOW - timedelta(minutes=2),
            note=said.append,
        )
    with warehouse.connect() as connection:
        publish_tables(connection, settings.published_dir)
    return said


def folder_for(tmp_path):
    """Where pictures are written."""
    return REPOSITORY / "docs" / "images" if os.environ.get("LEADPIPE_SCREENSHOTS") else tmp_path


def take(page, picture):
    """A picture of what is seen, which is a small one."""
    page.screenshot(path=picture, animations="disabled")
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert picture.stat().st_size < _MOST_BYTES


def test_the_pictures_of_people_pages(traffic, serve, open_page, tmp_path):
    """Today, the leads and a lead with a note: what somebody sees who opens them in the morning."""
    begin = TODAY - timedelta(days=_DAYS)
    site = serve(start_date=begin).page.removesuffix("/admin/sync")
    page = open_page("about:blank")
    page.clock.set_fixed_time(NOW)
    page.goto(f"{site}/leads?sort=score")
    lead = site + (page.locator("[data-open]").first.get_attribute("href") or "")
    page.goto(lead)
    listing = site + (page.locator("h1 a").get_attribute("href") or "")
    page.get_by_label("What should the next person know?").fill("Wants to see it on Saturday")
    page.get_by_role("button", name="Add the note").click()
    expect(page.locator("#said")).to_have_text("Note kept.")
    paths = {"today": f"{site}/today", "leads": f"{site}/leads", "lead": lead}
    for name, options in _PAGES.items():
        page = open_page(paths[name], **options)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        take(page, Path(folder_for(tmp_path)) / f"{name}.png")
    if os.environ.get("LEADPIPE_SCREENSHOTS") != "all":
        return
    _ALL.mkdir(exist_ok=True)
    further = (
        "listings",
        "visitors",
        "questions",
        "admin/sync",
        "nothing-here",
    )
    page = open_page(f"{site}/questions")
    question = page.get_by_role("link", name="When are listings looked at").get_attribute("href")
    paths |= {"listing": listing, "question": f"{site}{question}"} | {
        path.replace("/", "-"): f"{site}/{path}" for path in further
    }
    for variant, options in _VARIANTS.items():
        for name, address in paths.items():
            page = open_page(address, complaints="404", **options)
            expect(page.locator("#main")).to_be_visible()
            missing = page.get_by_role("heading", name="There is no such page")
            expect(missing).to_have_count(1 if name == "nothing-here" else 0)
            page.screenshot(
                path=_ALL / f"{name}-{variant}.png", full_page=True, animations="disabled"
            )


def test_the_pictures_of_the_documentation(traffic, settings, serve, open_page, tmp_path):
    """Each picture shows the page after a sync, with live pageviews, and is small."""
    logged = [{"__typename": "LogMessageEvent", "message": m, "level": "INFO"} for m in traffic]
    site = serve(
        dagster=FinishedDagster(events=logged),
        posthog_api_key=settings.posthog_api_key,
        posthog_project_id=settings.posthog_project_id,
        posthog_base_url=settings.posthog_base_url,
    )
    for person in range(1, 6):
        site.post_webhook(pageview(person))
    for name, options in _PICTURES.items():
        page = open_page("about:blank", **options)
        page.clock.set_fixed_time(NOW)
        page.goto(f"{site.page}?run=run-1")
        expect(page.locator("#feed-text")).to_have_text("live")
        expect(page.locator("#waiting")).to_have_text("5")
        expect(page.locator("#progress .result")).to_be_visible()
        expect(page.locator(".group")).to_have_count(4)
        take(page, Path(folder_for(tmp_path)) / f"{name}.png")
