"""A CS works the queue on a phone, in a real browser, with and without JavaScript."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from playwright.sync_api import Page, Route, expect

from models import Lead, UserRole, db
from services import clock, contact_service
from services.statuses import ContactKind
from tests.browser import PHONE, OpenPage, box_of, gap_between, log_in, wait_until_in_sight
from tests.builders import PASSWORD, make_contact, make_lead, make_user
from tests.own_server import listening

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # Flask-Compress leaves it to Python to close a static file that it compressed.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]

EMAIL = "sari@example.com"


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    make_user(EMAIL, UserRole.CS)
    with listening(app) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(params=[True, False], ids=["with-javascript", "without-javascript"])
def phone(request: pytest.FixtureRequest, url: str, open_page: OpenPage) -> Page:
    """A CS who is logged in, on a phone; what would go to WhatsApp is answered here."""
    page = open_page(size=PHONE, java_script_enabled=request.param)
    page.context.route("https://wa.me/**", _play_whatsapp)
    log_in(page, url, EMAIL, PASSWORD)
    return page


def _play_whatsapp(route: Route) -> None:
    route.fulfill(body="WhatsApp", content_type="text/plain")


def make_open_lead(name: str, phone: str) -> Lead:
    return make_lead(name=name, phone=phone, ordered_at=clock.utc_now() - timedelta(hours=2))


def kinds(lead_id: int) -> list[ContactKind]:
    db.session.rollback()
    return [row.kind for row in contact_service.contacts(lead_id)]


def test_a_cs_works_the_queue(url: str, phone: Page) -> None:
    lead_id = make_open_lead("Budi Santoso", "6281234567890").id
    phone.goto(url)
    phone.locator(".bottom-bar").get_by_role("link", name="Hari ini").click()
    card = phone.locator(f"#lead-{lead_id}")
    assert card.get_by_role("link", name="Telepon").get_attribute("href") == "tel:+6281234567890"

    with phone.context.expect_page() as opened:
        card.get_by_role("button", name="WA H+0").click()
    chat = opened.value
    chat.wait_for_url("https://wa.me/**")
    address = urlsplit(chat.url)
    assert address.path == "/6281234567890"
    assert kinds(lead_id) == [ContactKind.WHATSAPP]
    assert parse_qs(address.query)["text"] == [contact_service.contacts(lead_id)[0].text]
    chat.close()
    phone.goto(f"{url}/queue")
    assert "Anda sudah WA (H+0)" in card.inner_text()

    card.get_by_text("Tunda, catatan, hasil").click()
    card.get_by_label("Catatan").fill("minta nomor rekening")
    card.get_by_role("button", name="Catat").click()
    phone.get_by_text("Tercatat.").wait_for()
    assert "minta nomor rekening" in card.inner_text()

    card.get_by_text("Tunda, catatan, hasil").click()
    card.get_by_role("button", name="Besok").click()
    phone.get_by_text("Ditunda sampai").wait_for()
    assert card.count() == 0
    phone.get_by_role("link", name="Ditunda").click()
    card.wait_for()
    assert kinds(lead_id) == [ContactKind.SNOOZE, ContactKind.NOTE, ContactKind.WHATSAPP]


def test_a_colleagues_click_is_seen_and_asked_about(url: str, phone: Page) -> None:
    lead = make_open_lead("Siti", "6281311112222")
    make_contact(lead, actor="rina@example.com", at=clock.utc_now() - timedelta(minutes=10))
    lead_id = lead.id
    phone.goto(f"{url}/queue")
    card = phone.locator(f"#lead-{lead_id}")
    assert "rina sudah WA (H+0) 10 menit yang lalu" in card.inner_text()
    with phone.context.expect_page() as opened:
        card.get_by_role("button", name="WA H+0").click()
    warning = opened.value
    warning.get_by_text("Rekan Anda sudah menghubungi pembeli ini").wait_for()
    assert len(kinds(lead_id)) == 1
    warning.get_by_role("button", name="Tetap hubungi").click()
    warning.wait_for_url("https://wa.me/**")
    assert len(kinds(lead_id)) == 2


def test_the_card_tells_of_the_click_by_itself(url: str, open_page: OpenPage) -> None:
    lead_id = make_open_lead("Budi", "6281234567890").id
    page = open_page(size=PHONE)
    page.context.route("https://wa.me/**", _play_whatsapp)
    log_in(page, url, EMAIL, PASSWORD)
    page.goto(f"{url}/queue")
    with page.context.expect_page():
        page.locator(f"#lead-{lead_id}").get_by_role("button", name="WA H+0").click()
    page.locator(f"#lead-{lead_id}", has_text="Anda sudah WA").wait_for()


def test_what_was_done_is_told_in_sight(url: str, phone: Page) -> None:
    lead_id = [make_open_lead(f"Budi {number}", "6281234567890").id for number in range(6)][-1]
    phone.goto(f"{url}/queue")
    card = phone.locator(f"#lead-{lead_id}")
    card.get_by_text("Tunda, catatan, hasil").click()
    card.get_by_label("Catatan").fill("minta nomor rekening")
    card.get_by_role("button", name="Catat").click()
    told = phone.locator(".alert", has_text="Tercatat.")
    told.wait_for()
    wait_until_in_sight(told)


def test_a_refused_day_is_told_at_the_button_that_was_pressed(url: str, phone: Page) -> None:
    lead_id = [make_open_lead(f"Budi {number}", "6281234567890").id for number in range(6)][-1]
    phone.goto(f"{url}/queue")
    card = phone.locator(f"#lead-{lead_id}")
    card.get_by_text("Tunda, catatan, hasil").click()
    card.get_by_role("button", name="Tunda ke tanggal ini").click()
    told = phone.locator(".invalid-feedback", has_text="Pilih tanggal")
    told.wait_for()
    wait_until_in_sight(told)
    expect(phone.locator("[name=day].is-invalid")).to_be_focused()


def test_a_refused_day_leaves_the_queue_as_it_is(url: str, open_page: OpenPage) -> None:
    lead_id = make_open_lead("Budi", "6281234567890").id
    page = open_page(size=PHONE)
    log_in(page, url, EMAIL, PASSWORD)
    page.goto(f"{url}/queue")
    card = page.locator(f"#lead-{lead_id}")
    card.get_by_text("Tunda, catatan, hasil").click()
    card.get_by_role("button", name="Tunda ke tanggal ini").click()
    card.locator(".invalid-feedback").wait_for()
    card.get_by_role("button", name="Besok").click()
    page.get_by_text("Ditunda sampai").wait_for()
    assert page.url == f"{url}/queue"


def test_a_long_text_s_name_leaves_the_buttons_beside_it_in_its_row(url: str, open_page: OpenPage) -> None:
    lead = make_lead(phone="6281234567890", ordered_at=clock.utc_now() - timedelta(days=6, hours=20))
    page = open_page(size=PHONE)
    log_in(page, url, EMAIL, PASSWORD)
    page.context.add_cookies([{"name": "language", "value": "en", "url": url}])
    for path in ("/queue", f"/leads/{lead.id}"):
        page.goto(url + path)
        row = page.locator(".chase-actions")
        row.get_by_role("button", name="WhatsApp Before the deadline").wait_for()
        assert len({box_of(button)["y"] for button in row.locator(".btn").all()}) == 1, path


def test_the_hint_of_a_mistyped_address_stands_clear_of_the_facts(url: str, open_page: OpenPage) -> None:
    lead = make_lead(email="budi@gmial.com", ordered_at=clock.utc_now() - timedelta(hours=2))
    page = open_page(size=PHONE)
    log_in(page, url, EMAIL, PASSWORD)
    page.goto(f"{url}/leads/{lead.id}")
    buyer = page.locator("[aria-labelledby=buyer-heading]")
    assert gap_between(buyer.locator(".facts"), buyer.get_by_role("alert")) >= 8


def test_nothing_is_wider_than_a_phone_and_every_button_is_large_enough_for_a_finger(url: str, phone: Page) -> None:
    lead = make_open_lead("Budi" * 40, "6281234567890")
    make_contact(lead, kind=ContactKind.NOTE, text="panjang " * 100)
    for path in ("/queue", f"/leads/{lead.id}"):
        phone.goto(url + path)
        for more in phone.locator("main summary").all():
            more.click()
        box = phone.locator("body").bounding_box()
        assert box is not None and box["width"] <= PHONE["width"]
        for button in phone.locator("main .btn").all():
            if button.is_visible():
                size = button.bounding_box()
                assert size is not None and size["x"] + size["width"] <= PHONE["width"]
                assert size["height"] >= 36, button.inner_text()
