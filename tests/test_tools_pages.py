"""The Tools page as an admin uses it: with and without scripts, with hostile answers, and with typing errors."""

import html
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from pytest_httpserver import HTTPServer

from models import EventStatus, WebhookEvent, db
from models_catalogue import CatalogueList
from routes import tools
from services import settings_service, signatures, simulator
from tests.builders import NOW
from tests.own_server import listening
from tests.page_client import Page, PageClient

HOSTILE = "\"><script>alert('x')</script>\u202e"
SECRET = "a-signing-secret"
KEY = "sk_typed_0123456789"


@pytest.fixture
def tool_pages(app: Flask, admin_pages: PageClient, httpserver: HTTPServer) -> PageClient:
    """Both vendors are a local server."""
    url = httpserver.url_for("").rstrip("/")
    app.extensions["config"] = replace(app.extensions["config"], scalev_api_url=url, mailketing_api_url=url)
    return admin_pages


def _ask(pages: PageClient, vendor: str, call: str, **values: str) -> Page:
    return pages.send("/tools", f"/tools/{vendor}", status=200, call=call, **values)


def _serve_lists(server: HTTPServer, names: list[str]) -> None:
    lists = [{"list_id": 100 + number, "list_name": name} for number, name in enumerate(names)]
    server.expect_request("/viewlist").respond_with_json({"status": "success", "lists": lists})


# --- The vendors ---


def test_a_key_is_tried_and_not_sent_back(tool_pages: PageClient, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v3/stores/simplified", headers={"Authorization": f"Bearer {KEY}"}).respond_with_json(
        {"data": [{"name": "Dapur Bu Ani"}], "has_next": False}
    )
    page = _ask(tool_pages, "scalev", "key", scalev_api_key=KEY)
    assert "ScaleV menerima kunci ini." in page.text and "Dapur Bu Ani" in page.text
    assert KEY not in page.html
    assert settings_service.text("scalev_api_key") is None


