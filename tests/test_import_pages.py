"""The import page: it says what it would do, asks, and shows how far it is; without scripts and in a real browser."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import delete, func, select

from models import Lead, db, transaction
from models import Settings as SettingsRow
from models_people import OrderImport
from sandbox.app import serve_in_thread
from sandbox.state import Sandbox as SandboxState
from sandbox.state import Settings
from services import import_service, jobs, lease_service, settings_service
from services.clock import utc_now
from tests.browser import PHONE, OpenPage, log_in
from tests.page_client import Page, PageClient
from tests.processes import EMAIL, PASSWORD, SCALEV_KEY, Sandbox, running
from tests.scalev_shop import Shop

# The sandbox's orders are of real days.
SINCE, UNTIL = "2020-01-01", (utc_now() + timedelta(days=1)).date().isoformat()


@pytest.fixture
def shop(app: Flask) -> Iterator[Shop]:
    with serve_in_thread(SandboxState(Settings())) as url:
        shop = Shop(url)
        app.extensions["config"] = replace(app.extensions["config"], scalev_api_url=shop.api_url)
        settings_service.change({"scalev_api_key": SCALEV_KEY}, utc_now())
        yield shop


def count(pages: PageClient, **values: str) -> Page:
    return pages.send("/imports", "/imports", status=200, since=SINCE, until=UNTIL, **values)


def begin(pages: PageClient, **values: str) -> OrderImport:
    shown = count(pages).form("/imports").values
    unticked = {name: value for name, value in shown.items() if name != "transfer_unpaid"}
    answer = pages.client.post("/imports", data={**unticked, "confirmed": "1", **values})
    assert answer.status_code == 302
    db.session.rollback()
    return db.session.scalars(select(OrderImport).order_by(OrderImport.id.desc())).first()  # type: ignore[return-value]


def test_nothing_is_begun_before_the_count_was_seen(admin_pages: PageClient, shop: Shop) -> None:
    shop.orders(3, age_days=30)
    paid = shop.order(age_days=20)
    shop.act(paid, "pay")
    shop.order(age_days=1)
    page = count(admin_pages)
    facts = page.text
    assert "Baru, sudah dibayar: jadi Closing dan ditambahkan ke list itu 1" in facts
    assert "Baru, masih dalam masa follow up: jadi Follow Up 1" in facts
    assert "Baru, lama belum dibayar: jadi Tidak Closing 3" in facts
    assert "Tambahkan juga pembeli order lama yang belum dibayar ke list-nya: 3" in facts
    assert "30 kredit" in facts
    assert import_service.newest(1) == []


def test_why_an_import_waits_is_told_without_paths(admin_pages: PageClient, shop: Shop) -> None:
    admin_pages.client.set_cookie("language", "en")
    shop.order(age_days=1)
    import_service.wait(begin(admin_pages).id, "ScaleV: GET /v3/orders answered HTTP 502")
    page = admin_pages.get("/imports")
    assert "ScaleV answered with HTTP 502 (trouble on its side)." in page.text and "/v3" not in page.text


def test_a_long_count_goes_on_in_steps_and_offers_a_transfer_at_its_end(admin_pages: PageClient, shop: Shop) -> None:
    shop.orders(230, age_days=30, spread_days=30)
    page = count(admin_pages)
    assert "100 order sudah dihitung, masih ada lagi." in page.text
    assert 'hx-trigger="load"' in page.html and 'name="transfer_unpaid"' not in page.html
    assert "Mulai tanpa list Tidak Closing" in page.text
    for counted in (
        "200 order sudah dihitung",
        "Tambahkan juga pembeli order lama yang belum dibayar ke list-nya: 230",
    ):
        page = count(admin_pages, counted=page.form("/imports").values["counted"])
        assert counted in page.text
    assert "6.900 kredit" in page.text
    assert 'hx-trigger="load"' not in page.html
    assert shop.list_calls() == 10


def test_what_was_counted_is_kept_while_scalev_cannot_be_asked(admin_pages: PageClient, shop: Shop) -> None:
    shop.orders(130, age_days=30)
    counted = count(admin_pages).form("/imports").values["counted"]
    shop.switch("server_error")
    page = count(admin_pages, counted=counted)
    assert "alert-danger" in page.html and "100 order sudah dihitung" in page.text
    assert 'hx-trigger="load"' not in page.html
    shop.clear_switches()
    assert "130 order." in count(admin_pages, counted=page.form("/imports").values["counted"]).text


def test_a_count_that_is_not_ours_begins_anew(admin_pages: PageClient, shop: Shop) -> None:
    shop.order(age_days=30)
    assert "1 order." in count(admin_pages, counted='{"unpaid": 9}').text


def test_a_running_import_tells_why_it_does_not_move(admin_pages: PageClient, shop: Shop) -> None:
    shop.order(age_days=30)
    begin(admin_pages)
    assert "pekerjaan terjadwal tidak berjalan" in admin_pages.get("/imports").text
    lease_service.acquire("a scheduler", utc_now())
    shop.switch("refuse")
    jobs.run("import")
    text = admin_pages.get("/imports").text
    assert "pekerjaan terjadwal tidak berjalan" not in text
    assert "Lanjut sendiri begitu ScaleV menjawab." in text


def test_an_import_is_without_transfer_unless_it_was_chosen(admin_pages: PageClient, shop: Shop) -> None:
    shop.orders(2, age_days=30)
    row = begin(admin_pages)
    assert (row.transfer_unpaid, row.status, row.actor) == (False, "running", "admin@example.com")
    assert jobs.run("import").problem is None
    assert db.session.scalar(select(func.count()).select_from(Lead).where(Lead.no_transfer)) == 2
    assert "100%" in admin_pages.get("/imports").text
    assert begin(admin_pages, transfer_unpaid="y").transfer_unpaid


def test_an_import_is_stopped_and_goes_on(admin_pages: PageClient, shop: Shop) -> None:
    shop.orders(30, age_days=30)
    row = begin(admin_pages)
    import_service.run_step(shop.client, row.id)
    fragment = admin_pages.client.get("/imports/progress").text
    assert "25 order dilihat" in fragment and 'hx-trigger="every 2s"' in fragment
    admin_pages.send("/imports", f"/imports/{row.id}/cancel")
    page = admin_pages.get("/imports")
    assert "Dihentikan" in page.text and 'hx-trigger="every 2s"' not in page.html
    admin_pages.send("/imports", f"/imports/{row.id}/resume")
    assert jobs.run("import").problem is None
    assert "30 order dilihat" in admin_pages.get("/imports").text


def test_a_range_that_is_none_is_refused_in_words(admin_pages: PageClient, shop: Shop) -> None:
    page = admin_pages.send("/imports", "/imports", status=200, since="2026-02-02", until="2026-02-01")
    assert "alert-danger" in page.html
    page = admin_pages.send("/imports", "/imports", status=200, since="soon", until="2026-02-01")
    assert "invalid-feedback" in page.html


def test_without_a_key_the_page_says_so(admin_pages: PageClient) -> None:
    assert "API key ScaleV" in count(admin_pages).text


def test_an_import_whose_key_was_taken_away_tells_it(admin_pages: PageClient, shop: Shop) -> None:
    shop.order(age_days=30)
    begin(admin_pages)
    with transaction() as session:
        session.execute(delete(SettingsRow))
    jobs.run("import")
    assert "API key ScaleV belum ada" in admin_pages.get("/imports").text


def test_a_scalev_that_fails_is_told_in_its_own_words(admin_pages: PageClient, shop: Shop) -> None:
    shop.switch("wrong_token")
    assert "alert-danger" in count(admin_pages).html


@pytest.mark.browser
@pytest.mark.slow
def test_the_bar_moves_by_itself_and_the_import_can_be_stopped_and_resumed(tmp_path: Path, open_page: OpenPage) -> None:
    sandbox = Sandbox(tmp_path / "sandbox.log")
    account = {"ADMIN_EMAIL": EMAIL, "ADMIN_PASSWORD": PASSWORD, "SCALEV_API_KEY": SCALEV_KEY}
    try:
        sandbox._call("POST", "orders/bulk", {"count": 300, "spread_days": 60, "age_days": 10})
        sandbox.switch("slow", vendor="scalev", seconds=0.3)
        with running(tmp_path / "instance", **sandbox.variables, **account, SCHEDULER_ENABLED="1") as program:
            page = open_page(size=PHONE)
            log_in(page, program.url, EMAIL, PASSWORD)
            page.goto(f"{program.url}/imports?days=90")
            page.get_by_role("button", name="Hitung dulu").click()
            page.get_by_role("button", name="Mulai impor").click()
            bar = page.locator("progress").first
            page.locator("progress:not([value='0'])").wait_for(timeout=60_000)
            percent = int(bar.get_attribute("value") or 0)
            page.get_by_role("button", name="Hentikan").click()
            page.get_by_text("Dihentikan", exact=True).wait_for()
            sandbox.clear_switches()
            page.get_by_role("button", name="Lanjutkan").click()
            page.locator("progress[value='100']").wait_for(timeout=60_000)
            assert 0 < percent < 100
            assert program.rows("select seen, status from order_imports")[0][1] == "done"
    finally:
        sandbox.stop()
