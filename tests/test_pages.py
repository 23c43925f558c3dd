"""Each page as people use it: fetched, checked for form, filled in and sent."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pytest_httpserver import HTTPServer
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from app import create_app
from config import Config
from models import (
    AccountHold,
    ArchiveReason,
    Delivery,
    DeliveryStatus,
    EventStatus,
    Lead,
    LeadStatus,
    ProductList,
    User,
    UserRole,
    WebhookEvent,
    db,
    transaction,
)
from routes import leads as leads_area
from services import settings_service, user_service
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
ALL_PAGES = ["/", *LIST_PAGES, "/settings", "/product-lists/new"]


def _lead(lead_id: int) -> Lead:
    return db.session.get_one(Lead, lead_id)


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


# --- Log-in and set-up ---


def test_who_logs_in_gets_where_they_wanted_to_go(pages: PageClient, admin: User) -> None:
    wanted = pages.get("/leads?status=closing", 302).location
    answer = pages.send(wanted, "/login", email="ADMIN@example.com ", password=PASSWORD)
    assert answer.location == "/leads?status=closing"
    assert pages.get(wanted, 302).location == "/leads?status=closing"


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https://evil.example"])
def test_a_login_link_leads_to_no_other_site(pages: PageClient, admin: User, target: str) -> None:
    answer = pages.send(f"/login?next={target}", "/login", email=admin.email, password=PASSWORD)
    assert answer.location == "/"


def test_a_wrong_password_is_told_and_the_email_kept(pages: PageClient, admin: User) -> None:
    page = pages.send("/login", "/login", status=200, email=admin.email, password="wrong")
    assert "Email atau kata sandi salah." in page.text
    assert page.form("/login").values["email"] == admin.email
    assert "wrong" not in page.html


def test_too_many_wrong_passwords_are_told(pages: PageClient, admin: User) -> None:
    for _ in range(10):
        pages.send("/login", "/login", status=200, email=admin.email, password="wrong")
    page = pages.send("/login", "/login", status=429, email=admin.email, password=PASSWORD)
    assert "Terlalu banyak percobaan" in page.text


def test_a_login_begins_a_session_of_its_own(pages: PageClient, admin: User) -> None:
    before = pages.get("/login").form("/login").values["csrf_token"]
    answer = pages.client.post("/login", data={"email": admin.email, "password": PASSWORD, "csrf_token": before})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Expires" in cookie and "Secure" not in cookie
    assert pages.client.post("/logout", data={"csrf_token": before}).status_code == 400


def test_cookies_are_secure_where_the_public_address_is_https(config: Config) -> None:
    secure = create_app(Config(instance_path=config.instance_path, public_url="https://leads.example.com"))
    response = secure.test_client().get("/login")
    assert all("Secure" in cookie for cookie in response.headers.getlist("Set-Cookie"))


def test_who_logs_out_is_out(admin_pages: PageClient) -> None:
    assert admin_pages.send("/", "/logout").location == "/login"
    assert admin_pages.get("/", 302).location == "/login?next=/"


def test_a_new_password_logs_other_browsers_out(admin_pages: PageClient, admin: User) -> None:
    user_service.reset_password(admin.email, "teh tarik manis")
    assert admin_pages.get("/", 302).location == "/login?next=/"


def test_the_first_admin_is_made_with_the_token_from_the_console(pages: PageClient, config: Config) -> None:
    assert "/setup" in pages.get("/login").links
    token = user_service.setup_token(config.instance_path)
    url = f"/setup?token={token}"
    assert pages.get(url).form("/setup").values["token"] == token
    assert pages.send(url, "/setup", email="budi@example.com", password=PASSWORD).location == "/"
    assert pages.get("/").headings == ["Beranda"]
    assert pages.get("/setup", 302).location == "/login"


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"token": "guess"}, "Ini bukan token setup"),
        ({"password": "short"}, "Minimal 8 karakter."),
        ({"email": "budi"}, "Ini bukan alamat email."),
        ({"email": ""}, "Wajib diisi."),
    ],
)
def test_a_set_up_with_a_mistake_names_it(
    pages: PageClient, config: Config, values: dict[str, str], complaint: str
) -> None:
    token = user_service.setup_token(config.instance_path)
    filled = {"email": "budi@example.com", "password": PASSWORD, **values}
    page = pages.send(f"/setup?token={token}", "/setup", status=200, **filled)
    assert complaint in page.text
    assert not user_service.any_user()


# --- Dashboard ---


def test_the_dashboard_says_what_is_still_to_set_up(admin_pages: PageClient) -> None:
    page = admin_pages.get("/")
    assert "Langkah berikut: Simpan signing secret ScaleV" in page.text
    assert "http://localhost:5000/webhook/scalev" in page.html
    assert "order.payment_status_changed" in page.text


def test_the_dashboard_is_quiet_once_all_is_set_up(admin_pages: PageClient) -> None:
    keys = ["scalev_webhook_secret", "mailketing_api_key", "scalev_api_key"]
    settings_service.change(dict.fromkeys(keys, "a-long-enough-key"), NOW)
    make_event()
    make_product_list()
    assert "Langkah berikut" not in admin_pages.get("/").text


def test_a_cs_is_not_asked_to_set_anything_up(pages: PageClient) -> None:
    pages.log_in(make_user("sari@example.com", UserRole.CS).email, PASSWORD)
    assert "Langkah berikut" not in pages.get("/").text


def test_a_hold_is_told_on_the_dashboard_and_at_the_deliveries(admin_pages: PageClient) -> None:
    with transaction() as session:
        session.add(AccountHold(reason="Wrong API Token", since=NOW, checked_at=NOW))
    for url in ("/", "/deliveries"):
        assert "Wrong API Token" in admin_pages.get(url).text


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


# --- Leads ---


def test_leads_are_filtered_and_searched_and_the_address_keeps_both(admin_pages: PageClient) -> None:
    make_lead(name="Budi", status=LeadStatus.CLOSING)
    make_lead(name="Siti")
    page = admin_pages.get("/leads?status=closing&q=bud")
    assert "Budi" in page.text and "Siti" not in page.text
    assert "/leads?status=follow_up&q=bud" in page.links
    assert "Tidak ada hasil" in admin_pages.get("/leads?q=zzz").text
    assert "Siti" in admin_pages.get("/leads?status=nonsense").text


def test_a_long_list_is_paged(admin_pages: PageClient) -> None:
    for _ in range(60):
        make_lead()
    older = [link for link in admin_pages.get("/leads?status=follow_up").links if "cursor" in link]
    assert len(older) == 1
    assert "Lebih baru" in admin_pages.get(older[0]).text


def test_a_phone_opens_whatsapp(admin_pages: PageClient) -> None:
    lead = make_lead(phone="6281234567890")
    for url in ("/leads", f"/leads/{lead.id}"):
        assert "https://wa.me/6281234567890" in admin_pages.get(url).links


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"due_at": NOW - timedelta(days=400)}, "Harinya sudah habis"),
        ({"due_at": NOW + timedelta(days=4000)}, "Pindah ke Tidak Closing"),
        ({"payment_status": "conflict"}, "Cek pembayaran"),
        ({"archived_at": NOW, "archive_reason": ArchiveReason.SPAM}, "ScaleV menandai order ini sebagai spam."),
    ],
)
def test_a_lead_tells_its_next_step(admin_pages: PageClient, fields: dict[str, object], sentence: str) -> None:
    assert sentence in admin_pages.get(f"/leads/{make_lead(**fields).id}").text


def test_a_lead_shows_what_happened_and_what_mailketing_said(admin_pages: PageClient) -> None:
    lead = make_lead(status=LeadStatus.NOT_CLOSING)
    make_history(lead, reason="expired", actor="system", note="not verified")
    delivery = make_delivery(lead, status=DeliveryStatus.FAILED, reason="refused_list", message="Invalid List")
    make_attempt(delivery, kind="config", answer='{"status":"failed"}')
    text = admin_pages.get(f"/leads/{lead.id}").text
    for part in ("Harinya habis tanpa pembayaran.", "Tidak dicek:", "Invalid List", "1 percobaan", "list ditolak"):
        assert part in text


def test_a_lead_is_moved_by_hand_with_a_note(admin_pages: PageClient) -> None:
    lead_id = make_lead().id
    url = f"/leads/{lead_id}"
    page = admin_pages.send_and_follow(url, f"{url}/move", to="closing", note=" sudah transfer ")
    assert _lead(lead_id).status is LeadStatus.CLOSING
    assert "sudah transfer" in page.text and "admin@example.com" in page.text


def test_a_lead_is_archived_by_hand_and_taken_back(admin_pages: PageClient) -> None:
    lead_id = make_lead().id
    url = f"/leads/{lead_id}"
    admin_pages.send(url, f"{url}/move", to="archive", note="")
    assert _lead(lead_id).is_archived
    admin_pages.send(url, f"{url}/move", to="follow_up", note="")
    assert not _lead(lead_id).is_archived


def test_a_move_that_is_refused_says_why(admin_pages: PageClient) -> None:
    url = f"/leads/{make_lead(status=LeadStatus.CLOSING).id}"
    page = admin_pages.send_and_follow(url, f"{url}/move", to="closing")
    assert "Lead ini sudah berstatus itu." in page.text


def test_a_move_to_nowhere_or_with_a_novel_changes_nothing(admin_pages: PageClient) -> None:
    lead_id = make_lead().id
    url = f"/leads/{lead_id}"
    admin_pages.send(url, f"{url}/move", status=200, to="nowhere")
    page = admin_pages.send(url, f"{url}/move", status=200, to="closing", note="x" * 1001)
    assert "Terlalu panjang." in page.text
    assert _lead(lead_id).status is LeadStatus.FOLLOW_UP


def test_a_cs_may_move_leads(pages: PageClient) -> None:
    pages.log_in(make_user("sari@example.com", UserRole.CS).email, PASSWORD)
    lead_id = make_lead().id
    pages.send(f"/leads/{lead_id}", f"/leads/{lead_id}/move", to="not_closing")
    assert _lead(lead_id).status is LeadStatus.NOT_CLOSING


# --- Product lists ---


def test_a_product_list_is_added_and_takes_the_waiting_leads(admin_pages: PageClient) -> None:
    values = {"name": "Ebook", "product_id": " variant_x ", "not_closing_list_id": "103", "follow_up_days": "3"}
    page = admin_pages.send_and_follow("/product-lists/new", "/product-lists/new", **values)
    assert "Tersimpan." in page.text
    row = db.session.scalars(select(ProductList)).one()
    assert (row.product_id, row.not_closing_list_id, row.closing_list_id, row.follow_up_days) == (
        "variant_x",
        "103",
        None,
        3,
    )


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"name": ""}, "Wajib diisi."),
        ({"product_id": "taken"}, "Sudah ada product list dengan ID produk ini."),
        ({"follow_up_days": "soon"}, "Harus bilangan bulat."),
        ({"follow_up_days": "0"}, "Harus berupa angka dari 1 sampai 365."),
        ({"closing_list_id": "<b>"}, "hanya berisi angka"),
    ],
)
def test_a_product_list_with_a_mistake_names_it_and_keeps_what_was_typed(
    admin_pages: PageClient, values: dict[str, str], complaint: str
) -> None:
    make_product_list(product_id="taken")
    filled = {"name": "Ebook", "product_id": "variant_x", "not_closing_list_id": "777", **values}
    page = admin_pages.send("/product-lists/new", "/product-lists/new", status=200, **filled)
    assert complaint in page.text
    kept = page.form("/product-lists/new").values
    assert kept["not_closing_list_id"] == "777"
    assert all(kept[name] == value for name, value in values.items())


def test_a_product_list_is_changed_switched_off_and_deleted(admin_pages: PageClient) -> None:
    product_list_id = make_product_list(name="Ebook").id
    make_lead(product_list_id=product_list_id)
    url = f"/product-lists/{product_list_id}"
    admin_pages.send(url, url, name="Ebook Baru")
    assert "Ebook Baru" in admin_pages.send_and_follow("/product-lists", f"{url}/switch").text
    assert not db.session.get_one(ProductList, product_list_id).active
    assert "1 lead memakai product list ini." in admin_pages.get(f"{url}/delete").text
    admin_pages.send(f"{url}/delete", f"{url}/delete")
    assert db.session.get(ProductList, product_list_id) is None
    assert len(db.session.scalars(select(Lead)).all()) == 1


# --- Settings ---


def test_keys_are_saved_and_never_shown_again(admin_pages: PageClient) -> None:
    secret = "sk_live_0123456789abcd"
    page = admin_pages.send_and_follow("/settings", "/settings", scalev_api_key=f" {secret}\n")
    assert settings_service.text("scalev_api_key") == secret
    assert secret not in page.html
    assert "••••abcd" in page.html
    assert settings_service.text("mailketing_api_key") is None


def test_an_empty_key_field_keeps_the_key(admin_pages: PageClient) -> None:
    settings_service.change({"mailketing_api_key": "a-long-enough-key"}, NOW)
    admin_pages.send("/settings", "/settings", scalev_api_key="another-long-key")
    assert settings_service.text("mailketing_api_key") == "a-long-enough-key"


def _rules(pages: PageClient) -> dict[str, str]:
    forms = [form for form in pages.get("/settings").forms if "timezone" in form.values]
    return forms[0].values


def _save_rules(pages: PageClient, **values: str) -> object:
    return pages.client.post("/settings", data={**_rules(pages), **values})


def test_rules_are_saved_together(admin_pages: PageClient) -> None:
    _save_rules(admin_pages, timezone="Asia/Makassar", canceled_policy="archive", calls_per_second="0,5")
    assert settings_service.text("timezone") == "Asia/Makassar"
    assert settings_service.text("canceled_policy") == "archive"
    assert settings_service.text("calls_per_second") == "0.5"


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("follow_up_days", "0", "Harus berupa angka dari 1 sampai 365."),
        ("check_interval_minutes", "often", "Harus berupa angka dari 1 sampai 1440."),
        ("timezone", "Jakarta", "Harus nama zona waktu"),
        ("canceled_policy", "shred", "Pilih salah satu jawaban."),
        ("calls_per_second", "99", "Harus berupa angka dari 0.1 sampai 20."),
    ],
)
def test_a_rule_with_a_mistake_names_it_and_saves_nothing(
    admin_pages: PageClient, name: str, value: str, complaint: str
) -> None:
    response = _save_rules(admin_pages, **{"delivery_workers": "3", name: value})
    assert complaint in response.get_data(as_text=True)
    assert settings_service.text("delivery_workers") == "1"


def test_a_change_of_days_first_says_how_many_leads_it_touches(admin_pages: PageClient) -> None:
    lead_id = make_lead().id
    due_at = _lead(lead_id).due_at
    response = _save_rules(admin_pages, follow_up_days="10", delivery_workers="2")
    assert "1 lead yang masih Follow Up mendapat tanggal baru" in response.get_data(as_text=True)
    assert settings_service.number("follow_up_days") == 7
    assert settings_service.number("delivery_workers") == 2
    token = admin_pages.get("/settings").form("/settings").values["csrf_token"]
    confirmed = {"csrf_token": token, "follow_up_days": "10", "confirmed": "1"}
    assert admin_pages.client.post("/settings", data=confirmed).status_code == 302
    assert settings_service.number("follow_up_days") == 10
    assert _lead(lead_id).due_at == due_at + timedelta(days=3)


def test_a_change_of_days_that_touches_nobody_is_saved_at_once(admin_pages: PageClient) -> None:
    assert _save_rules(admin_pages, follow_up_days="10").status_code == 302
    assert settings_service.number("follow_up_days") == 10


def test_a_rotation_is_told_and_ended(admin_pages: PageClient) -> None:
    for secret in ("the-first-secret", "the-second-secret"):
        admin_pages.send("/settings", "/settings", scalev_webhook_secret=secret)
    page = admin_pages.get("/settings")
    assert "Signing secret lama masih berlaku sampai" in page.text
    page = admin_pages.send_and_follow("/settings", "/settings/end-rotation")
    assert "masih berlaku" not in page.text
    assert settings_service.rotation_until() is None


# --- Trying the keys ---


@pytest.fixture
def vendor_config(config: Config, httpserver: HTTPServer) -> Config:
    """Both vendors are a local server."""
    url = httpserver.url_for("").rstrip("/")
    return Config(instance_path=config.instance_path, secret_key="tests", scalev_api_url=url, mailketing_api_url=url)


@pytest.fixture
def vendor_pages(app: Flask, admin_pages: PageClient, vendor_config: Config) -> PageClient:
    app.extensions["config"] = vendor_config
    return admin_pages


def _try(pages: PageClient, vendor: str, **values: str) -> str:
    token = pages.get("/settings").form("/settings").values["csrf_token"]
    answer = pages.client.post(
        f"/settings/test/{vendor}", data={"csrf_token": token, **values}, headers={"HX-Request": "true"}
    )
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def test_a_typed_mailketing_token_is_tried_without_saving_it(vendor_pages: PageClient, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/ceksaldo", method="POST").respond_with_json(
        {"status": "success", "user": "budi@example.com", "credits": "12345"}
    )
    lists = [{"list_id": "103", "list_name": "<b>Belum bayar</b>"}]
    httpserver.expect_request("/viewlist", method="POST").respond_with_json({"status": "success", "lists": lists})
    html = _try(vendor_pages, "mailketing", mailketing_api_key="typed-token-123")
    assert "12.345" in html and "budi@example.com" in html
    assert "103 · &lt;b&gt;Belum bayar" in html
    assert "typed-token-123" not in html
    assert settings_service.text("mailketing_api_key") is None
    assert b"typed-token-123" in httpserver.log[0][0].get_data()


def test_a_refusal_is_told_in_the_vendors_own_words(vendor_pages: PageClient, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/ceksaldo").respond_with_json({"status": "failed", "response": "Wrong API Token <b>"})
    html = _try(vendor_pages, "mailketing", mailketing_api_key="typed-token-123")
    assert "Wrong API Token &lt;b&gt;" in html


def test_the_saved_scalev_key_is_tried_when_none_is_typed(vendor_pages: PageClient, httpserver: HTTPServer) -> None:
    settings_service.change({"scalev_api_key": "sk_saved_key_123"}, NOW)
    httpserver.expect_request(
        "/v3/stores/simplified", headers={"Authorization": "Bearer sk_saved_key_123"}
    ).respond_with_json({"data": [{"name": "Dapur Bu Ani"}], "has_next": False})
    html = _try(vendor_pages, "scalev")
    assert "ScaleV menerima kunci ini." in html and "Dapur Bu Ani" in html


def test_without_any_key_nothing_is_tried(vendor_pages: PageClient) -> None:
    assert "Belum ada kunci" in _try(vendor_pages, "scalev")


def test_keys_are_tried_ten_times_a_minute_at_most(vendor_pages: PageClient, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/ceksaldo").respond_with_json({"status": "failed", "response": "Wrong API Token"})
    for _ in range(10):
        assert "Wrong API Token" in _try(vendor_pages, "mailketing", mailketing_api_key="typed-token-123")
    assert "Terlalu banyak percobaan" in _try(vendor_pages, "mailketing", mailketing_api_key="typed-token-123")


def test_a_test_without_scripts_shows_the_whole_page(vendor_pages: PageClient) -> None:
    token = vendor_pages.get("/settings").form("/settings").values["csrf_token"]
    answer = vendor_pages.client.post("/settings/test/scalev", data={"csrf_token": token, "scalev_api_key": ""})
    html = answer.get_data(as_text=True)
    assert "Belum ada kunci" in html and "<h1" in html


# --- Events and deliveries ---


def test_events_are_filtered_and_each_shows_its_body(admin_pages: PageClient) -> None:
    make_event(name="order.paid_early", status=EventStatus.WAITING)
    event = make_event(name="order.created", body=b'{"event":"order.created"}', error="ValueError: odd")
    page = admin_pages.get("/events?status=waiting")
    assert "order.paid_early" in page.text and "order.created" not in page.text
    text = admin_pages.get(f"/events/{event.id}").text
    assert '{"event":"order.created"}' in text and "ValueError: odd" in text


def test_an_event_is_processed_again(admin_pages: PageClient) -> None:
    event_id = make_event(status=EventStatus.DEAD, body=b'{"event":"shop.opened","data":{}}').id
    page = admin_pages.send_and_follow(f"/events/{event_id}", f"/events/{event_id}/replay")
    assert "Event sudah diproses ulang." in page.text
    assert db.session.get_one(WebhookEvent, event_id).status is EventStatus.IGNORED


def test_a_failed_delivery_is_sent_again_from_the_page_where_it_was_seen(admin_pages: PageClient) -> None:
    delivery = make_delivery(status=DeliveryStatus.FAILED, reason="gave_up")
    delivery_id, lead_url = delivery.id, f"/leads/{delivery.lead_id}"
    answer = admin_pages.send(lead_url, f"/deliveries/{delivery_id}/retry")
    assert answer.location == lead_url
    assert db.session.get_one(Delivery, delivery_id).status is DeliveryStatus.PENDING


def test_all_failed_deliveries_are_sent_again(admin_pages: PageClient) -> None:
    ids = [make_delivery(status=DeliveryStatus.FAILED).id for _ in range(2)]
    page = admin_pages.send_and_follow("/deliveries?status=failed", "/deliveries/retry-failed")
    assert "2 kiriman akan dikirim ulang." in page.text
    assert {db.session.get_one(Delivery, delivery_id).status for delivery_id in ids} == {DeliveryStatus.PENDING}


def test_a_delivery_that_cannot_be_sent_again_says_why(admin_pages: PageClient) -> None:
    delivery_id = make_delivery(status=DeliveryStatus.FAILED).id
    page = admin_pages.get("/deliveries")
    with transaction():
        db.session.get_one(Delivery, delivery_id).status = DeliveryStatus.SENT
    values = page.form(f"/deliveries/{delivery_id}/retry").values
    answer = admin_pages.client.post(f"/deliveries/{delivery_id}/retry", data=values)
    assert "Kiriman ini sudah terkirim." in admin_pages.get(answer.location).text
