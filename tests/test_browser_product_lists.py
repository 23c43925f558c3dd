"""An admin sets a product list up in a real browser, by the drop-downs alone; then an order of it reaches its list."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser import PHONE, OpenPage, log_in
from tests.processes import (
    EMAIL,
    LIST_NOT_CLOSING,
    MAILKETING_TOKEN,
    PASSWORD,
    SCALEV_KEY,
    SHARED_SECRET,
    Program,
    Sandbox,
    email_of,
    running,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PRODUCT, VARIANT = "Madu Hutan", "Madu Hutan - 500 ml"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    server = Sandbox(tmp_path / "sandbox.log")
    yield server
    server.stop()


@pytest.fixture
def program(tmp_path: Path, sandbox: Sandbox) -> Iterator[Program]:
    account = {"ADMIN_EMAIL": EMAIL, "ADMIN_PASSWORD": PASSWORD}
    with running(tmp_path / "instance", **sandbox.variables, **account) as program:
        sandbox.connect(program)
        yield program


def save_keys(page: Page, program: Program) -> None:
    """In the browser, as the admin does it; the lists are then fetched by the job."""
    page.goto(f"{program.url}/settings")
    keys = {
        "scalev_api_key": SCALEV_KEY,
        "scalev_webhook_secret": SHARED_SECRET,
        "mailketing_api_key": MAILKETING_TOKEN,
    }
    for name in keys:
        form = page.locator("form", has=page.locator(f"[name={name}]"))
        form.locator(f"[name={name}]").fill(keys[name])
        form.get_by_role("button", name="Simpan").first.click()
        page.wait_for_load_state()
    done = program.flask("jobs", "run", "refresh-catalogue")
    assert done.code == 0, done.err


def pick(page: Page, field: str, text: str) -> None:
    """Type into a searchable drop-down, take what it finds, and go on with Tab, as one does by keyboard."""
    control = page.locator(f"#{field} + .ts-wrapper")
    entry = control.locator("input")
    entry.focus()
    entry.press_sequentially(text)
    control.locator(".option.active", has_text=text).wait_for()
    entry.press("Enter")
    entry.press("Tab")
    control.locator(".ts-dropdown").wait_for(state="hidden")
    page.wait_for_load_state("networkidle")  # another product brings its variants, which move what is below


def order_and_expire(program: Program, sandbox: Sandbox) -> dict[str, int]:
    """An order of eight days ago comes in and expires; gives who is on the list then."""
    sandbox.order(name="Siti", email=email_of("siti"), age_days=8)
    for job in ("check-expired-leads", "deliver"):
        assert program.flask("jobs", "run", job).code == 0
    return sandbox.subscribers(LIST_NOT_CLOSING)


def test_a_product_list_is_set_up_by_the_drop_downs_alone(
    program: Program, sandbox: Sandbox, open_page: OpenPage
) -> None:
    page = open_page()
    log_in(page, program.url, EMAIL, PASSWORD)
    save_keys(page, program)
    page.goto(f"{program.url}/product-lists/new")
    pick(page, "product", PRODUCT)
    page.locator("#variants").get_by_label("500 ml").check()
    pick(page, "not_closing_list_id", LIST_NOT_CLOSING)
    page.get_by_role("button", name="Simpan").click()
    page.wait_for_url(f"{program.url}/product-lists")
    assert PRODUCT in page.locator(".product-list").inner_text()
    assert order_and_expire(program, sandbox) == {email_of("siti"): 1}


def test_it_works_on_a_phone_without_javascript_too(program: Program, sandbox: Sandbox, open_page: OpenPage) -> None:
    page = open_page(size=PHONE, java_script_enabled=False)
    log_in(page, program.url, EMAIL, PASSWORD)
    save_keys(page, program)
    page.goto(f"{program.url}/product-lists/new")
    page.select_option("#product", label=next(
        text for text in page.locator("#product option").all_inner_texts() if text.startswith(PRODUCT)
    ))  # fmt: skip
    page.get_by_role("button", name="Tampilkan variannya").click()
    page.locator("#variants").get_by_label("500 ml").check()
    page.select_option("#not_closing_list_id", LIST_NOT_CLOSING)
    page.get_by_role("button", name="Simpan").click()
    page.wait_for_url(f"{program.url}/product-lists")
    assert order_and_expire(program, sandbox) == {email_of("siti"): 1}


def test_leads_that_wait_are_counted_before_they_are_taken_along(
    program: Program, sandbox: Sandbox, open_page: OpenPage
) -> None:
    page = open_page(size=PHONE)
    log_in(page, program.url, EMAIL, PASSWORD)
    save_keys(page, program)
    sandbox.order(name="Siti", email=email_of("siti"), age_days=8)
    assert program.flask("jobs", "run", "check-expired-leads").code == 0
    page.goto(f"{program.url}/product-lists")
    page.locator("#unmapped").get_by_role("link", name="Petakan").click()
    pick(page, "not_closing_list_id", LIST_NOT_CLOSING)
    page.get_by_role("button", name="Simpan").click()
    page.get_by_text("1 lead menunggu product list ini").wait_for()
    page.get_by_role("button", name="Simpan").click()
    page.wait_for_url(f"{program.url}/product-lists")
    assert page.locator("#unmapped").count() == 0
    assert program.flask("jobs", "run", "deliver").code == 0
    assert sandbox.subscribers(LIST_NOT_CLOSING) == {email_of("siti"): 1}
