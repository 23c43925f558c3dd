"""How much the dashboard transfers: under 250 kB the first time, under 30 kB again, also where only gzip is taken."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from playwright.sync_api import Page

from models import LeadStatus
from services import clock
from tests.browser import OpenPage, log_in
from tests.builders import PASSWORD, make_lead, make_user
from tests.own_server import listening
from tests.page_client import PageClient

pytestmark = [
    # Flask-Compress leaves it to Python to close a static file that it compressed.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]

FIRST_BYTES, AGAIN_BYTES, LIVE_BYTES = 250_000, 30_000, 10_000
EMAIL = "rina@example.com"


@pytest.fixture
def busy_shop(app: Flask) -> None:
    """A dashboard with something in each of its parts."""
    now = clock.utc_now()
    for number in range(60):
        at = now - timedelta(days=number)
        status = list(LeadStatus)[number % 3]
        make_lead(ordered_at=at, status=status, product_name=f"Produk {number % 9}", handler_name=f"CS {number % 7}")


@pytest.fixture
def url(app: Flask, busy_shop: None) -> Iterator[str]:
    make_user(EMAIL)
    with listening(app) as port:
        yield f"http://127.0.0.1:{port}"


def transferred(page: Page, url: str) -> int:
    """Open a page; how many bytes came over the wire for it."""
    sizes = list[float]()
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(url)
    page.wait_for_load_state("networkidle")
    network.detach()
    return round(sum(sizes))


def gzipped(pages: PageClient, url: str, **headers: str) -> tuple[int, str]:
    """What one address answers to a client that takes gzip only: its size, and its text."""
    with pages.client.get(url, headers={"Accept-Encoding": "gzip", **headers}) as response:
        assert response.status_code == 200, url
        size = len(response.data)
    with pages.client.get(url, headers=headers) as response:
        return size, response.get_data(as_text=True)


@pytest.mark.browser
@pytest.mark.slow
def test_the_dashboard_is_light_the_first_time_and_lighter_again(url: str, open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, url, EMAIL, PASSWORD)
    state = page.context.storage_state()
    page = open_page(storage_state=state)  # nothing kept yet
    first, again = transferred(page, url), transferred(page, url)
    print(f"dashboard: {first} bytes the first time, {again} again")  # noqa: T201 (shown with -s)
    assert 0 < first < FIRST_BYTES
    assert 0 < again < AGAIN_BYTES


@pytest.mark.usefixtures("busy_shop")
def test_the_dashboard_is_as_light_where_only_gzip_is_taken(admin_pages: PageClient) -> None:
    size, html = gzipped(admin_pages, "/?days=90")
    assets = re.findall(r'(?:src|href)="(/static/[^"]+)"', html)
    assert len(assets) >= 5
    assert size < AGAIN_BYTES
    assert size + sum(gzipped(admin_pages, asset)[0] for asset in assets) < FIRST_BYTES


@pytest.mark.usefixtures("busy_shop")
def test_what_refreshes_by_itself_is_small(admin_pages: PageClient) -> None:
    assert gzipped(admin_pages, "/?days=90", **{"HX-Request": "true"})[0] < LIVE_BYTES


@pytest.mark.parametrize("url", ["/leads", "/queue", "/settings", "/login"])
def test_only_the_dashboard_loads_the_chart_s_script(admin_pages: PageClient, url: str) -> None:
    with admin_pages.client.get(url, follow_redirects=True) as response:
        has_chart = "chart.umd" in response.get_data(as_text=True)
        assert has_chart is (response.request.path == "/")
