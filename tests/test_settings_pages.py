"""Settings and product lists, as an admin fills them in, and trying the keys."""

from datetime import timedelta

import pytest
from flask import Flask
from pytest_httpserver import HTTPServer
from sqlalchemy import select

from config import Config
from models import (
    Heartbeat,
    Lead,
    ProductList,
    db,
    transaction,
)
from models_catalogue import CatalogueProduct
from services import catalogue_service, settings_service, setup_service
from tests.builders import (
    NOW,
    make_lead,
    make_product_list,
)
from tests.page_client import PageClient


def _lead(lead_id: int) -> Lead:
    return db.session.get_one(Lead, lead_id)


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
        ({"name": ""}, "Product list perlu nama produk."),
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


def test_a_mistake_about_the_chosen_product_stands_at_the_drop_down(admin_pages: PageClient) -> None:
    with transaction() as session:
        session.add(CatalogueProduct(scalev_id="7", name="Madu Hutan", seen_at=NOW))
    make_product_list(product_id="7")
    page = admin_pages.send("/product-lists/new", "/product-lists/new", status=200, product="7")
    assert 'id="product-error">Sudah ada product list dengan ID produk ini.' in page.html
    assert 'id="product_id-error"' not in page.html and '<details class="mb-3" open>' not in page.html


def test_a_product_list_without_any_list_says_that_nobody_is_added(admin_pages: PageClient) -> None:
    warning = "tidak ada yang ditambahkan ke mana pun"
    values = {"name": "Ebook", "product_id": "variant_x"}
    assert warning in admin_pages.send_and_follow("/product-lists/new", "/product-lists/new", **values).text
    values = {"name": "Ebook", "product_id": "variant_y", "closing_list_id": "103"}
    assert warning not in admin_pages.send_and_follow("/product-lists/new", "/product-lists/new", **values).text


def test_switching_says_what_it_did(admin_pages: PageClient) -> None:
    url = f"/product-lists/{make_product_list().id}/switch"
    page = admin_pages.send_and_follow("/product-lists", url)
    assert "Product list nonaktif" in page.text and "Tersimpan." not in page.text
    page = admin_pages.send_and_follow("/product-lists", url)
    assert "Product list aktif" in page.text and "Tersimpan." not in page.text


def test_lists_are_promised_only_with_the_keys_to_fetch_them(admin_pages: PageClient) -> None:
    def refresh() -> str:
        return admin_pages.send_and_follow("/product-lists/new", "/product-lists/refresh").text

    admin_pages.client.set_cookie("language", "en")
    promise, no_products, no_lists = "fetched anew", "without the ScaleV API key", "without the Mailketing API token"
    told = refresh()
    assert promise not in told and no_products in told and no_lists in told
    assert db.session.get(Heartbeat, catalogue_service.ASKED) is None
    settings_service.change({"scalev_api_key": "sk_1"}, NOW)
    told = refresh()
    assert promise in told and no_products not in told and no_lists in told
    settings_service.change({"mailketing_api_key": "a-long-enough-key"}, NOW)
    told = refresh()
    assert promise in told and "without the" not in told


def test_why_a_list_could_not_be_fetched_is_told_without_paths(admin_pages: PageClient) -> None:
    admin_pages.client.set_cookie("language", "en")
    error = "ScaleV: the answer to GET /v3/products cannot be read"
    with transaction() as session:
        session.add(Heartbeat(name=catalogue_service.Part.PRODUCTS.beat, started_at=NOW, error=error))
    page = admin_pages.get("/product-lists/new").text
    assert "ScaleV answered with something that can't be read." in page and "/v3/products" not in page


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


def test_an_api_key_is_refused_as_the_signing_secret(admin_pages: PageClient) -> None:
    admin_pages.client.set_cookie("language", "en")
    page = admin_pages.send("/settings", "/settings", status=200, scalev_webhook_secret="sk_demo_foo")
    assert "This is an API key of ScaleV" in page.text
    assert settings_service.text("scalev_webhook_secret") is None


