"""The lists in a real browser: filters without a reload, ticks, deeds on many, files; also without JavaScript."""

from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
from flask import Flask
from playwright.sync_api import Locator, Page, expect

from models import Delivery, DeliveryStatus, Lead, LeadStatus, db
from routes import bulk
from services import bulk_service
from tests.browser import DESK, PHONE, OpenPage, log_in, wait_until_in_sight
from tests.builders import PASSWORD, make_delivery, make_event, make_lead, make_user
from tests.own_server import listening
from tests.test_browser_pages import serious

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


@pytest.fixture
def desk(url: str, open_page: OpenPage) -> Page:
    return opened(open_page, url, size=DESK)


def opened(open_page: OpenPage, url: str, **options: object) -> Page:
    page = open_page(**options)
    log_in(page, url, EMAIL, PASSWORD)
    return page


def closed() -> int:
    db.session.rollback()
    return db.session.query(Lead).where(Lead.status == LeadStatus.CLOSING).count()


def test_a_filter_shows_its_leads_at_once_and_stands_in_the_address(url: str, desk: Page) -> None:
    make_lead(name="Budi", handler_name="Sari")
    make_lead(name="Siti")
    desk.goto(f"{url}/leads")
    desk.get_by_text("Filter dan urutan").click()
    desk.get_by_label("CS", exact=True).select_option("Sari")
    expect(desk.locator("[data-row]")).to_have_count(1)
    desk.get_by_label("COD").select_option("no")
    desk.wait_for_url("**/leads?cs=Sari&cod=no")
    desk.reload()
    expect(desk.locator("[data-row]")).to_have_count(1)
    desk.get_by_role("link", name="CS: Sari").click()
    expect(desk.locator("[data-row]")).to_have_count(2)


