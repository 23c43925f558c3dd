"""The list of leads: filters in the address, saved views, files."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import openpyxl
import pytest

from models import ArchiveReason, LeadStatus, UserRole
from services import lead_queries
from tests.builders import NOW, PASSWORD, make_lead, make_product_list, make_user
from tests.page_client import PageClient


def export(pages: PageClient, query: str) -> bytes:
    answer = pages.client.get(f"/leads/export?{query}")
    assert answer.status_code == 200
    data = answer.get_data()
    answer.close()
    return data


def csv_rows(pages: PageClient, query: str = "") -> list[dict[str, str]]:
    text = export(pages, f"format=csv&{query}").decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text), delimiter=";"))


# --- Filters ---


def test_the_filters_stand_in_the_address_and_each_can_be_taken_off(admin_pages: PageClient) -> None:
    number = make_product_list(name="Madu").id
    make_lead(name="Budi", payment_method="cod", product_list_id=number, store_name="Toko")
    make_lead(name="Siti")
    query = f"status=follow_up&product_list={number}&store=Toko&since=2026-11-01&cod=yes"
    page = admin_pages.get(f"/leads?{query}")
    assert "Budi" in page.text and "Siti" not in page.text
    assert (
        "Product list: Madu" in page.text and "COD: ya" in page.text and "Order dari tanggal: 1 Nov 2026" in page.text
    )
    without_cod = f"/leads?status=follow_up&product_list={number}&store=Toko&since=2026-11-01"
    assert without_cod in page.links
    assert "Budi" in admin_pages.get(without_cod).text


def test_a_filter_calls_things_what_they_are_called(admin_pages: PageClient) -> None:
    make_lead(payment_method="va_bca", store_name="Toko_Satu", handler_name="rina_cs")
    page = admin_pages.get("/leads?store=Toko_Satu&cs=rina_cs&payment=va_bca")
    for label in ("Toko: Toko_Satu", "CS: rina_cs", "Metode pembayaran: Virtual account BCA"):
        assert label in page.text


def test_paging_and_tabs_keep_the_filters(admin_pages: PageClient) -> None:
    for _ in range(51):
        make_lead(payment_method="cod")
    links = admin_pages.get("/leads?cod=yes&sort=total").links
    assert "/leads?status=closing&cod=yes&sort=total" in links
    (further,) = [link for link in links if "cursor" in link]
    assert "cod=yes" in further and "sort=total" in further
    assert len([link for link in admin_pages.get(further).links if link.startswith("/leads/")]) == 1


@pytest.mark.parametrize("query", ["since=x&until=y", "product_list=0x1", "sort=;--", "due=🤷", "cursor=>x", "q=%00"])
def test_nonsense_in_the_address_shows_the_list(admin_pages: PageClient, query: str) -> None:
    make_lead(name="Budi")
    assert "Budi" in admin_pages.get(f"/leads?{query}").text


def test_where_very_many_match_only_what_is_shown_has_a_number(
    admin_pages: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_queries, "MAX_COUNT", 2)
    for _ in range(3):
        make_lead(payment_method="cod")
    text = admin_pages.get("/leads?cod=yes&status=closing").text
    assert "Semua 2+ Follow Up Closing 0 Tidak Closing Diarsipkan" in text
    assert "Semua yang cocok: 2+" in admin_pages.get("/leads?cod=yes").text
    assert "3 lead" in admin_pages.get("/bulk/new?do=archive&scope=all&cod=yes").text


def test_a_lead_that_is_held_says_why_instead_of_a_deadline(admin_pages: PageClient) -> None:
    make_lead(name="Budi", due_at=datetime(2020, 1, 1, tzinfo=UTC), payment_method="cod", order_status="shipped")
    page = admin_pages.get("/leads")
    assert "Ditahan" in page.text and "Paket COD sedang dalam perjalanan." in page.text
    assert "2020" not in page.text


def test_a_list_that_holds_nothing_says_how_to_see_more(admin_pages: PageClient) -> None:
    make_lead()
    page = admin_pages.get("/leads?cod=yes")
    assert "Tidak ada hasil" in page.text and "/leads" in page.links


# --- Saved views ---


def test_a_view_is_saved_shown_and_deleted(admin_pages: PageClient) -> None:
    make_lead(payment_method="cod")
    page = admin_pages.send_and_follow("/leads?cod=yes&sort=total", "/leads/views", name="COD besar")
    assert page.url == "/leads?cod=yes&sort=total"
    assert "COD besar" in page.text and "Tampilan disimpan." in page.text
    home = admin_pages.get("/leads")
    assert "/leads?cod=yes&sort=total" in home.links
    (action,) = [form.action for form in home.forms if form.action.endswith("/delete")]
    page = admin_pages.send_and_follow("/leads", action)
    assert "COD besar" not in page.text


def test_a_view_without_a_name_is_refused_and_the_filter_stays(admin_pages: PageClient) -> None:
    make_lead()
    page = admin_pages.send_and_follow("/leads?cod=no", "/leads/views", name=" ")
    assert "Beri nama tampilan ini." in page.text and page.url == "/leads?cod=no"


def test_nobody_sees_or_deletes_anothers_view(admin_pages: PageClient) -> None:
    make_lead()
    admin_pages.send("/leads?cod=no", "/leads/views", name="Rahasia")
    (action,) = [form.action for form in admin_pages.get("/leads").forms if form.action.endswith("/delete")]
    admin_pages.send("/leads", "/logout")
    admin_pages.log_in(make_user("sari@example.com", UserRole.CS).email, PASSWORD)
    page = admin_pages.get("/leads")
    assert "Rahasia" not in page.text
    token = page.form("/logout").values["csrf_token"]
    assert admin_pages.client.post(action, data={"csrf_token": token}).status_code == 404


# --- Files ---


def test_a_file_honours_the_filters_and_the_ticks(admin_pages: PageClient) -> None:
    first, second = make_lead(name="a", payment_method="cod"), make_lead(name="b", payment_method="cod")
    make_lead(name="c")
    assert [row["Nama"] for row in csv_rows(admin_pages, "sort=oldest")] == ["a", "b", "c"]
    assert [row["Nama"] for row in csv_rows(admin_pages, "cod=yes")] == ["b", "a"]
    assert [row["Nama"] for row in csv_rows(admin_pages, f"id={second.id}")] == ["b"]
    assert [row["Nama"] for row in csv_rows(admin_pages, f"cod=no&id={first.id}")] == []


def test_a_file_is_in_the_persons_words(admin_pages: PageClient) -> None:
    make_lead(status=LeadStatus.NOT_CLOSING, gross_revenue=Decimal("149724.50"), phone="6281234567890")
    make_lead(archived_at=NOW, archive_reason=ArchiveReason.SPAM)
    archived, row = csv_rows(admin_pages)
    assert (row["Status"], row["Total"], row["Nomor telepon"]) == ("Tidak Closing", "149724,50", "\t6281234567890")
    assert (archived["Status"], archived["Alasan arsip"]) == ("Diarsipkan", "ScaleV menandai order ini sebagai spam.")
    admin_pages.client.set_cookie("language", "en")
    assert csv_rows(admin_pages)[1]["Status"] == "Not closing"


def test_excel_gets_the_same_rows(admin_pages: PageClient) -> None:
    make_lead(name='=HYPERLINK("http://evil.example")', order_id="261122000001", gross_revenue=Decimal("149724"))
    sheet = openpyxl.load_workbook(io.BytesIO(export(admin_pages, "format=xlsx"))).active
    heading, row = [[cell.value for cell in cells] for cells in sheet.iter_rows()]
    values = dict(zip(heading, row, strict=True))
    assert (values["ID order"], values["Total"]) == ("261122000001", 149724)
    assert sheet["C2"].value == '=HYPERLINK("http://evil.example")' and sheet["C2"].data_type == "s"
    assert values["Waktu order"].isoformat() == "2026-11-22T10:05:00"


def test_the_number_is_shown_before_a_file_is_fetched(admin_pages: PageClient) -> None:
    make_lead(payment_method="cod")
    lead_id = make_lead().id
    page = admin_pages.get("/bulk/new?do=export&scope=all&cod=yes")
    assert "1 lead" in page.text and "/leads/export?format=csv&cod=yes" in page.links
    page = admin_pages.get(f"/bulk/new?do=export&scope=chosen&id={lead_id}")
    assert "1 lead" in page.text and f"/leads/export?format=xlsx&id={lead_id}" in page.links


def test_a_cs_fetches_no_files(pages: PageClient) -> None:
    pages.log_in(make_user("sari@example.com", UserRole.CS).email, PASSWORD)
    make_lead()
    assert "export" not in pages.get("/leads").html
    for url in ("/leads/export?format=csv", "/bulk/new?do=export&scope=all"):
        pages.get(url, status=403)


def test_a_file_has_a_name_and_is_not_kept_by_anybody(admin_pages: PageClient) -> None:
    for style, mimetype in (
        ("csv", "text/csv"),
        ("xlsx", "application/vnd.openxmlformats-officedocument"),
    ):
        answer = admin_pages.client.get(f"/leads/export?format={style}")
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=leads-")
        assert answer.headers["Content-Type"].startswith(mimetype)
        assert answer.headers["Cache-Control"] == "no-store"
        answer.close()
