"""A headless Chromium that reports what a page asked for and complained about."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from leadpipe_tests.web.browser.serving import Site

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# Nothing that Chromium does on its own, and no sandbox of its own: CI runs as root.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_PATIENCE_MS = 60_000

Serve = Callable[..., Site]
Open = Callable[..., Page]


def find_chromium() -> str:
    """The browser's program."""
    wanted = os.environ.get("LEADPIPE_CHROMIUM")
    found = wanted or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None or not Path(found).exists():
        pytest.fail(
            "The page's tests need Chromium: `make programs` installs it as root, "
            "LEADPIPE_CHROMIUM names one that is elsewhere."
        )
    return found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser a module; its event loop ends with it, as others start loops of their own."""
    expect.set_options(timeout=_PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serve the test's folder: `serve(dagster=…, is_public=…, **settings)`."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(Site(tmp_path, **options))


def _wait_for_all_of_it(page: Page) -> None:
    """Before each act on a page, and each look at it, wait until it is loaded."""

    def wait(_: object = None) -> None:
        page.wait_for_load_state("load")

    page.add_locator_handler(page.locator("html"), wait, no_wait_after=True)
    for name in ("press", "type", "insert_text", "down"):
        key: Callable[..., None] = getattr(page.keyboard, name)

        def after_all(*words: Any, act: Callable[..., None] = key, **options: Any) -> None:
            wait()
            act(*words, **options)

        setattr(page.keyboard, name, after_all)


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Open]:
    """Open an address: `open_page(url, width=360, color_scheme="dark", …)`.

    Whatever a test then does or expects, by pointer, touch or key, waits until the page that is there has its
    scripts and styles, also after a link: people are slower than a busy machine's browser.

    At the end nothing may have been asked for beyond loopback, and no page may have complained: a violation
    of the content policy is a complaint too. `complaints=…` names those that a test provokes.
    """
    asked: list[str] = []
    said: list[str] = []
    expected: list[str] = []
    with ExitStack() as stack:

        def opened(
            url: str, *, width: int = 1_280, height: int = 800, complaints: str = "", **options: Any
        ) -> Page:
            context = stack.enter_context(
                chromium.new_context(viewport={"width": width, "height": height}, **options)
            )
            context.set_default_timeout(_PATIENCE_MS)
            page = context.new_page()
            page.on("request", lambda request: asked.append(request.url))
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            expected.extend([complaints] if complaints else [])
            _wait_for_all_of_it(page)
            page.goto(url)
            return page

        yield opened
    hosts = {urlsplit(url).hostname for url in asked if not url.startswith("data:")}
    assert hosts <= {"127.0.0.1"}
    assert [text for text in said if not any(part in text for part in expected)] == []
