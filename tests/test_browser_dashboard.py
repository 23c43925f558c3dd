"""The dashboard in a real browser: it refreshes by itself without disturbing anybody, and works without scripts."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page

from models import LeadStatus
from services import clock
from tests.browser import PHONE, OpenPage, gap_between, log_in
from tests.builders import PASSWORD, make_lead, make_user
from tests.own_server import listening

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # Flask-Compress leaves it to Python to close a static file that it compressed.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]

EMAIL = "rina@example.com"


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    make_user(EMAIL)
    make_lead(email="siti@gmial.com", ordered_at=clock.utc_now() - timedelta(hours=1))
    with listening(app) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def page(url: str, open_page: OpenPage) -> Page:
    page = open_page()
    log_in(page, url, EMAIL, PASSWORD)
    page.wait_for_function("() => window.htmx && document.getElementById('live').matches('[hx-get]')")
    return page


def refresh(page: Page) -> None:
    """What app.js does every 15 seconds; ends when the new figures are there."""
    page.locator("#live").evaluate("element => { element.dataset.old = 'yes'; }")
    page.evaluate("() => window.htmx.trigger(document.body, 'live')")
    page.locator("#live:not([data-old])").wait_for()


def open_leads(page: Page) -> str:
    return page.locator("#figure-clock .figure-number").inner_text()


def test_the_first_steps_stand_clear_of_the_figures(page: Page) -> None:
    assert gap_between(page.locator(".steps-card"), page.locator("#live")) >= 8


def test_new_leads_show_up_by_themselves_and_what_is_open_stays_open(page: Page) -> None:
    page.locator(".numbers summary").click()
    page.locator(".own-range summary").click()
    make_lead(ordered_at=clock.utc_now() - timedelta(minutes=5), product_name="Teh Telang")
    assert open_leads(page) == "1"
    refresh(page)
    assert open_leads(page) == "2"
    assert page.locator("#days tbody tr").first.locator("td").first.inner_text() == "2"
    assert page.locator("#rankings").get_by_text("Teh Telang").is_visible()
    assert page.locator("#days table").is_visible()
    assert page.locator("#since").is_visible()
    assert page.locator("h1").count() == page.locator("#health").count() == page.locator("#rankings").count() == 1


def test_a_refresh_leaves_the_focus_where_it_is(page: Page) -> None:
    for selector in ("#figure-clock", ".numbers summary", "#concern-1"):
        page.locator(selector).focus()
        refresh(page)
        assert page.evaluate("selector => document.activeElement.matches(selector)", selector), selector


def test_it_refreshes_every_15_seconds(url: str, open_page: OpenPage) -> None:
    page = open_page()
    page.clock.install()
    log_in(page, url, EMAIL, PASSWORD)
    asked = list[str]()
    page.on("request", lambda request: asked.append(request.url) if "hx-request" in request.headers else None)
    page.clock.run_for(10_000)
    assert asked == []
    for _ in range(2):
        with page.expect_response(lambda response: "hx-request" in response.request.headers):
            page.clock.run_for(15_000)
        page.wait_for_load_state("networkidle")
    assert len(asked) == 2


def test_who_is_logged_out_meanwhile_is_led_to_the_login(url: str, browser: Browser) -> None:
    page = browser.new_context().new_page()  # not by open_page, which does not allow the 401 in the console
    log_in(page, url, EMAIL, PASSWORD)
    page.context.clear_cookies()
    with page.expect_navigation(url=f"{url}/login"):
        page.evaluate("() => window.htmx.trigger(document.body, 'live')")
    page.context.close()


def test_the_chart_is_drawn_from_the_table_s_numbers_and_anew_in_the_dark(page: Page) -> None:
    newest = "Chart.getChart('chart').data.datasets[0].data.at(-1)"
    ink = "Chart.getChart('chart').options.scales.x.ticks.color"
    table = page.locator("#days tbody tr td").first.evaluate("cell => cell.textContent")
    assert str(page.evaluate(newest)) == table
    light = page.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("() => document.documentElement.dataset.bsTheme === 'dark'")
    assert page.evaluate(ink) != light


def test_without_scripts_the_numbers_stand_in_a_table_and_the_system_s_look_is_followed(
    url: str, open_page: OpenPage
) -> None:
    page = open_page(size=PHONE, scheme="dark", java_script_enabled=False)
    log_in(page, url, EMAIL, PASSWORD)
    assert not page.locator("#chart").is_visible()
    page.locator(".numbers summary").click()
    assert page.locator("#days tbody tr").count() == 7
    assert page.evaluate("() => getComputedStyle(document.documentElement).colorScheme") == "light dark"
    page.locator(".period-chips").get_by_role("link", name="Hari ini").click()
    assert "days=1" in page.url
    page.locator(".own-range summary").click()
    page.fill("#since", "2026-01-01")
    page.get_by_role("button", name="Tampilkan").click()
    assert "since=2026-01-01" in page.url


def test_a_mistyped_address_is_mended_from_the_list_in_two_taps(page: Page, url: str) -> None:
    page.get_by_role("link", name="alamat email yang tampak salah ketik").click()
    page.get_by_role("button", name="Pakai siti@gmail.com").click()
    page.wait_for_url(f"{url}/attention/addresses")
    assert page.get_by_role("button", name="Pakai").count() == 0
    assert page.locator(".empty").is_visible()


def test_closings_of_today_are_counted_after_a_refresh(page: Page) -> None:
    make_lead(status=LeadStatus.CLOSING, status_changed_at=clock.utc_now(), product_name="Kopi")
    refresh(page)
    assert page.locator("#figure-check .figure-number").inner_text() == "1"
