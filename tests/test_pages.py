"""Every page: sound, safe, kept or not kept, in both languages; what goes wrong is told in plain words."""

from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError
from werkzeug.security import generate_password_hash

from app import create_app
from config import DEMO_EMAIL, DEMO_PASSWORD, Config
from models import (
    AccountHold,
    UserRole,
    db,
    transaction,
)
from routes import leads as leads_area
from services import settings_service, setup_service
from services.setup_service import Vendor
from tests.builders import (
    NOW,
    PASSWORD,
    make_attempt,
    make_delivery,
    make_event,
    make_history,
    make_lead,
    make_product_list,
    make_user,
)
from tests.page_client import PageClient

HOSTILE = "\"><script>alert('x')</script>\u202e"
LIST_PAGES = ["/leads", "/deliveries", "/events", "/product-lists"]
ALL_PAGES = ["/", *LIST_PAGES, "/queue", "/settings", "/settings/texts", "/tools", "/product-lists/new"]


# --- Every page ---


@pytest.mark.parametrize("language", ["id", "en"])
@pytest.mark.parametrize("url", ALL_PAGES)
def test_a_page_is_sound_while_there_is_nothing_to_show(admin_pages: PageClient, url: str, language: str) -> None:
    admin_pages.client.set_cookie("language", language)
    page = admin_pages.get(url)
    assert f'<html lang="{language}">' in page.html


@pytest.mark.parametrize("url", LIST_PAGES)
def test_an_empty_list_says_what_to_do_next(admin_pages: PageClient, url: str) -> None:
    assert 'class="empty-action"' in admin_pages.get(url).html


def test_text_from_outside_is_escaped_on_every_page(admin_pages: PageClient) -> None:
    product_list = make_product_list(name=HOSTILE, product_id=HOSTILE)
    lead = make_lead(
        name=HOSTILE,
        email=None,
        email_given=HOSTILE,
        phone=None,
        phone_given=HOSTILE,
        product_name=HOSTILE,
        handler_name=HOSTILE,
        store_name=HOSTILE,
        payment_method=HOSTILE,
        bank_name=HOSTILE,
        order_id=HOSTILE,
        product_list_id=product_list.id,
    )
    make_history(lead, note=HOSTILE, actor=HOSTILE, reason=HOSTILE)
    make_attempt(make_delivery(lead, message=HOSTILE, reason=HOSTILE, email=HOSTILE), answer=HOSTILE, kind="new kind")
    event = make_event(
        name=HOSTILE, body=HOSTILE.encode(), error=HOSTILE, order_id=HOSTILE, unique_id=HOSTILE, lead_id=lead.id
    )
    details = [f"/leads/{lead.id}", f"/events/{event.id}", f"/product-lists/{product_list.id}"]
    for url in [*ALL_PAGES, *details, f"/product-lists/{product_list.id}/delete", f"/leads?q={HOSTILE}"]:
        page = admin_pages.get(url)
        assert "<script>alert" not in page.html, url
    for url in ["/leads", "/deliveries", "/events", f"/leads/{lead.id}"]:
        assert "\u202e" not in admin_pages.get(url).html, url


def test_pages_carry_the_security_headers_and_are_not_kept(admin_pages: PageClient) -> None:
    headers = admin_pages.client.get("/leads").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert "Permissions-Policy" in headers


def test_static_files_are_kept_for_a_year_when_their_address_tells_the_version(pages: PageClient) -> None:
    page = pages.get("/login")
    urls = [part.split('"')[0] for part in page.html.split('="') if part.startswith("/static/")]
    assert len(urls) >= 5
    for url in urls:
        with pages.client.get(url) as response:
            assert response.status_code == 200, url
            assert "immutable" in response.headers["Cache-Control"], url


@pytest.mark.parametrize(
    "url", ["/static/app.css", "/static/app.css?v=old", "/static/vendor/none.js", "/static/none?v=1"]
)
def test_other_static_files_are_asked_for_again(client: FlaskClient, url: str) -> None:
    with client.get(url) as response:
        assert response.headers["Cache-Control"] == "no-cache"