def test_the_vendors_own_words_are_shown_and_escaped(tool_pages: PageClient, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/ceksaldo").respond_with_json({"status": "failed", "response": f"Wrong {HOSTILE}"})
    for call in ("key", "credits"):
        page = _ask(tool_pages, "mailketing", call, mailketing_api_key="typed-token-123")
        assert "Wrong" in page.text and "<script>alert" not in page.html and "\u202e" not in page.html


def test_credits_are_shown_with_the_account(tool_pages: PageClient, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/ceksaldo").respond_with_json(
        {"status": "success", "user": "toko@example.com", "credits": "12,500"}
    )
    page = _ask(tool_pages, "mailketing", "credits", mailketing_api_key="typed-token-123")
    assert "Akun: toko@example.com. Kredit: 12.500." in page.text


def test_a_list_shows_names_and_ids_that_can_be_copied_by_hand(tool_pages: PageClient, httpserver: HTTPServer) -> None:
    _serve_lists(httpserver, ["Follow Up", HOSTILE])
    page = _ask(tool_pages, "mailketing", "lists", mailketing_api_key="typed-token-123")
    assert "<code>100</code>" in page.html and "Follow Up" in page.text
    assert 'data-copy-text="101"' in page.html and "<script>alert" not in page.html


def test_a_long_list_shows_a_hundred_rows(tool_pages: PageClient, httpserver: HTTPServer) -> None:
    _serve_lists(httpserver, ["List"] * 150)
    page = _ask(tool_pages, "mailketing", "lists", mailketing_api_key="typed-token-123")
    assert page.html.count("data-copy-text") == 100
    assert "Ini 100 yang pertama; masih ada lagi." in page.text


def test_an_empty_list_says_so(tool_pages: PageClient, httpserver: HTTPServer) -> None:
    _serve_lists(httpserver, [])
    assert "Jawabannya daftar kosong." in _ask(tool_pages, "mailketing", "lists", mailketing_api_key="t" * 20).text


def test_without_a_key_the_page_says_what_to_do(tool_pages: PageClient) -> None:
    assert "Belum ada kunci" in _ask(tool_pages, "scalev", "products").text


def test_a_vendor_is_only_asked_at_the_configured_address(tool_pages: PageClient, httpserver: HTTPServer) -> None:
    _ask(tool_pages, "scalev", "stores", scalev_api_key=KEY, url="http://10.0.0.1/", base_url="http://10.0.0.1/")
    assert {request.host_url for request, _ in httpserver.log} == {httpserver.url_for("/")}


# --- A test subscriber ---


def test_a_subscriber_is_added_and_the_answer_shown(tool_pages: PageClient, httpserver: HTTPServer) -> None:
    settings_service.change({"mailketing_api_key": "a-long-enough-token"}, NOW)
    answer = {"status": "success", "response": "Subscriber ani@example.com Added to List"}
    httpserver.expect_request("/addsubtolist").respond_with_json(answer)
    values = {"list_id": " 41201 ", "email": " Ani@Example.com ", "first_name": "Ani", "mobile": "0812-3456-7801"}
    page = tool_pages.send("/tools", "/tools/subscriber", status=200, **values)
    assert "diterima" in page.text and "a***@example.com" in page.text
    sent = httpserver.log[0][0].form
    assert (sent["list_id"], sent["email"], sent["mobile"]) == ("41201", "ani@example.com", "6281234567801")


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"list_id": ""}, "Wajib diisi."),
        ({"list_id": "<b>"}, "Ini bukan nomor list."),
        ({"email": "ani@"}, "Alamat email ini tidak bisa dipakai."),
        ({"mobile": "abc"}, "Ini bukan nomor telepon."),
    ],
)
def test_a_mistake_is_told_beside_its_field_and_what_was_typed_stays(
    tool_pages: PageClient, httpserver: HTTPServer, values: dict[str, str], complaint: str
) -> None:
    filled = {"list_id": "41201", "email": "ani@example.com", "first_name": "Ani", **values}
    page = tool_pages.send("/tools", "/tools/subscriber", status=200, **filled)
    assert complaint in page.text
    kept = page.form("/tools/subscriber").values
    assert all(kept[name] == html.escape(value) or kept[name] == value for name, value in filled.items())
    assert not httpserver.log


def test_known_lists_are_offered(tool_pages: PageClient) -> None:
    db.session.add(CatalogueList(list_id="41201", name="Follow Up Madu", seen_at=NOW))
    db.session.commit()
    assert '<option value="41201">Follow Up Madu</option>' in tool_pages.get("/tools").html


# --- The simulator ---


@pytest.fixture
def simulator_pages(app: Flask, admin_pages: PageClient) -> Iterator[PageClient]:
    """The program really listens, and its server tells the port, as servers do."""
    settings_service.change({"scalev_webhook_secret": SECRET}, NOW)
    with listening(app) as port:
        _tell_port(app, SERVER_PORT=port)
        yield admin_pages


def _tell_port(app: Flask, **environ: Any) -> None:
    inner: Callable[..., Any] = app.wsgi_app
    app.wsgi_app = lambda given, start: inner({**given, **environ}, start)  # type: ignore[method-assign]


def _sample(page: Page) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(page.form("/tools/simulate").values["body"])
    return body


def _simulate(pages: PageClient, url: str = "/tools", **values: str) -> Page:
    return pages.send(url, "/tools/simulate", status=200, **values)


@pytest.mark.parametrize("event", simulator.EVENTS)
def test_each_event_has_a_sample_to_edit(admin_pages: PageClient, event: str) -> None:
    page = admin_pages.get(f"/tools?event={event}")
    assert _sample(page)["event"] == event
    assert f'<option selected value="{event}">' in page.html


@pytest.mark.parametrize("address", ["/tools?event=nonsense", "/tools?event=order.created&order=%22%3E%3Cb%3E"])
def test_a_sample_that_does_not_exist_is_a_new_order(admin_pages: PageClient, address: str) -> None:
    sample = _sample(admin_pages.get(address))
    assert sample["event"] == "order.created" and sample["data"]["order_id"].startswith(simulator.ORDER_PREFIX)


