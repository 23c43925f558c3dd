"""The sandbox over real sockets: each endpoint, each switch, the webhooks and the demo page."""

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.app import serve_in_thread
from sandbox.pages import find_app_url
from sandbox.state import Sandbox, Settings
from sandbox.webhooks import Target

SECRET = "rahasia-uji"
KEY = "sk_uji"
TOKEN = "fedcba9876543210fedcba9876543210"
LIST_ID = 41201
ROOT = Path(__file__).resolve().parent.parent


class Receiver:
    """Stands where the app would: remembers what came and answers what it is told."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.url = ""

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.requests]

    @property
    def names(self) -> list[str]:
        return [body["event"] for body in self.bodies]

    def take(self, headers: dict[str, str], body: bytes) -> int:
        self.requests.append((headers, body))
        return self.answers.pop(0) if self.answers else 200

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + 5
        while len(self.requests) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(self.requests) >= count


@contextmanager
def serve_receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(receiver.take(dict(self.headers), body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/webhook/scalev"
    yield receiver
    server.shutdown()
    thread.join()
    server.server_close()


class Client:
    """Speaks to the three sides of the sandbox."""

    def __init__(self, base: str, sandbox: Sandbox) -> None:
        self.base = base
        self.sandbox = sandbox
        self.session = requests.Session()

    def scalev(self, path: str, key: str = KEY, **params: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return self.session.get(
            f"{self.base}/scalev{path}", params=params, headers=headers, timeout=5, allow_redirects=False
        )

    def mailketing(self, name: str, token: str = TOKEN, **fields: Any) -> requests.Response:
        return self.session.post(
            f"{self.base}/mailketing/api/v1/{name}",
            data={"api_token": token} | fields,
            timeout=5,
            allow_redirects=False,
        )

    def add(self, email: str, **fields: Any) -> Any:
        return self.mailketing("addsubtolist", list_id=LIST_ID, email=email, **fields).json()

    def control(self, method: str, url: str, json: Any = None, **params: Any) -> Any:
        response = self.session.request(method, f"{self.base}/_control{url}", json=json, params=params, timeout=20)
        assert response.status_code == 200, response.text
        return response.json()

    def order(self, **fields: Any) -> Any:
        return self.control("POST", "/orders", fields)

    def act(self, order_id: str, action: str, **fields: Any) -> Any:
        return self.control("POST", f"/orders/{order_id}/{action}", fields)

    def switch(self, vendor: str, mode: str, **fields: Any) -> Any:
        return self.control("POST", "/switches", {"vendor": vendor, "mode": mode} | fields)

    def subscribers(self) -> Any:
        return self.control("GET", f"/lists/{LIST_ID}/subscribers")

    def collect(self, path: str, **params: Any) -> list[Any]:
        """Every row, page after page."""
        rows: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.scalev(path, **params, **cursor).json()
            rows += page["data"]
            if not page["has_next"]:
                return rows
            cursor = {"next_cursor": page["next_cursor"]}


@pytest.fixture(scope="module")
def running() -> Iterator[Client]:
    sandbox = Sandbox(Settings(KEY, TOKEN, Target(secret=SECRET)))
    with serve_in_thread(sandbox) as base:
        client = Client(base, sandbox)
        yield client
        client.session.close()


@pytest.fixture
def client(running: Client) -> Client:
    running.control("POST", "/reset")
    running.control("PUT", "/webhook", {"url": None, "secret": SECRET, "retry_delays": [0.02, 0.02]})
    running.control("PUT", "/credits", {"credits": 1000})
    return running


@pytest.fixture(scope="module")
def running_receiver() -> Iterator[Receiver]:
    with serve_receiver() as receiver:
        yield receiver


@pytest.fixture
def receiver(client: Client, running_receiver: Receiver) -> Receiver:
    running_receiver.requests.clear()
    running_receiver.answers.clear()
    client.control("PUT", "/webhook", {"url": running_receiver.url})
    return running_receiver


# ScaleV, version 3


def test_scalev_refuses_a_wrong_key(client: Client) -> None:
    response = client.scalev("/v3/stores/simplified", key="sk_wrong")
    assert response.status_code == 401
    assert response.json() == {"error": "Invalid API key"}


def test_scalev_tells_its_rate_on_every_answer(client: Client) -> None:
    for response in (client.scalev("/v3/orders"), client.scalev("/v3/none"), client.scalev("/v3/orders", key="x")):
        assert response.headers["X-Ratelimit-Limit"] == "10000"
        assert int(response.headers["X-Ratelimit-Remaining"]) < 10000
        assert int(response.headers["X-Ratelimit-Reset"]) > 0


def test_scalev_answers_404_as_json(client: Client) -> None:
    for path in ("/v3/orders/261114NONEXX", "/v3/products/1", "/v3/none", "/v3/stores/abc"):
        response = client.scalev(path)
        assert (response.status_code, response.json()) == (404, {"error": "Not Found"})


@pytest.mark.parametrize("path", ["/v3/stores/simplified", "/v3/stores"])
def test_stores_are_listed_and_found(client: Client, path: str) -> None:
    page = client.scalev(path).json()
    assert page["is_paginated"] is True
    assert {store["name"] for store in page["data"]} == {"Toko Madu Hutan", "Rumah Gamis Aisyah"}
    assert client.scalev("/v3/stores/501").json()["unique_id"].startswith("store_")


def test_a_store_lists_its_products_with_prices(client: Client) -> None:
    by_number = client.scalev("/v3/stores/501/products").json()["data"]
    unique_id = client.scalev("/v3/stores/501").json()["unique_id"]
    assert client.scalev(f"/v3/stores/{unique_id}/products").json()["data"] == by_number
    variants = {v["fullname"]: v for product in by_number for v in product["variants"]}
    madu = variants["Madu Hutan 500 ml"]
    assert (madu["unique_id"], madu["price"]) == ("variant_Pq8-sLw2Zt5YvB1nKc4Xd_7E", 125000)


def test_business_products_show_no_price_and_newest_come_first(client: Client) -> None:
    rows = client.scalev("/v3/products").json()["data"]
    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)
    assert "price" not in rows[0]["variants"][0]
    assert client.scalev(f"/v3/products/{rows[0]['id']}").json()["name"] == rows[0]["name"]
    assert client.scalev("/v3/products", search="gamis").json()["data"][0]["name"] == "Gamis Aisyah"


def test_a_variant_is_found_by_its_number(client: Client) -> None:
    variant = client.scalev("/v3/variants/20010").json()
    assert variant["sku"] == "MH500"
    assert variant["product"]["name"] == "Madu Hutan"


def test_bundles_show_their_lines(client: Client) -> None:
    (row,) = client.scalev("/v3/bundles").json()["data"]
    assert client.scalev("/v3/stores/501/bundles").json()["data"] == [row]
    bundle = client.scalev(f"/v3/bundles/{row['id']}").json()
    assert [line["quantity"] for line in bundle["bundlelines"]] == [1, 2]


def test_sales_people_are_unpaged_and_their_user_is_the_handler(client: Client) -> None:
    body = client.scalev("/v3/stores/501/sales-people").json()
    assert body["is_paginated"] is False
    users = {row["business_user"]["user"]["id"] for row in body["data"]}
    order = client.order(emit=False)
    assert client.scalev(f"/v3/orders/{order['order_id']}").json()["handler"]["id"] in users


def test_orders_are_paged_over_all_rows_newest_first(client: Client) -> None:
    made = client.control("POST", "/orders/bulk", {"count": 60, "spread_days": 20})
    rows = client.collect("/v3/orders")
    assert [row["order_id"] for row in rows] == made["order_ids"]
    stamps = [row["created_at"] for row in rows]
    assert stamps == sorted(stamps, reverse=True)


def test_pages_go_back_as_well(client: Client) -> None:
    client.control("POST", "/orders/bulk", {"count": 12})
    first = client.scalev("/v3/orders", page_size=5).json()
    second = client.scalev("/v3/orders", page_size=5, next_cursor=first["next_cursor"]).json()
    back = client.scalev("/v3/orders", page_size=5, previous_cursor=second["previous_cursor"]).json()
    assert (first["has_previous"], first["previous_cursor"], second["has_previous"]) == (False, None, True)
    assert back["data"] == first["data"]
    assert back["has_previous"] is False


def test_a_page_never_holds_more_than_25_rows(client: Client) -> None:
    client.control("POST", "/orders/bulk", {"count": 30})
    page = client.scalev("/v3/orders", page_size=100).json()
    assert (len(page["data"]), page["page_size"], page["has_next"]) == (25, 25, True)


@pytest.mark.parametrize(
    "params",
    [
        {"next_cursor": "bukan-kursor"},
        {"page_size": "x"},
        {"confirmed_time_since": "kemarin"},
        {"search": "x", "search_field": "nope"},
    ],
)
def test_bad_parameters_are_answered_400(client: Client, params: dict[str, str]) -> None:
    response = client.scalev("/v3/orders", **params)
    assert response.status_code == 400
    assert "error" in response.json()


def test_new_orders_do_not_disturb_a_paging_client(client: Client) -> None:
    client.control("POST", "/orders/bulk", {"count": 30, "age_days": 1})
    first = client.scalev("/v3/orders").json()
    client.order(emit=False)
    second = client.scalev("/v3/orders", next_cursor=first["next_cursor"]).json()
    ids = [row["order_id"] for row in first["data"] + second["data"]]
    assert len(ids) == len(set(ids)) == 30


def test_a_catalogue_of_many_pages_is_paged_over_all_rows(client: Client) -> None:
    client.control("POST", "/reset", {"big": True})
    assert len(client.collect("/v3/products")) == 69
    assert len(client.collect("/v3/stores/simplified")) == 62


def test_orders_are_filtered(client: Client) -> None:
    old = client.order(emit=False, age_days=8, email="lama@example.com", product="Gamis Aisyah")
    new = client.order(emit=False, method="cod")
    client.act(new["order_id"], "confirm", emit=False)
    client.act(old["order_id"], "pay", emit=False)

    def found(**params: Any) -> list[str]:
        return [row["order_id"] for row in client.scalev("/v3/orders", **params).json()["data"]]

    assert found(order_id=old["order_id"]) == found(payment_status="paid") == found(store_id=502) == [old["order_id"]]
    assert found(status="confirmed") == found(confirmed_time_since=new["created_at"]) == [new["order_id"]]
    assert found(draft_time_until=old["created_at"]) == [old["order_id"]]
    assert found(search="LAMA@", search_field="customer_email") == [old["order_id"]]
    assert found(search=new["order_id"].lower()) == [new["order_id"]]
    assert found(order_id="261114NONEXX") == []


def test_order_rows_have_no_lines_and_the_handler_only_when_asked(client: Client) -> None:
    client.order(emit=False, handler="Rina Wulandari")
    (row,) = client.scalev("/v3/orders").json()["data"]
    assert not {"orderlines", "handler", "payment_method"} & set(row)
    (row,) = client.scalev("/v3/orders", columns="handler,payment_method,orderlines").json()["data"]
    assert row["handler"]["fullname"] == "Rina Wulandari"
    assert set(row) == {"id", "order_id", "handler", "payment_method"}


def test_an_order_is_found_by_each_of_its_ids_in_the_rest_shape(client: Client) -> None:
    made = client.order(emit=False, email="siti@example.com", quantity=2, handler=None)
    legacy_id = client.sandbox.orders.find(made["order_id"]).legacy_id
    bodies = [client.scalev(f"/v3/orders/{name}").json() for name in (made["id"], legacy_id, made["order_id"])]
    assert bodies[0] == bodies[1] == bodies[2]
    order = bodies[0]
    assert order["customer"]["email"] == "siti@example.com"
    assert "email" not in order["destination_address"]
    assert order["handler"] is None
    (line,) = order["orderlines"]
    assert (line["variant"], line["variant_price"], line["product_price"]) == (20010, 125000, 250000)
    assert "variant_unique_id" not in line


def test_the_list_stays_quick_with_many_orders(client: Client) -> None:
    client.control("POST", "/orders/bulk", {"count": 20_000, "spread_days": 300})
    started = time.perf_counter()
    page = client.scalev("/v3/orders").json()
    for _ in range(9):
        page = client.scalev("/v3/orders", next_cursor=page["next_cursor"]).json()
    assert time.perf_counter() - started < 2


# ScaleV, version 2


def test_legacy_lists_use_the_old_envelope_and_last_id(client: Client) -> None:
    made = client.control("POST", "/orders/bulk", {"count": 30})["order_ids"]
    first = client.scalev("/v2/order").json()
    assert (first["code"], first["status"], first["data"]["has_next"]) == (200, "Success", True)
    second = client.scalev("/v2/orders", last_id=first["data"]["last_id"]).json()
    rows = first["data"]["results"] + second["data"]["results"]
    assert sorted(row["order_id"] for row in rows) == sorted(made)
    assert len(client.scalev("/v2/stores").json()["data"]["results"]) == 2
    assert len(client.scalev("/v2/products", page_size=3).json()["data"]["results"]) == 3


def test_legacy_order_and_errors_use_the_old_envelope(client: Client) -> None:
    made = client.order(emit=False)
    for path in ("/v2/order/", "/v2/orders/"):
        assert client.scalev(path + made["order_id"]).json()["data"]["order_id"] == made["order_id"]
    refused = client.scalev("/v2/order", key="no").json()
    assert refused == {"code": 401, "status": "Unauthorized", "error": "Invalid API key"}
    assert client.scalev("/v2/order/none").status_code == 404


# Mailketing


def test_mailketing_lists_its_lists_as_json_labelled_html(client: Client) -> None:
    response = client.mailketing("viewlist")
    assert response.headers["Content-Type"].startswith("text/html")
    lists = response.json()["lists"]
    assert len(lists) == 5
    assert {"list_id": LIST_ID, "list_name": "Follow Up Madu"} in lists


@pytest.mark.parametrize("name", ["viewlist", "addsubtolist", "ceksaldo", "send"])
def test_mailketing_refuses_a_wrong_token_with_200(client: Client, name: str) -> None:
    response = client.mailketing(name, token="salah")
    assert response.status_code == 200
    assert response.json() == {"status": "failed", "response": "User Not Found or Wrong API Token"}


def test_credits_are_a_string_and_can_be_set(client: Client) -> None:
    client.control("PUT", "/credits", {"credits": 12})
    assert client.mailketing("ceksaldo").json() == {"status": True, "credits": "12", "user": "owner@example.com"}


def test_an_add_is_stored_counted_and_costs_nothing(client: Client) -> None:
    assert client.add("Siti@example.com", first_name="Siti", mobile="628123")["status"] == "success"
    assert client.add("siti@example.com", last_name="R")["status"] == "success"
    assert client.subscribers() == [
        {"email": "Siti@example.com", "first_name": "Siti", "last_name": "R", "mobile": "628123", "times": 2}
    ]
    assert client.mailketing("ceksaldo").json()["credits"] == "1000"


def test_mailketing_refuses_unknown_lists_and_bad_addresses(client: Client) -> None:
    unknown = client.mailketing("addsubtolist", list_id=99999, email="a@example.com")
    assert (unknown.status_code, unknown.json()) == (200, {"status": "failed", "response": "List Not Found"})
    assert client.add("bukan-email") == {"status": "failed", "response": "Invalid Email Address"}
    assert client.subscribers() == []


def test_adds_at_the_same_time_are_all_counted(client: Client) -> None:
    def add() -> None:
        for _ in range(5):
            fields = {"api_token": TOKEN, "list_id": LIST_ID, "email": "a@example.com"}
            requests.post(f"{client.base}/mailketing/api/v1/addsubtolist", data=fields, timeout=5)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.subscribers()[0]["times"] == 40
    assert client.control("GET", "/state")["calls"]["mailketing"] == 40


def test_send_takes_one_credit_and_fails_without(client: Client) -> None:
    mail = {"from_name": "T", "from_email": "t@example.com", "recipient": "s@example.com", "subject": "S"}
    assert client.mailketing("send", **mail).json()["response"] == "Empty Content"
    client.control("PUT", "/credits", {"credits": 1})
    assert client.mailketing("send", **mail, content="x").json() == {"status": "success", "response": "Mail Sent"}
    assert client.mailketing("send", **mail, content="x").json()["response"] == "No Credits, Please Top Up"


def test_a_wrong_path_or_method_goes_to_the_marketing_site(client: Client) -> None:
    get = client.session.get(f"{client.base}/mailketing/api/v1/viewlist", timeout=5, allow_redirects=False)
    assert get.status_code == client.mailketing("subscribers").status_code == 301
    followed = client.session.get(f"{client.base}/mailketing/v1/send", timeout=5)
    assert (followed.status_code, "<html" in followed.text) == (200, True)


def test_lists_can_be_replaced_and_keep_their_subscribers(client: Client) -> None:
    client.add("a@example.com")
    rows = [{"list_id": LIST_ID, "list_name": "Baru"}, {"list_id": "50001", "list_name": "Lain"}]
    assert client.control("PUT", "/lists", rows)[0] == {"list_id": LIST_ID, "list_name": "Baru", "subscribers": 1}
    assert len(client.mailketing("viewlist").json()["lists"]) == 2


# Switches


@pytest.mark.parametrize(
    ("mode", "status", "check"),
    [
        ("refuse", 401, lambda r: r.json() == {"error": "Invalid API key"}),
        ("wrong_token", 401, lambda r: r.json() == {"error": "API key has expired"}),
        ("forbidden", 403, lambda r: r.json() == {"error": "Forbidden"}),
        ("html", 200, lambda r: r.text.startswith("<!doctype html>")),
        ("redirect", 301, lambda r: r.headers["Location"] == "/scalev/"),
        ("rate_limit", 429, lambda r: r.headers["Retry-After"] == "5" and r.text == "Too Many Requests"),
        ("server_error", 500, lambda r: r.headers["Content-Type"].startswith("text/plain")),
    ],
)
def test_scalev_fails_as_switched(
    client: Client, mode: str, status: int, check: Callable[[requests.Response], bool]
) -> None:
    client.switch("scalev", mode, times=1)
    response = client.scalev("/v3/orders")
    assert response.status_code == status
    assert check(response)
    assert "X-Ratelimit-Limit" in response.headers
    assert client.scalev("/v3/orders").status_code == 200


@pytest.mark.parametrize(
    ("mode", "status", "text"),
    [
        ("refuse", 403, "<h1>403 Forbidden</h1>"),
        ("failed", 200, '{"status": "failed", "response": "Blacklisted"}'),
        ("no_credits", 200, '{"status": "failed", "response": "No Credits, Please Top Up"}'),
        ("wrong_token", 200, '{"status": "failed", "response": "User Not Found or Wrong API Token"}'),
        ("html", 200, "<!doctype html>"),
        ("redirect", 301, "<!doctype html>"),
        ("rate_limit", 429, "Too Many Requests"),
        ("server_error", 500, "Internal Server Error"),
    ],
)
def test_mailketing_fails_as_switched_and_adds_nobody(client: Client, mode: str, status: int, text: str) -> None:
    client.switch("mailketing", mode, reason="Blacklisted")
    response = client.mailketing("addsubtolist", list_id=LIST_ID, email="a@example.com")
    assert response.status_code == status
    assert text in response.text
    assert client.subscribers() == []


def test_without_credits_the_balance_is_zero_and_the_lists_still_show(client: Client) -> None:
    client.switch("mailketing", "no_credits")
    assert client.mailketing("ceksaldo").json()["credits"] == "0"
    assert client.mailketing("viewlist").json()["status"] == "success"


def test_a_known_subscriber_is_refused_when_switched_so_and_still_counted(client: Client) -> None:
    client.switch("mailketing", "already_exists")
    assert client.add("a@example.com")["status"] == "success"
    assert client.add("a@example.com") == {"status": "failed", "response": "Subscriber already exists"}
    assert client.subscribers()[0]["times"] == 2


def test_slow_answers_late_and_then_as_usual(client: Client) -> None:
    client.switch("mailketing", "slow", seconds=0.2, times=1)
    started = time.monotonic()
    assert client.add("a@example.com")["status"] == "success"
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize(("mode", "subscribers"), [("drop", 0), ("drop_after", 1)])
def test_drop_closes_the_socket_before_or_after_the_work(client: Client, mode: str, subscribers: int) -> None:
    client.switch("mailketing", mode, times=1)
    with pytest.raises(requests.ConnectionError):
        client.add("a@example.com")
    assert len(client.subscribers()) == subscribers
    (call,) = client.control("GET", "/calls", vendor="mailketing")
    assert (call["status"], call["switch"]) == (None, mode)
    assert client.add("b@example.com")["status"] == "success"


def test_scalev_drops_as_well(client: Client) -> None:
    client.switch("scalev", "drop", times=1)
    with pytest.raises(requests.ConnectionError):
        client.scalev("/v3/orders")
    assert client.scalev("/v3/orders").status_code == 200


def test_a_switch_can_be_limited_to_times_endpoint_and_email(client: Client) -> None:
    client.switch("mailketing", "failed", times=2, endpoint="addsubtolist", email="A@example.com")
    assert client.mailketing("viewlist").json()["status"] == "success"
    assert client.add("b@example.com")["status"] == "success"
    assert [client.add("a@example.com")["status"] for _ in range(3)] == ["failed", "failed", "success"]
    assert client.control("GET", "/switches") == []


def test_a_scalev_switch_can_be_limited_to_a_scope_or_a_buyer(client: Client) -> None:
    order = client.order(emit=False, email="a@example.com")
    client.switch("scalev", "forbidden", endpoint="order:read")
    assert client.scalev("/v3/orders").status_code == 200
    assert client.scalev(f"/v3/orders/{order['order_id']}").status_code == 403
    client.control("DELETE", "/switches")
    client.switch("scalev", "server_error", email="a@example.com")
    assert client.scalev("/v3/orders").status_code == 200
    assert client.scalev(f"/v3/orders/{order['id']}").status_code == 500


def test_switches_can_be_listed_and_cleared_by_vendor_or_id(client: Client) -> None:
    first = client.switch("scalev", "html")
    client.switch("scalev", "drop")
    client.switch("mailketing", "html")
    assert client.control("DELETE", "/switches", id=first["id"]) == {"removed": 1}
    assert client.control("DELETE", "/switches", vendor="scalev") == {"removed": 1}
    assert [switch["vendor"] for switch in client.control("GET", "/switches")] == ["mailketing"]


@pytest.mark.parametrize(
    "body",
    [
        {"vendor": "x", "mode": "html"},
        {"vendor": "scalev", "mode": "failed"},
        {"vendor": "scalev", "mode": "html", "times": "x"},
        {"vendor": "scalev", "mode": "html", "nope": 1},
        [],
    ],
)
def test_a_bad_switch_is_refused(client: Client, body: Any) -> None:
    response = client.session.post(f"{client.base}/_control/switches", json=body, timeout=5)
    assert response.status_code == 400


# Webhooks and orders


def test_webhooks_are_signed_over_the_raw_bytes(client: Client, receiver: Receiver) -> None:
    order = client.order(name="Müller & Söhne", email="siti@example.com")
    ((headers, raw),) = receiver.requests
    digest = base64.b64encode(hmac.new(SECRET.encode(), raw, hashlib.sha256).digest()).decode()
    assert headers["X-Scalev-Hmac-Sha256"] == digest
    body = json.loads(raw)
    assert body["event"] == "order.created"
    assert re.fullmatch(r"event_[A-Za-z0-9]{24}", body["unique_id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", body["timestamp"])
    assert body["data"]["order_id"] == order["order_id"]
    assert order["events"][0]["attempts"][0]["status"] == 200


def test_a_full_order_has_the_documented_shape(client: Client, receiver: Receiver) -> None:
    client.order(email="siti@example.com", quantity=2)
    data = receiver.bodies[0]["data"]
    assert data["destination_address"]["email"] == "siti@example.com"
    assert data["store"] == {"name": "Toko Madu Hutan"}
    assert data["net_revenue"] == f"{250000 - float(data['unique_code_discount']):.2f}"
    assert float(data["gross_revenue"]) == float(data["net_revenue"]) + 19000
    (line,) = data["orderlines"]
    assert line["variant_unique_id"] == "variant_Pq8-sLw2Zt5YvB1nKc4Xd_7E"
    assert line["product_price"] == "250000.00"
    assert not {"handler", "customer"} & set(data)
    assert re.fullmatch(r"\d{6}[A-Z]{6}", data["order_id"])
    assert data["id"][14] == "7"


def test_digital_free_and_draft_orders_look_as_they_should(client: Client, receiver: Receiver) -> None:
    client.order(product="E-book Resep Madu", email=None, method=None)
    client.order(free=True)
    client.order(product="Paket Sehat Madu + Propolis")
    draft, free, bundle = (body["data"] for body in receiver.bodies)
    assert (draft["status"], draft["payment_method"], draft["courier_service"]) == ("draft", None, None)
    assert draft["destination_address"]["email"] is None
    assert (free["gross_revenue"], free["payment_method"]) == ("0.00", "no_payment")
    assert bundle["final_variants"] == {"Madu Hutan 500 ml": 1, "Propolis 30 ml": 2}


@pytest.mark.parametrize(
    ("action", "names", "field", "value"),
    [
        ("pay", ["order.payment_status_changed", "payment.received"], "payment_status", "paid"),
        ("settle", ["order.payment_status_changed", "payment.received"], "payment_status", "settled"),
        ("conflict", ["order.payment_status_changed", "payment.failed"], "payment_status", "conflict"),
        ("confirm", ["order.status_changed"], "status", "confirmed"),
        ("process", ["order.status_changed"], "status", "in_process"),
        ("ready", ["order.status_changed"], "status", "ready"),
        ("ship", ["order.status_changed"], "status", "shipped"),
        ("cancel", ["order.status_changed"], "status", "canceled"),
        ("spam", ["order.updated"], "is_probably_spam", True),
        ("update", ["order.updated"], "status", "pending"),
        ("epayment", ["order.epayment_created"], "payment_method", "qris"),
    ],
)
def test_an_action_changes_the_order_and_sends_its_webhooks(
    client: Client, receiver: Receiver, action: str, names: list[str], field: str, value: object
) -> None:
    order = client.order(emit=False, age_days=1)
    answer = client.act(order["order_id"], action)
    assert receiver.names == names
    assert all(body["data"][field] == value for body in receiver.bodies)
    assert len({body["unique_id"] for body in receiver.bodies}) == len(names)
    assert answer[field] == value
    assert answer["last_updated_at"] > order["last_updated_at"]
    assert client.scalev(f"/v3/orders/{order['order_id']}").json()[field] == value


def test_small_payloads_stay_small(client: Client, receiver: Receiver) -> None:
    order = client.order(emit=False)
    client.act(order["order_id"], "confirm")
    client.act(order["order_id"], "pay")
    status, payment, received = (set(body["data"]) for body in receiver.bodies)
    assert not {"orderlines", "payment_status", "gross_revenue"} & status
    assert not {"orderlines", "destination_address", "gross_revenue", "status", "customer"} & payment
    assert received == payment | {"customer"}


def test_unpaid_again_keeps_the_paid_time_and_heads_the_history(client: Client, receiver: Receiver) -> None:
    order = client.order(emit=False)
    client.act(order["order_id"], "pay", emit=False)
    client.act(order["order_id"], "unpay")
    (body,) = receiver.bodies
    assert body["event"] == "order.payment_status_changed"
    assert body["data"]["paid_time"] is not None
    assert [change["status"] for change in body["data"]["payment_status_history"]] == ["unpaid", "paid"]


def test_cod_goes_through_to_completed_or_returns(client: Client) -> None:
    order = client.order(emit=False, method="cod")
    for action in ("confirm", "ship", "complete"):
        order = client.act(order["order_id"], action, emit=False)
    assert (order["status"], order["payment_status"]) == ("completed", "unpaid")
    returned = client.order(emit=False, method="cod")
    for action in ("ship", "rts"):
        returned = client.act(returned["order_id"], action, emit=False)
    assert returned["rts_time"] is not None


def test_what_scalev_would_refuse_is_answered_409_unless_forced(client: Client) -> None:
    order_id = client.order(emit=False)["order_id"]
    for action in ("complete", "rts", "delete", "unspam"):
        url = f"{client.base}/_control/orders/{order_id}/{action}"
        assert client.session.post(url, timeout=5).status_code == 409
    assert client.act(order_id, "complete", emit=False, force=True)["status"] == "completed"


def test_a_deleted_order_is_announced_by_ids_only_and_gone(client: Client, receiver: Receiver) -> None:
    order = client.order(emit=False)
    client.act(order["order_id"], "cancel", emit=False)
    client.act(order["order_id"], "delete")
    (body,) = receiver.bodies
    assert body["event"] == "order.deleted"
    assert set(body["data"]) == {
        "id",
        "payment_link_id",
        "is_from_payment_link",
        "order_id",
        "created_at",
        "last_updated_at",
    }
    assert client.scalev(f"/v3/orders/{order['order_id']}").status_code == 404
    assert client.scalev("/v3/orders").json()["data"] == []


def test_spam_comes_as_spam_created_and_later_as_created(client: Client, receiver: Receiver) -> None:
    order = client.order(spam=True, age_days=1)
    client.act(order["order_id"], "unspam")
    assert receiver.names == ["order.spam_created", "order.created"]
    assert [body["data"]["is_probably_spam"] for body in receiver.bodies] == [True, False]


def test_an_epayment_order_also_announces_its_invoice(client: Client, receiver: Receiver) -> None:
    client.order(method="qris")
    assert receiver.names == ["order.created", "order.epayment_created"]
    assert receiver.bodies[1]["data"]["pg_payment_info"]


def test_an_update_edits_the_buyer(client: Client, receiver: Receiver) -> None:
    order = client.order(emit=False, email="lama@example.com")
    client.act(order["order_id"], "update", email="baru@example.com", notes="diperbaiki", quantity=3)
    data = receiver.bodies[0]["data"]
    assert (data["destination_address"]["email"], data["notes"]) == ("baru@example.com", "diperbaiki")
    assert data["total_quantity"] == 3


def test_a_refused_webhook_is_sent_again_with_the_same_bytes(client: Client, receiver: Receiver) -> None:
    receiver.answers = [503, 500]
    order = client.order()
    assert [attempt["status"] for attempt in order["events"][0]["attempts"]] == [503]
    receiver.wait_for(3)
    assert len({raw for _, raw in receiver.requests}) == 1
    time.sleep(0.1)
    assert len(receiver.requests) == 3


def test_an_unreachable_app_is_reported_and_tried_again(client: Client, receiver: Receiver) -> None:
    client.control("PUT", "/webhook", {"url": "http://127.0.0.1:9/", "retry_delays": [0.2]})
    order = client.order()
    (attempt,) = order["events"][0]["attempts"]
    assert (attempt["status"], attempt["error"]) == (None, "ConnectionError")
    client.control("PUT", "/webhook", {"url": receiver.url})
    receiver.wait_for(1)


def test_events_are_replayed_with_their_unique_ids(client: Client, receiver: Receiver) -> None:
    order = client.order()
    client.act(order["order_id"], "pay")
    client.control("POST", "/events/replay", {"count": 2})
    ids = [body["unique_id"] for body in receiver.bodies]
    assert ids[3:] == ids[1:3]
    client.control("POST", "/events/replay", {"order_id": order["order_id"], "event": "order.created"})
    assert receiver.bodies[-1]["unique_id"] == ids[0]


def test_the_test_event_is_signed_and_empty(client: Client, receiver: Receiver) -> None:
    answer = client.control("POST", "/test-event")
    assert answer["attempts"][0]["status"] == 200
    assert (receiver.names, receiver.bodies[0]["data"]) == (["business.test_event"], {})


def test_nothing_is_sent_without_an_address_or_with_emit_off(client: Client, receiver: Receiver) -> None:
    assert client.order(emit=False)["events"] == []
    client.control("PUT", "/webhook", {"url": None})
    assert client.order()["events"][0]["attempts"] == []
    assert receiver.requests == []


def test_an_order_and_its_events_can_be_read_back(client: Client, receiver: Receiver) -> None:
    order = client.order()
    shown = client.control("GET", f"/orders/{order['order_id']}")
    assert [event["event"] for event in shown["events"]] == ["order.created"]
    (event,) = client.control("GET", "/events", order_id=order["order_id"], body=1)
    assert json.loads(event["body"]) == receiver.bodies[0]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"product": "tidak ada"}, 404),
        ({"handler": "siapa"}, 404),
        ({"nope": 1}, 400),
        ({"quantity": 0}, 400),
        ({"at": "kemarin"}, 400),
        ([1], 400),
    ],
)
def test_a_bad_order_is_refused(client: Client, body: Any, status: int) -> None:
    response = client.session.post(f"{client.base}/_control/orders", json=body, timeout=5)
    assert response.status_code == status
    assert "error" in response.json()


def test_an_order_id_can_be_chosen_once(client: Client) -> None:
    assert client.order(emit=False, order_id="261114KQZRTB")["order_id"] == "261114KQZRTB"
    response = client.session.post(f"{client.base}/_control/orders", json={"order_id": "261114KQZRTB"}, timeout=5)
    assert response.status_code == 400


def test_bulk_orders_are_numbered_and_can_be_sent(client: Client, receiver: Receiver) -> None:
    receiver.answers = [200, 500]
    client.control("PUT", "/webhook", {"retry_delays": []})
    answer = client.control("POST", "/orders/bulk", {"count": 3, "email": "b{n}@example.com", "emit": True})
    assert answer["events_refused"] == 1
    emails = [body["data"]["destination_address"]["email"] for body in receiver.bodies]
    assert emails == ["b0@example.com", "b1@example.com", "b2@example.com"]


# The call log, the guard, the demo


def test_calls_are_logged_with_the_token_redacted(client: Client) -> None:
    client.scalev("/v3/orders", status="pending")
    client.add("a@example.com")
    client.mailketing("viewlist")
    scalev, add, view = client.control("GET", "/calls")
    assert (scalev["vendor"], scalev["path"], scalev["query"]) == ("scalev", "/scalev/v3/orders", {"status": "pending"})
    assert add["form"] == {"api_token": "***", "list_id": str(LIST_ID), "email": "a@example.com"}
    assert add["status"] == 200
    assert TOKEN not in json.dumps(client.control("GET", "/calls"))
    assert client.control("GET", "/calls", vendor="mailketing", since=add["id"]) == [view]
    assert client.control("GET", "/calls", path="addsubtolist", email="A@example.com") == [add]
    assert client.control("GET", "/calls", limit=1) == [view]


def test_reset_forgets_everything_but_the_webhook(client: Client, receiver: Receiver) -> None:
    client.order()
    client.add("a@example.com")
    client.switch("scalev", "drop")
    client.control("POST", "/reset")
    state = client.control("GET", "/state")
    assert (state["orders"], state["events"], state["calls"]) == (0, 0, {"scalev": 0, "mailketing": 0})
    assert state["webhook"]["url"] == receiver.url
    assert client.control("GET", "/switches") == client.subscribers() == []


@pytest.mark.parametrize("path", ["/_control/reset", "/seed-demo"])
def test_pages_of_other_sites_cannot_use_the_forms(client: Client, path: str) -> None:
    response = client.session.post(f"{client.base}{path}", headers={"Origin": "https://jahat.example"}, timeout=5)
    assert response.status_code == 403


def test_the_demo_lives_through_sixty_orders_and_is_the_same_each_time(client: Client, receiver: Receiver) -> None:
    first = client.control("POST", "/seed-demo")
    assert 55 <= first["orders"] <= 75
    assert first["accepted"] == first["events"] == len(receiver.requests)
    stamps = [body["timestamp"] for body in receiver.bodies]
    assert stamps == sorted(stamps)
    orders = client.collect("/v3/orders")
    assert {order["payment_status"] for order in orders} == {"unpaid", "paid", "settled", "conflict"}
    assert {"draft", "pending", "shipped", "completed", "rts", "canceled"} <= {order["status"] for order in orders}
    new_product = client.control("GET", "/state")["new_product"]
    assert any(new_product in body["data"].get("final_variants", {}) for body in receiver.bodies)
    client.control("POST", "/reset")
    client.control("POST", "/seed-demo", {"emit": False})
    assert [order["customer"]["email"] for order in client.collect("/v3/orders")] == [
        order["customer"]["email"] for order in orders
    ]


def read_page(client: Client) -> str:
    return client.session.get(f"{client.base}/", timeout=5).text


def test_the_page_says_that_it_is_a_stand_in_and_escapes_everything(client: Client, receiver: Receiver) -> None:
    client.order(name="<script>alert(1)</script>", email="x@example.com", method="<b>qris")
    client.add("x@example.com", first_name="<img src=x>")
    text = read_page(client)
    assert "Ini bukan ScaleV dan bukan Mailketing" in text
    assert "<script" not in text
    assert "<img" not in text
    assert "<b>" not in text
    assert receiver.url.removesuffix("webhook/scalev") in text


def test_the_page_speaks_english_when_asked() -> None:
    sandbox = Sandbox(Settings(lang="en"))
    with serve_in_thread(sandbox) as base:
        text = requests.get(f"{base}/", timeout=5).text
        css = requests.get(f"{base}/static/page.css", timeout=5)
    assert '<html lang="en">' in text
    assert "Recent orders" in text
    assert css.status_code == 200


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("en-GB,en;q=0.9", "tick “8 days old”"),
        ("id-ID,id;q=0.9,en;q=0.8", "centang “Berumur 8 hari”"),
        ("de", "centang “Berumur 8 hari”"),
    ],
)
def test_the_page_speaks_the_browsers_language_and_says_how_an_order_expires(
    client: Client, asked: str, words: str
) -> None:
    page = client.session.get(f"{client.base}/", headers={"Accept-Language": asked}, timeout=5)
    assert words in page.content.decode()


def test_the_page_makes_and_moves_orders_by_plain_forms(client: Client, receiver: Receiver) -> None:
    form = {"name": "Dewi", "email": "dewi@example.com", "product": "Propolis 30 ml", "method": "cod", "old": "1"}
    client.session.post(f"{client.base}/orders", data=form, timeout=5)
    order_id = receiver.bodies[0]["data"]["order_id"]
    for action in ("ship", "complete"):
        assert client.session.post(f"{client.base}/orders/{order_id}/{action}", timeout=5).status_code == 200
    page = client.session.post(f"{client.base}/orders/{order_id}/delete", timeout=5).text
    assert 'role="alert"' in page
    assert receiver.names == ["order.created", "order.status_changed", "order.status_changed"]
    order = client.scalev(f"/v3/orders/{order_id}").json()
    assert (order["status"], order["customer"]["name"]) == ("completed", "Dewi")
    assert order["created_at"] < order["last_updated_at"]


def test_an_order_made_with_an_old_date_stands_first_on_the_page(client: Client) -> None:
    client.control("POST", "/seed-demo")
    form = {"name": "Kartini", "email": "", "product": "Propolis 30 ml", "method": "bank_transfer", "old": "1"}
    page = client.session.post(f"{client.base}/orders", data=form, timeout=5).text
    rows = page.partition('id="h-orders"')[2]
    assert "Kartini" in rows.partition("</tr>")[2].partition("</tr>")[0]


@pytest.mark.parametrize(
    ("webhook", "app"),
    [
        ("http://127.0.0.1:5000/webhook/scalev", "http://localhost:5000/"),
        ("http://[::1]:5000/webhook/scalev", "http://localhost:5000/"),
        ("http://192.168.1.7:5000/webhook/scalev", "http://192.168.1.7:5000/"),
        ("https://toko.example.com/webhook/scalev", "https://toko.example.com/"),
        (None, None),
    ],
)
def test_the_page_leads_to_the_app_where_people_are_logged_in(webhook: str | None, app: str | None) -> None:
    assert find_app_url(webhook) == app


def test_the_page_turns_switches_on_and_off_and_sends_events(client: Client, receiver: Receiver) -> None:
    client.session.post(f"{client.base}/switches", data={"failure": "mailketing:no_credits", "times": ""}, timeout=5)
    assert client.control("GET", "/switches")[0]["times"] is None
    client.session.post(f"{client.base}/switches/clear", timeout=5)
    assert client.control("GET", "/switches") == []
    assert 'role="alert"' in client.session.post(f"{client.base}/switches", data={"failure": "x"}, timeout=5).text
    client.session.post(f"{client.base}/test-event", timeout=5)
    client.session.post(f"{client.base}/events/replay", timeout=5)
    assert receiver.names == ["business.test_event"] * 2
    client.session.post(f"{client.base}/seed-demo", timeout=20)
    assert client.control("GET", "/state")["orders"] > 50


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to stop by")
@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
def test_the_program_names_its_port_and_stops_cleanly(stop_signal: signal.Signals) -> None:
    command = [sys.executable, "-m", "sandbox", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"sandbox listening on (http://127\.0\.0\.1:\d+)\n", line)
        assert found
        assert requests.get(f"{found[1]}/_control/state", timeout=5).status_code == 200
        process.send_signal(stop_signal)
        assert process.wait(timeout=5) == 0


def test_a_taken_port_is_told_in_one_line(client: Client) -> None:
    port = client.base.rpartition(":")[2]
    command = [sys.executable, "-m", "sandbox", "--port", port]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10)
    assert done.returncode == 1
    assert done.stderr.startswith(f"sandbox cannot listen on 127.0.0.1:{port}: ")
    assert done.stderr.count("\n") == 1