def test_the_language_is_switched_and_remembered(pages: PageClient) -> None:
    assert pages.get("/login").headings == ["Masuk"]
    assert pages.send("/login", "/language", language="en").location == "/login"
    assert pages.get("/login").headings == ["Log in"]
    assert pages.get("/nothing-here", 404).headings == ["Not found"]
    pages.send("/login", "/language", status=400, language="xx")


# --- Errors ---


def test_a_page_that_does_not_exist_says_so(pages: PageClient) -> None:
    for url in ["/nothing-here", "/leads/x", "/leads/0", "/leads/99999999999999999999"]:
        assert pages.get(url, 404).headings == ["Tidak ditemukan"]


def test_a_row_that_does_not_exist_says_so(admin_pages: PageClient) -> None:
    for url in ["/leads/99", "/events/99", "/product-lists/99", "/product-lists/99/delete"]:
        assert admin_pages.get(url, 404).headings == ["Tidak ditemukan"]


def test_a_wrong_method_says_so_and_names_the_right_one(pages: PageClient) -> None:
    assert pages.get("/logout", 405).headings == ["Bukan begitu caranya"]
    assert "POST" in pages.client.get("/logout").headers["Allow"]


def test_a_form_that_is_too_large_says_so(admin_pages: PageClient) -> None:
    response = admin_pages.client.post("/product-lists/new", data={"name": "x" * 5_000_000})
    assert response.status_code == 413
    assert "Terlalu besar" in response.get_data(as_text=True)