@pytest.mark.parametrize(
    ("name", "odd", "sound"),
    [("scalev_api_key", "abc", "rk_abc"), ("mailketing_api_key", "sk_abc", "0123456789abcdef0123456789abcdef")],
)
def test_a_key_that_looks_like_another_is_saved_with_a_warning(
    admin_pages: PageClient, name: str, odd: str, sound: str
) -> None:
    admin_pages.client.set_cookie("language", "en")
    assert "Perhaps it is another key" in admin_pages.send_and_follow("/settings", "/settings", **{name: odd}).text
    assert settings_service.text(name) == odd
    assert "another key" not in admin_pages.send_and_follow("/settings", "/settings", **{name: sound}).text


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


def test_saving_what_is_saved_already_says_that_nothing_has_changed(admin_pages: PageClient) -> None:
    assert "Tidak ada yang berubah." in admin_pages.send_and_follow("/settings", "/settings").text
    _save_rules(admin_pages)
    text = admin_pages.get("/settings").text
    assert "Tidak ada yang berubah." in text and "Tersimpan." not in text


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


def test_a_failed_test_is_told_without_paths(vendor_pages: PageClient, httpserver: HTTPServer) -> None:
    vendor_pages.client.set_cookie("language", "en")
    httpserver.expect_request("/v3/stores/simplified").respond_with_data("<html>", status=500)
    html = _try(vendor_pages, "scalev", scalev_api_key="sk_typed_key_123")
    assert "ScaleV answered with HTTP 500 (trouble on its side)." in html and "/v3" not in html


def test_a_key_of_several_stores_says_that_there_are_more(vendor_pages: PageClient, httpserver: HTTPServer) -> None:
    vendor_pages.client.set_cookie("language", "en")
    page = {"data": [{"name": "Dapur Bu Ani"}], "has_next": True, "next_cursor": "x"}
    httpserver.expect_request("/v3/stores/simplified").respond_with_json(page)
    assert "and more" in _try(vendor_pages, "scalev", scalev_api_key="sk_typed_key_123")


def test_a_short_silence_does_not_reopen_the_set_up(vendor_pages: PageClient, httpserver: HTTPServer) -> None:
    settings_service.change({"scalev_api_key": "sk_saved_key_123"}, NOW)
    stores = {"data": [], "has_next": False}
    httpserver.expect_ordered_request("/v3/stores/simplified").respond_with_json(stores)
    httpserver.expect_ordered_request("/v3/stores/simplified").respond_with_data("", status=503)
    httpserver.expect_ordered_request("/v3/stores/simplified").respond_with_json({"error": "no"}, status=401)
    done = [(_try(vendor_pages, "scalev"), setup_service.progress()[0].done)[1] for _ in range(3)]
    assert done == [True, True, False]


PRESS_SAVE, TYPE_AGAIN = "Tekan Simpan untuk memakai kunci baru", "ketik lagi lalu tekan Simpan"


def test_who_typed_the_key_is_told_how_to_keep_it(vendor_pages: PageClient, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v3/stores/simplified").respond_with_json({"data": [], "has_next": False})
    settings_service.change({"scalev_api_key": "sk_saved_key_123"}, NOW)
    assert PRESS_SAVE in _try(vendor_pages, "scalev", scalev_api_key="sk_typed_key_123")
    assert PRESS_SAVE not in _try(vendor_pages, "scalev")


def test_without_scripts_a_key_has_to_be_typed_again(vendor_pages: PageClient, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v3/stores/simplified").respond_with_json({"data": [], "has_next": False})
    token = vendor_pages.get("/settings").form("/settings").values["csrf_token"]
    values = {"csrf_token": token, "scalev_api_key": "sk_typed_key_123"}
    html = vendor_pages.client.post("/settings/test/scalev", data=values).get_data(as_text=True)
    assert TYPE_AGAIN in html and PRESS_SAVE not in html and "sk_typed_key_123" not in html


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
