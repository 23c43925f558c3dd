"""Every page in a real browser over the demo's data: phone and desk, light and dark, with and without JavaScript.

Fails on a serious finding of axe, an error in the console, a request that leaves this machine (see browser.py), or a
page that is wider than the screen.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from config import DEMO_EMAIL, DEMO_PASSWORD
from demo import SIGNING_SECRET
from tests.browser import DESK, PHONE, OpenPage, log_in
from tests.processes import Demo, order_created

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = (
    "/", "/?days=90", "/attention/addresses", "/attention/payments", "/queue", "/queue?view=snoozed", "/leads",
    "/leads?status=follow_up", "/leads?cod=no&due=7&sort=due", "/bulk/new?do=archive&scope=all",
    "/bulk/new?do=export&scope=all", "/deliveries", "/deliveries?status=sent&role=closing", "/product-lists",
    "/product-lists/new", "/product-lists/try", "/events", "/events?name=order.created", "/tools", "/imports",
    "/settings", "/settings/texts",
)  # fmt: skip
DETAILS = ("/leads/{lead}", "/leads/{lead}/called-off", "/events/{event}", "/product-lists/{product_list}")
LOOKS = [(PHONE, "light"), (PHONE, "dark"), (DESK, "light"), (DESK, "dark")]
HOSTILE = "<img src=x onerror=alert(1)>\u202e=HYPERLINK(1) " + "W" * 300


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo, as `make demo` starts it, once its sample data is in."""
    program = Demo(tmp_path_factory.mktemp("demo") / "instance")
    try:
        program.wait_for_samples()
        yield program
    finally:
        program.stop()


@pytest.fixture(scope="module")
def session(demo: Demo, browser: Any) -> dict[str, Any]:
    """What a browser that is logged in keeps, so that not every test logs in."""
    context = browser.new_context()
    page = context.new_page()
    log_in(page, demo.url, DEMO_EMAIL, DEMO_PASSWORD)
    state: dict[str, Any] = context.storage_state()
    context.close()
    return state


def all_pages(demo: Demo) -> list[str]:
    newest = {
        "lead": "select max(id) from leads",
        "event": "select max(id) from webhook_events",
        "product_list": "select max(id) from product_lists",
    }
    ids = {name: demo.rows(query)[0][0] for name, query in newest.items()}
    return [*PAGES, *(path.format(**ids) for path in DETAILS)]


def look_at(page: Page, url: str) -> None:
    answer = page.goto(url)
    assert answer is not None and answer.status == 200, url
    page.wait_for_load_state("networkidle")
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    overhang = page.evaluate(f"() => {wide}")
    assert overhang <= 0, f"{url} is {overhang} px wider than the screen"


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in found
        if violation["impact"] in {"serious", "critical"}
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize(("size", "scheme"), LOOKS, ids=["phone-light", "phone-dark", "desk-light", "desk-dark"])
def test_every_page_is_sound_and_open_to_all(
    demo: Demo, session: dict[str, Any], open_page: OpenPage, size: dict[str, int], scheme: str
) -> None:
    # Playwright itself evaluates axe, which the page's own policy would forbid.
    page = open_page(size=size, scheme=scheme, storage_state=session, bypass_csp=True)
    complaints = {}
    for path in all_pages(demo):
        look_at(page, demo.url + path)
        complaints[path] = serious(page)
    assert {path: found for path, found in complaints.items() if found} == {}


def test_every_page_works_with_javascript_off(demo: Demo, session: dict[str, Any], open_page: OpenPage) -> None:
    page = open_page(size=PHONE, storage_state=session, java_script_enabled=False)
    for path in all_pages(demo):
        answer = page.goto(demo.url + path)
        assert answer is not None and answer.status == 200, path
        assert page.locator("h1").is_visible(), path
    page.goto(f"{demo.url}/leads?q=siti")
    assert page.locator("main").inner_text()


def test_a_hostile_order_is_text_everywhere(demo: Demo, session: dict[str, Any], open_page: OpenPage) -> None:
    body = order_created(notes=HOSTILE)
    line = {
        **body["data"]["orderlines"][0],
        "product_name": HOSTILE,
        "variant_unique_id": "unheard-of",
        "variant_sku": HOSTILE,
    }
    address = {**body["data"]["destination_address"], "name": HOSTILE, "email": "=cmd()@gmail.com", "phone": HOSTILE}
    body["data"] |= {"orderlines": [line], "destination_address": address, "store": {"name": HOSTILE}}
    body["data"] |= {"handler": {"fullname": HOSTILE}, "payment_account_holder": HOSTILE}
    signed = demo.send(body, secret=SIGNING_SECRET)
    assert signed.status_code == 200, signed.text
    page = open_page(size=PHONE, storage_state=session)
    page.on("dialog", lambda dialog: pytest.fail(f"{page.url} ran the buyer's script"))
    for path in all_pages(demo):
        look_at(page, demo.url + path)
        assert page.locator("img[src='x']").count() == 0, path
        assert "\u202e" not in page.content(), path


def test_the_keys_move_through_the_leads_and_open_the_help(
    demo: Demo, session: dict[str, Any], open_page: OpenPage
) -> None:
    page = open_page(storage_state=session)
    look_at(page, f"{demo.url}/leads")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert "chosen-row" in (page.locator("[data-row]").first.get_attribute("class") or "")
    page.keyboard.press("?")
    page.locator("dialog#keys").wait_for()
    page.keyboard.press("Escape")
    page.locator(".side-bar .keys-button").click()
    page.locator("dialog#keys").get_by_role("button").click()
    page.locator("dialog#keys").wait_for(state="hidden")
    page.keyboard.press("/")
    page.keyboard.type("jk?")
    assert page.locator("#q").input_value() == "jk?"


def test_a_chosen_look_stays_and_the_system_s_is_followed_else(
    demo: Demo, session: dict[str, Any], open_page: OpenPage
) -> None:
    page = open_page(scheme="dark", storage_state=session)
    look_at(page, demo.url)
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"
    page.locator(".side-bar").get_by_role("button", name="Terang").click()
    page.wait_for_load_state("networkidle")
    assert page.locator("html").get_attribute("data-bs-theme") == "light"