def test_our_own_mistake_says_so_without_details(
    app: Flask, admin_pages: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    app.testing = False
    monkeypatch.setattr(leads_area.lead_queries, "leads", fail)
    page = admin_pages.get("/leads", 500)
    assert page.headings == ["Ada yang salah di sini"]
    assert "secret" not in page.html


def test_a_database_that_fails_says_so_and_when_to_come_back(
    admin_pages: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("select", {}, Exception("disk I/O error"))

    monkeypatch.setattr(leads_area.lead_queries, "leads", fail)
    response = admin_pages.client.get("/leads")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "10")
    assert "Sedang sibuk" in response.get_data(as_text=True)


# --- Dashboard ---


def test_the_dashboard_says_what_is_still_to_set_up(admin_pages: PageClient) -> None:
    page = admin_pages.get("/")
    assert "Langkah berikut: Simpan dan tes API key ScaleV" in page.text and "0 dari 6 selesai" in page.text
    assert "http://localhost:5000/webhook/scalev" in page.html
    assert "Settings > Developers > Webhooks" in page.text
    assert page.text.count("order.") == 7 and "payment.received" in page.text
    assert "Matikan integrasi Mailketing bawaan ScaleV" in page.text
    assert {"/settings", "/product-lists", "/tools"} <= set(page.links)


def test_the_dashboard_is_quiet_once_all_is_set_up(admin_pages: PageClient) -> None:
    keys = ["scalev_webhook_secret", "mailketing_api_key", "scalev_api_key"]
    settings_service.change(dict.fromkeys(keys, "a-long-enough-key"), NOW)
    setup_service.record_key_test(Vendor.SCALEV, "a-long-enough-key", None, NOW)
    make_event()
    make_lead(product_list_id=make_product_list().id)
    page = admin_pages.get("/")
    assert "Langkah berikut: Simpan dan tes API token Mailketing" in page.text and "5 dari 6 selesai" in page.text
    assert "/webhook/scalev" not in page.html
    setup_service.record_key_test(Vendor.MAILKETING, "a-long-enough-key", "Mailketing: Wrong API Token <b>", NOW)
    assert "Wrong API Token &lt;b&gt;" in admin_pages.get("/").html
    setup_service.record_key_test(Vendor.MAILKETING, "a-long-enough-key", None, NOW)
    page = admin_pages.get("/")
    assert "Langkah berikut" not in page.text and "Semua lancar" in page.text


@pytest.mark.parametrize("role", UserRole)
def test_the_dashboard_praises_nothing_before_all_is_set_up(pages: PageClient, role: UserRole) -> None:
    pages.log_in(make_user("sari@example.com", role).email, PASSWORD)
    for headers in ({}, {"HX-Request": "true"}):
        html = pages.client.get("/", headers=headers).get_data(as_text=True)
        assert "Perlu perhatian" in html and "Semua lancar" not in html


def test_a_cs_is_not_asked_to_set_anything_up(pages: PageClient) -> None:
    pages.log_in(make_user("sari@example.com", UserRole.CS).email, PASSWORD)
    assert "Langkah berikut" not in pages.get("/").text


def hold_account(reason: str) -> None:
    with transaction() as session:
        session.add(AccountHold(reason=reason, since=NOW, checked_at=NOW))


TO_SETTINGS = "/settings#mailketing_api_key"


def test_a_hold_is_told_before_all_else_and_where_it_is_ended(admin_pages: PageClient) -> None:
    hold_account("Wrong API Token")
    for url in ("/", "/deliveries", "/settings"):
        page = admin_pages.get(url)
        assert "Wrong API Token" in page.text and TO_SETTINGS in page.links
    dashboard = admin_pages.get("/").text
    assert dashboard.index("Wrong API Token") < dashboard.index("Langkah berikut")


def test_an_account_without_credits_is_not_sent_to_its_token(admin_pages: PageClient) -> None:
    hold_account("No Credits, Please Top Up")
    page = admin_pages.get("/")
    assert "Isi kredit di Mailketing" in page.text and TO_SETTINGS not in page.links


def test_a_refreshed_dashboard_brings_the_hold_along(admin_pages: PageClient) -> None:
    hold_account("Wrong API Token")
    html = admin_pages.client.get("/", headers={"HX-Request": "true"}).get_data(as_text=True)
    assert html.count("Wrong API Token") == 1 and '<div id="hold" hx-swap-oob="true">' in html


def test_the_demo_says_that_it_is_one(config: Config, migrated_file: object) -> None:
    demo = create_app(Config(instance_path=config.instance_path, demo_url="http://localhost:5001"))
    with demo.app_context():
        db.create_all()
        make_user("admin@example.com")
        pages = PageClient(demo.test_client())
        db.session.remove()
    pages.log_in("admin@example.com", PASSWORD)
    assert "http://localhost:5001" in pages.get("/").links
    with demo.app_context():
        db.engine.dispose()


def test_the_demos_login_is_filled_in_and_no_others(app: Flask, pages: PageClient) -> None:
    assert pages.get("/login").form("/login").values["password"] == ""
    app.extensions["config"] = replace(app.extensions["config"], demo_url="http://localhost:5001")
    make_user(DEMO_EMAIL, password_hash=generate_password_hash(DEMO_PASSWORD, method="pbkdf2:sha256:1"))
    page = pages.get("/login?next=/leads")
    assert DEMO_EMAIL in page.text and DEMO_PASSWORD in page.text
    assert pages.send("/login?next=/leads", "/login").location == "/leads"


def test_the_demos_login_is_filled_in_again_after_a_wrong_try(app: Flask, pages: PageClient) -> None:
    app.extensions["config"] = replace(app.extensions["config"], demo_url="http://localhost:5001")
    page = pages.send("/login", "/login", status=200, email="somebody@example.com", password="a wrong one")
    assert "Email atau kata sandi salah." in page.text
    values = page.form("/login").values
    assert (values["email"], values["password"]) == (DEMO_EMAIL, DEMO_PASSWORD)


def test_a_wrong_password_is_not_sent_back_in_the_demo(app: Flask, pages: PageClient) -> None:
    app.extensions["config"] = replace(app.extensions["config"], demo_url="http://localhost:5001")
    assert "a wrong one" not in pages.send("/login", "/login", status=200, password="a wrong one").html