def test_every_event_is_put_into_words() -> None:
    assert tools._EVENT_WORDS.keys() == simulator.EVENTS.keys()


def test_a_simulated_order_shows_answer_event_and_lead(simulator_pages: PageClient) -> None:
    page = _simulate(simulator_pages)
    event = db.session.query(WebhookEvent).one()
    assert "HTTP 200" in page.text and "accepted" in page.text
    assert {f"/events/{event.id}", f"/leads/{event.lead_id}"} <= set(page.links)
    again = [form for form in page.forms if form.action == "/tools/simulate"][-1]
    answer = simulator_pages.client.post("/tools/simulate", data=again.values)
    assert "duplicate" in answer.get_data(as_text=True)
    assert db.session.query(WebhookEvent).one().duplicates == 1


def test_the_next_step_of_the_same_order_is_one_link_away(simulator_pages: PageClient) -> None:
    page = _simulate(simulator_pages)
    order_id = db.session.query(WebhookEvent).one().order_id
    (link,) = [link for link in page.links if "payment.received" in link]
    paid = _simulate(simulator_pages, link.partition("#")[0])
    assert "Closing" in paid.text.partition("HTTP 200")[2]
    events = db.session.query(WebhookEvent).all()
    assert {event.order_id for event in events} == {order_id}
    assert {event.status for event in events} == {EventStatus.PROCESSED}


def test_an_edited_body_is_sent_as_edited_and_stays_on_the_page(simulator_pages: PageClient) -> None:
    page = _simulate(simulator_pages, body='{"event":\r\n"order.shipped"}')
    assert page.form("/tools/simulate").values["body"].split() == ['{"event":', '"order.shipped"}']
    assert db.session.query(WebhookEvent).one().body == b'{"event":\n"order.shipped"}'


def test_an_empty_body_is_told_beside_its_field(admin_pages: PageClient) -> None:
    assert "Wajib diisi." in _simulate(admin_pages, body=" ").text


def test_without_a_signing_secret_the_page_says_where_to_save_it(admin_pages: PageClient) -> None:
    assert "Belum ada signing secret yang tersimpan." in _simulate(admin_pages).text


def test_the_port_behind_a_proxy_is_the_programs_own(app: Flask, admin_pages: PageClient) -> None:
    settings_service.change({"scalev_webhook_secret": SECRET}, NOW)
    with listening(app) as port:
        _tell_port(app, **{"SERVER_PORT": "9", "werkzeug.proxy_fix.orig": {"SERVER_PORT": port}})
        assert "HTTP 200" in _simulate(admin_pages).text


# --- The signature checker ---


def test_a_signature_is_checked(admin_pages: PageClient) -> None:
    settings_service.change({"scalev_webhook_secret": SECRET}, NOW)
    body = '{"event":"order.created"}'
    values = {"signed_body": body, "header": signatures.sign(SECRET, body.encode())}
    page = admin_pages.send("/tools", "/tools/signature", status=200, **values)
    assert "Sah: dibuat dengan signing secret yang sekarang." in page.text
    page = admin_pages.send("/tools", "/tools/signature", status=200, signed_body=f"{body} {HOSTILE}", header="x")
    assert "Tidak sah" in page.text and "<script>alert" not in page.html
    assert page.form("/tools/signature").values["header"] == "x"


def test_both_fields_of_the_checker_are_needed(admin_pages: PageClient) -> None:
    page = admin_pages.send("/tools", "/tools/signature", status=200)
    assert page.text.count("Wajib diisi.") == 2


def test_ten_tests_a_minute_are_shared_by_all_tools(admin_pages: PageClient) -> None:
    settings_service.change({"scalev_webhook_secret": SECRET}, NOW)
    for _ in range(10):
        admin_pages.send("/tools", "/tools/signature", status=200, signed_body="x", header="x")
    assert "Terlalu banyak percobaan" in _ask(admin_pages, "scalev", "key", scalev_api_key=KEY).text
