"""When Chromium shows the first content of each page; the application is a process of its own.

*The first* is the first view after a publication, for which charts are drawn; *cold* are later ones, in a
browser that has kept nothing; *again* is the same page in the same browser. The budget is half a second.
Beside the median the least is told, which other work at the machine disturbed least, and the CPU of the
page's thread in the browser, which other work hardly changes.
"""

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias
from urllib.request import urlopen

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from leadpipe_tests.web.browser.fixtures import ARGUMENTS, find_chromium

_LOOKS = 7
_STARTUP_SECONDS = 60.0
_PAGES = {
    "Today": "/today",
    "Leads": "/leads",
    "unanswered of yesterday": "/leads?status=new&period=yesterday&sort=score",
    "a lead": "/leads/{lead}",
    "Listings": "/listings",
    "a listing": "/listings/listing-7",
    "Visitors": "/visitors",
    "Questions": "/questions",
    "System": "/admin/sync",
}
_Paint: TypeAlias = tuple[float, float, float]
_DESKTOP: Mapping[str, int] = {"width": 1_440, "height": 900}
_PAINTED = """
    () => new Promise((found) => new PerformanceObserver((list) => {
        const paint = list.getEntriesByName("first-contentful-paint")[0];
        if (paint) found([paint.startTime, performance.getEntriesByType("navigation")[0].responseEnd]);
    }).observe({ type: "paint", buffered: true }))
"""


def print_first_paints(data: Path) -> None:
    """Serve a data folder, open each page in Chromium, and print when it is painted, in milliseconds."""
    with _serving(data) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        print("first contentful paint in Chromium, ms (of that, until the page was there):")
        with urlopen(f"{site}/leads") as answer:
            lead = answer.read().decode().partition('href="/leads/')[2][:12]
        for name, path in _PAGES.items():
            address = site + path.format(lead=lead)
            [first] = _paints(browser, address, looks=1)
            cold = _paints(browser, address, looks=_LOOKS)
            with _desktop(browser) as context:
                again = [_paint(context, address) for _ in range(_LOOKS + 1)][1:]
            print(
                f"  {name:<26} the first {first[0]:5.0f}   cold {_said(cold)}   again {_said(again)}"
            )
        browser.close()


def _said(paints: Sequence[_Paint]) -> str:
    painted, answered, worked = (statistics.median(each) for each in zip(*paints, strict=True))
    least = min(paint for paint, _, _ in paints)
    return f"{painted:5.0f} ({answered:4.0f}), least {least:5.0f}, CPU {worked:4.0f}"


def _paints(browser: Browser, address: str, *, looks: int) -> list[_Paint]:
    """Of a new browser each time."""
    found = []
    for _ in range(looks):
        with _desktop(browser) as context:
            found.append(_paint(context, address))
    return found


def _paint(context: BrowserContext, address: str) -> _Paint:
    """When the first content was painted, when the text had arrived, the CPU of its thread; in ms."""
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(address, wait_until="commit")
    painted, answered = page.evaluate(_PAINTED)
    metrics = session.send("Performance.getMetrics")["metrics"]
    [worked] = [each["value"] for each in metrics if each["name"] == "TaskDuration"]
    page.close()
    return painted, answered, worked * 1_000


@contextmanager
def _desktop(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=dict(_DESKTOP))  # type: ignore[arg-type]
    try:
        yield context
    finally:
        context.close()


@contextmanager
def _serving(data: Path) -> Iterator[str]:
    """The application as `leadpipe serve` starts it; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "leadpipe", "serve"],
        cwd=data.parent,
        env={
            **{name: value for name, value in os.environ.items() if "POSTHOG" not in name},
            "LEADPIPE_DATA_DIR": str(data),
            "LEADPIPE_WEB_PORT": str(port),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    site = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{site}/healthz")
        yield site
    finally:
        process.terminate()
        process.wait(_STARTUP_SECONDS)


def _wait_for(address: str) -> None:
    until = time.monotonic() + _STARTUP_SECONDS
    while True:
        try:
            urlopen(address).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return