def test_a_view_is_saved_and_comes_back_with_one_click(url: str, desk: Page) -> None:
    make_lead(name="Budi", payment_method="cod")
    make_lead(name="Siti")
    desk.goto(f"{url}/leads?cod=yes")
    desk.get_by_text("Simpan tampilan").click()
    desk.get_by_label("Nama tampilan").fill("COD saja")
    desk.get_by_role("button", name="Simpan", exact=True).click()
    desk.goto(f"{url}/leads")
    desk.get_by_role("link", name="COD saja").click()
    expect(desk.locator("[data-row]")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_many_leads_are_moved_and_every_page_of_it_is_open_to_all(
    url: str, open_page: OpenPage, size: dict[str, int], scheme: str
) -> None:
    page = opened(open_page, url, size=size, scheme=scheme, bypass_csp=True)
    for _ in range(3):
        make_lead()
    make_lead(status=LeadStatus.CLOSING)
    page.goto(f"{url}/leads?due=7&sort=due")
    page.get_by_label("Pilih Budi").first.check()
    if size is DESK:
        page.get_by_label("Semua di halaman ini").check()
        expect(page.locator("[data-ticked]")).to_have_text("3")
    page.get_by_label("Tindakan").select_option("move_closing")
    assert serious(page) == []
    page.get_by_role("button", name="Semua yang cocok: 3").click()
    expect(page.locator("h1")).to_have_text("Pindahkan ke Closing")
    assert serious(page) == []
    assert closed() == 1
    page.get_by_role("button", name="Pindahkan ke Closing").click()
    page.get_by_text("3 berhasil.").wait_for()
    assert serious(page) == []
    assert closed() == 4


def test_every_tab_can_be_seen_on_a_desk(url: str, open_page: OpenPage) -> None:
    page = opened(open_page, url, size={"width": 800, "height": 900})
    page.goto(f"{url}/deliveries")
    for tab in page.locator(".list-tab").all():
        wait_until_in_sight(tab)


def test_the_chosen_tab_can_be_seen_on_a_phone(url: str, open_page: OpenPage) -> None:
    page = opened(open_page, url, size=PHONE)
    make_delivery(status=DeliveryStatus.CANCELLED)
    page.goto(f"{url}/deliveries?status=cancelled")
    wait_until_in_sight(page.locator(".list-tab.active"))
    page.get_by_label("Untuk").select_option("closing")
    page.wait_for_url("**role=closing")
    wait_until_in_sight(page.locator(".list-tab.active"))


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_what_unfolds_is_marked_by_its_triangle(url: str, open_page: OpenPage, size: dict[str, int]) -> None:
    page = opened(open_page, url, size=size)
    lead_id = make_lead(phone="6281234567890").id
    for path, words in ((f"/leads/{lead_id}", "Semua teks"), ("/product-lists/new", "Isi produk sendiri")):
        page.goto(url + path)
        summary = page.locator("summary", has_text=words)
        assert summary.evaluate("summary => getComputedStyle(summary).display") == "list-item"


def height_in_lines(element: Locator) -> float:
    lines: float = element.evaluate("it => it.clientHeight / parseFloat(getComputedStyle(it).lineHeight)")
    return round(lines, 1)


def middle(element: Locator) -> float:
    box = element.bounding_box()
    assert box is not None
    return box["y"] + box["height"] / 2


def test_a_link_in_the_history_is_large_enough_for_a_finger_and_keeps_to_its_line(
    url: str, open_page: OpenPage
) -> None:
    phone = opened(open_page, url, size=PHONE)
    lead = make_lead()
    make_event(lead_id=lead.id, reason="stale")
    phone.goto(f"{url}/leads/{lead.id}")
    link = phone.locator(".history a")
    box = link.bounding_box()
    assert box is not None and box["height"] >= 40
    assert height_in_lines(link.locator("xpath=..")) % 1 == 0


def test_nothing_is_cut_off_on_a_phone(url: str, open_page: OpenPage) -> None:
    phone = opened(open_page, url, size=PHONE)
    make_lead()
    phone.goto(f"{url}/leads")
    room = """field => {
        const style = getComputedStyle(field), pen = new OffscreenCanvas(1, 1).getContext("2d");
        pen.font = `${style.fontSize} ${style.fontFamily}`;
        return field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)
            - pen.measureText(field.placeholder).width;
    }"""
    assert phone.locator("#q").evaluate(room) >= 0
    phone.goto(f"{url}/queue")
    phone.get_by_text("Tunda, catatan, hasil").click()
    day = phone.locator("[name=day]").bounding_box()
    assert day is not None and day["width"] >= 170


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_the_tick_of_a_delivery_stands_beside_its_name(url: str, open_page: OpenPage, size: dict[str, int]) -> None:
    page = opened(open_page, url, size=size)
    make_delivery()
    page.goto(f"{url}/deliveries")
    assert abs(middle(page.locator(".row-tick")) - middle(page.locator(".list-group-item .row-title"))) <= 2


def test_the_arrow_to_the_next_page_has_room_before_it(url: str, desk: Page) -> None:
    for _ in range(60):
        make_lead()
    desk.goto(f"{url}/leads")
    gap = """link => {
        const words = document.createRange();
        words.selectNodeContents(link.firstChild);
        return link.querySelector("svg").getBoundingClientRect().left - words.getBoundingClientRect().right;
    }"""
    assert desk.locator("[rel=next]").evaluate(gap) >= 4


def test_the_bar_moves_while_a_deed_runs_and_it_can_be_stopped(
    url: str, desk: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_service, "_BATCH", 1)
    monkeypatch.setattr(bulk, "_STEP_SECONDS", 0.05)
    for _ in range(200):
        make_lead()
    desk.goto(f"{url}/bulk/new?do=archive&scope=all")
    desk.get_by_role("button", name="Arsipkan").click()
    seen = {desk.locator("progress").get_attribute("value")}
    for _ in range(3):
        desk.wait_for_timeout(300)
        seen.add(desk.locator("progress").get_attribute("value"))
    assert len(seen) > 2, seen
    desk.get_by_role("button", name="Hentikan").click()
    desk.get_by_text("Dihentikan").wait_for()


def test_on_a_phone_the_tools_for_many_appear_with_the_first_tick(url: str, open_page: OpenPage) -> None:
    phone = opened(open_page, url, size=PHONE)
    make_lead(name="Budi")
    phone.goto(f"{url}/leads")
    expect(phone.locator("#bulk")).to_be_hidden()
    box = phone.get_by_label("Pilih Budi")
    target = phone.locator(".tick-cell").bounding_box()
    assert target is not None and min(target["width"], target["height"]) >= 44
    box.check()
    expect(phone.locator("#bulk")).to_be_visible()


def test_the_tools_for_many_stand_where_a_row_far_down_is_ticked(url: str, open_page: OpenPage) -> None:
    phone = opened(open_page, url, size=PHONE)
    for number in range(10):
        make_lead(name=f"Budi {number}")
    phone.goto(f"{url}/leads")
    phone.get_by_label("Pilih Budi 0").check()
    for name in ("Yang dicentang 1", "Semua yang cocok: 10"):
        wait_until_in_sight(phone.get_by_role("button", name=name))
    phone.locator("footer, #found").last.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    wait_until_in_sight(phone.locator(".leads-table .btn-whatsapp").last)


def test_everything_works_without_javascript(url: str, open_page: OpenPage) -> None:
    page = opened(open_page, url, size=PHONE, java_script_enabled=False)
    make_lead(name="Budi", payment_method="cod")
    make_lead(name="Siti")
    page.goto(f"{url}/leads")
    page.get_by_text("Filter dan urutan").click()
    page.get_by_label("COD").select_option("yes")
    page.get_by_role("button", name="Tampilkan").click()
    expect(page.locator("[data-row]")).to_have_count(1)
    page.get_by_label("Pilih Budi").check()
    page.get_by_label("Tindakan").select_option("move_closing")
    page.get_by_role("button", name="Yang dicentang").click()
    page.get_by_role("button", name="Pindahkan ke Closing").click()
    page.get_by_text("1 berhasil.").wait_for()
    assert closed() == 1


def test_a_file_is_fetched_after_its_number_was_shown(url: str, desk: Page, tmp_path: Path) -> None:
    make_lead(name="Budi", payment_method="cod")
    make_lead(name="Siti")
    desk.goto(f"{url}/leads?cod=yes")
    desk.get_by_label("Tindakan").select_option("export")
    desk.get_by_role("button", name="Semua yang cocok: 1").click()
    with desk.expect_download() as fetched:
        desk.get_by_role("link", name="Excel (XLSX)").click()
    fetched.value.save_as(tmp_path / "leads.xlsx")
    rows = list(openpyxl.load_workbook(tmp_path / "leads.xlsx").active.iter_rows(values_only=True))
    assert [row[2] for row in rows] == ["Nama", "Budi"]


def test_failed_deliveries_of_one_reason_are_sent_again(url: str, desk: Page) -> None:
    delivery_id = make_delivery(status=DeliveryStatus.FAILED, reason="gave_up").id
    make_delivery(status=DeliveryStatus.FAILED, reason="refused_list")
    desk.goto(f"{url}/deliveries?status=failed")
    desk.get_by_label("Alasan").select_option("gave_up")
    desk.wait_for_url("**/deliveries?status=failed&reason=gave_up")
    expect(desk.locator("[data-row]")).to_have_count(1)
    desk.get_by_role("button", name="Semua yang cocok: 1").click()
    desk.get_by_role("button", name="Kirim ulang").click()
    desk.get_by_text("1 berhasil.").wait_for()
    db.session.rollback()
    assert db.session.get_one(Delivery, delivery_id).status is DeliveryStatus.PENDING
