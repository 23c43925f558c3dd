"""A real browser: Debian's Chromium, driven by Playwright. Imported by conftest, so that every test can ask for it."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, FloatRect, Locator, Page, sync_playwright

EXECUTABLE = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
WAIT_MS = 15_000
SCROLL_SECONDS = 3

OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if EXECUTABLE is None:
        if os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail("REQUIRE_ALL=1, but there is no Chromium on this machine.")
        pytest.skip("There is no Chromium on this machine.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Return a function that opens a page in a browser context of its own.

    When the test ends, it fails if a page wrote an error to its console, or asked anything of another machine.
    """
    contexts, complaints = [], list[str]()

    def open_page(*, size: dict[str, int] = DESK, scheme: str = "light", **options: Any) -> Page:
        context = browser.new_context(
            viewport=size, color_scheme=scheme, locale="id-ID", timezone_id="Asia/Jakarta", **options
        )
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: _note_foreign(request.url, complaints))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints, "\n".join(complaints)


def _note_foreign(url: str, complaints: list[str]) -> None:
    address = urlsplit(url)
    if address.scheme in {"http", "https", "ws", "wss"} and address.hostname not in {"127.0.0.1", "localhost"}:
        complaints.append(f"asked {url}")


def log_in(page: Page, url: str, email: str, password: str) -> None:
    page.goto(f"{url}/login")
    page.fill("[name=email]", email)
    page.fill("[name=password]", password)
    page.press("[name=password]", "Enter")
    page.wait_for_url(f"{url}/")


def box_of(element: Locator) -> FloatRect:
    box = element.bounding_box()
    assert box is not None, f"{element} is not shown"
    return box


def gap_between(upper: Locator, lower: Locator) -> float:
    """How many pixels are free between two elements that stand one below the other."""
    above = box_of(upper)
    return box_of(lower)["y"] - above["y"] - above["height"]


def wait_until_in_sight(element: Locator) -> None:
    """Wait until all of an element stands on the visible part of the page, with nothing over its middle: a page that
    was told to show it scrolls there smoothly."""
    deadline = time.monotonic() + SCROLL_SECONDS
    while not element.evaluate(_IS_IN_SIGHT):
        assert time.monotonic() < deadline, f"{element} is out of sight"
        element.page.wait_for_timeout(100)


_IS_IN_SIGHT = """element => {
    const box = element.getBoundingClientRect();
    const isInside = box.top >= 0 && box.bottom <= innerHeight && box.left >= 0 && box.right <= innerWidth;
    const onTop = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return isInside && onTop !== null && (element.contains(onTop) || onTop.contains(element));
}"""
