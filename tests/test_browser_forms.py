"""Forms in a real browser: drop-downs that can be read, mistakes that are told where they can be seen."""

from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Locator, Page, expect

from models import transaction
from models_catalogue import CatalogueList, CatalogueProduct
from tests.browser import DESK, PHONE, OpenPage, box_of, log_in, wait_until_in_sight
from tests.builders import NOW, PASSWORD, make_user
from tests.own_server import listening

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # Flask-Compress leaves it to Python to close a static file that it compressed.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]

EMAIL = "admin@example.com"


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    make_user(EMAIL)
    with listening(app) as port:
        yield f"http://127.0.0.1:{port}"


def make_products(count: int) -> None:
    with transaction() as session:
        for number in range(count):
            session.add(CatalogueProduct(scalev_id=str(number), name=f"Madu {number}", seen_at=NOW))


def make_lists(count: int) -> None:
    with transaction() as session:
        for number in range(1, count + 1):
            session.add(CatalogueList(list_id=str(number), name=f"Pembeli madu hutan {number}", seen_at=NOW))


def open_new_product_list(page: Page, url: str) -> None:
    log_in(page, url, EMAIL, PASSWORD)
    page.goto(f"{url}/product-lists/new")


def drop_down(page: Page, field: str) -> Locator:
    return page.locator(f"#{field} + .ts-wrapper")


def brightness(element: Locator, name: str) -> float:
    """From 0 for black to 1 for white; a colour that lets through what is behind it fails."""
    colour = element.evaluate(f"element => getComputedStyle(element).{name}")
    canvas = (
        "colour => { const c = new OffscreenCanvas(1, 1).getContext('2d'); c.fillStyle = colour; "
        "c.fillRect(0, 0, 1, 1); return Array.from(c.getImageData(0, 0, 1, 1).data); }"
    )
    red, green, blue, alpha = element.page.evaluate(canvas, colour)
    assert alpha == 255, f"{name} is see-through: {colour}"
    return (red + green + blue) / (3 * 255)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_the_list_of_a_drop_down_covers_what_is_behind_it(
    url: str, open_page: OpenPage, size: dict[str, int], scheme: str
) -> None:
    make_products(3)
    page = open_page(size=size, scheme=scheme)
    open_new_product_list(page, url)
    drop_down(page, "product").locator(".ts-control").click()
    options = drop_down(page, "product").locator(".ts-dropdown")
    options.wait_for()
    behind, text = brightness(options, "backgroundColor"), brightness(options, "color")
    assert (behind > 0.9 and text < 0.4) if scheme == "light" else (behind < 0.3 and text > 0.7)
    marked = options.locator(".option.active")
    assert abs(brightness(marked, "backgroundColor") - behind) > 0.03


def test_a_choice_in_one_drop_down_leaves_the_next_one_under_the_finger(url: str, open_page: OpenPage) -> None:
    make_lists(5)
    page = open_page(size=PHONE, has_touch=True)
    open_new_product_list(page, url)
    chosen, next_one = drop_down(page, "closing_list_id"), drop_down(page, "not_closing_list_id")
    at_rest = box_of(chosen)["height"]
    chosen.locator(".ts-control").tap()
    chosen.locator(".option", has_text="hutan 3").tap()
    expect(page.locator("#closing_list_id")).to_have_value("3")
    expect(chosen.locator("input")).to_be_focused()
    assert box_of(chosen)["height"] == at_rest
    next_one.locator(".ts-control").tap()
    expect(next_one.locator(".ts-dropdown")).to_be_visible()


def test_what_is_typed_and_entered_at_once_is_chosen(url: str, open_page: OpenPage) -> None:
    make_lists(5)
    page = open_page()
    open_new_product_list(page, url)
    entry = drop_down(page, "closing_list_id").locator("input")
    entry.focus()
    entry.press_sequentially("hutan 4")
    entry.press("Enter")
    expect(page.locator("#closing_list_id")).to_have_value("4")


def test_the_choice_gives_way_to_what_is_typed_until_that_is_given_up(url: str, open_page: OpenPage) -> None:
    make_lists(5)
    page = open_page(size=PHONE)
    open_new_product_list(page, url)
    control = drop_down(page, "closing_list_id")
    entry, choice = control.locator("input"), control.locator(".item")
    entry.focus()
    expect(choice).to_be_visible()
    entry.press_sequentially("gamis")
    expect(choice).to_be_hidden()
    expect(control.locator(".no-results")).to_have_text("Tidak ada hasil")
    entry.press("Escape")
    expect(choice).to_be_visible()


@pytest.mark.parametrize("with_javascript", [True, False], ids=["with-javascript", "without-javascript"])
def test_a_refused_setting_is_in_sight_and_named_at_the_top(
    url: str, open_page: OpenPage, with_javascript: bool
) -> None:
    page = open_page(size=PHONE, java_script_enabled=with_javascript)
    log_in(page, url, EMAIL, PASSWORD)
    page.goto(f"{url}/settings")
    page.get_by_label("Menit antar pengecekan").fill("kadang")
    page.get_by_role("button", name="Simpan aturan").click()
    field = page.get_by_label("Menit antar pengecekan")
    expect(field).to_be_focused()
    wait_until_in_sight(page.locator("#check_interval_minutes-error"))
    page.evaluate("scrollTo(0, 0)")
    wait_until_in_sight(page.get_by_role("alert").get_by_role("link", name="Menit antar pengecekan"))
