"""The ScaleV client against a local server: orders, pages, key check, pace and typed errors."""

import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests
from werkzeug import Request, Response

from sandbox.app import serve_in_thread
from sandbox.state import Sandbox, Settings
from services import scalev_service
from services.errors import (
    VendorAuthError,
    VendorError,
    VendorForbidden,
    VendorNotFound,
    VendorRateLimited,
    VendorRefused,
    VendorUnreachable,
)
from services.http_session import Answer, HttpSession
from services.order_snapshot import read_order
from services.scalev_service import (
    ORDER_COLUMNS,
    V2,
    V3,
    KeyCheck,
    Pacer,
    ScalevClient,
    allowance_pause,
    clean_key,
    shared_pacer,
)
from services.scalev_shapes import Page

KEY = "sk_test-Abc_123"
UUID = "01987f3e-1111-7abc-8def-0123456789ab"
ORDER = {"id": UUID, "order_id": "260802ABCDEF", "status": "pending"}
HTML = "<html><title>Just a moment</title></html>"


class Time:
    """A clock that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


@pytest.fixture
def passing() -> Time:
    return Time()


@pytest.fixture
def scalev(httpserver, passing) -> ScalevClient:
    return make_client(httpserver.url_for("/"), passing)


@pytest.fixture
def legacy(httpserver, passing) -> ScalevClient:
    return make_client(httpserver.url_for("/"), passing, version=V2)


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(Settings(scalev_key=KEY))


@pytest.fixture
def sandbox_url(sandbox) -> Iterator[str]:
    with serve_in_thread(sandbox) as url:
        yield url


@pytest.fixture(params=[V3, V2])
def shop(request, sandbox_url, passing) -> ScalevClient:
    """A client of the sandbox, in either version."""
    return make_client(f"{sandbox_url}/scalev", passing, version=request.param)


def make_client(url: str, passing: Time, *, version: str = V3, key: str = KEY) -> ScalevClient:
    return ScalevClient(url, key, version=version, session=HttpSession("1"), sleep=passing.sleep, clock=passing.clock)


def make_orders(sandbox_url: str, count: int, **fields: object) -> list[str]:
    """Orders in the sandbox, the newest first."""
    answer = requests.post(f"{sandbox_url}/_control/orders/bulk", json={"count": count, **fields}, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()["order_ids"]


def page(*rows: object, cursor: str | None = None) -> dict[str, object]:
    return {"data": list(rows), "is_paginated": True, "has_next": cursor is not None, "next_cursor": cursor}


def asked(httpserver) -> list[str]:
    return [request.full_path.rstrip("?") for request, _ in httpserver.log]


# --- orders ---------------------------------------------------------------------------------------------------------


def test_an_order_is_fetched_by_its_id_with_the_key_as_bearer(httpserver, scalev):
    httpserver.expect_request(
        f"/v3/orders/{UUID}", method="GET", headers={"Authorization": f"Bearer {KEY}"}
    ).respond_with_json(ORDER)
    assert scalev.get_order(UUID) == ORDER


@pytest.mark.parametrize("envelope", [{"data": ORDER}, {"code": 200, "status": "Success", "data": ORDER}])
def test_an_order_in_an_envelope_is_unwrapped(httpserver, scalev, envelope):
    httpserver.expect_request(f"/v3/orders/{UUID}").respond_with_json(envelope)
    assert scalev.get_order(UUID) == ORDER


def test_a_bare_order_with_a_data_field_of_its_own_is_not_unwrapped(httpserver, scalev):
    order = {**ORDER, "data": {"id": "other"}}
    httpserver.expect_request(f"/v3/orders/{UUID}").respond_with_json(order)
    assert scalev.get_order(UUID) == order


def test_a_human_order_id_is_tried_as_it_is(httpserver, scalev):
    httpserver.expect_request("/v3/orders/260802ABCDEF").respond_with_json(ORDER)
    assert scalev.get_order("260802ABCDEF") == ORDER
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_human_order_id_that_the_route_refuses_is_looked_up_in_the_list(httpserver, scalev, status):
    httpserver.expect_request("/v3/orders/260802ABCDEF").respond_with_json({"error": "Not Found"}, status=status)
    rows = page({"id": 9, "order_id": "260802ZZZZZZ"}, {"id": 7, "order_id": "260802ABCDEF"})
    httpserver.expect_request("/v3/orders").respond_with_json(rows)
    httpserver.expect_request("/v3/orders/7").respond_with_json(ORDER)
    assert scalev.get_order("260802ABCDEF") == ORDER
    assert asked(httpserver)[1] == "/v3/orders?order_id=260802ABCDEF&page_size=25"


def test_an_order_that_the_list_does_not_hold_is_not_found(httpserver, scalev):
    httpserver.expect_request("/v3/orders/260802ABCDEF").respond_with_json({"error": "Not Found"}, status=404)
    httpserver.expect_request("/v3/orders").respond_with_json(page({"id": 9, "order_id": "260802ZZZZZZ"}, {}))
    with pytest.raises(VendorNotFound):
        scalev.get_order("260802ABCDEF")


@pytest.mark.parametrize("order", [UUID, "123456"])
def test_a_system_id_that_is_not_found_is_not_looked_up_again(httpserver, scalev, order):
    httpserver.expect_request(f"/v3/orders/{order}").respond_with_json({"error": "Not Found"}, status=404)
    with pytest.raises(VendorNotFound, match="Not Found") as caught:
        scalev.get_order(order)
    assert caught.value.status == 404
    assert len(httpserver.log) == 1


def test_an_id_is_one_path_segment_whatever_it_holds(httpserver, scalev):
    def show_path(request: Request) -> Response:
        return Response(json.dumps({"id": request.environ["RAW_URI"]}))

    httpserver.expect_request("/v3/orders/a/../b?c#d é").respond_with_handler(show_path)
    assert scalev.get_order("a/../b?c#d é")["id"] == "/v3/orders/a%2F..%2Fb%3Fc%23d%20%C3%A9"


@pytest.mark.parametrize("order", ["", " ", ".", ".."])
def test_an_id_that_would_climb_to_another_endpoint_is_never_sent_as_a_path(httpserver, scalev, order):
    httpserver.expect_request("/v3/orders").respond_with_json(page())
    with pytest.raises(VendorNotFound):
        scalev.get_order(order)
    assert all(path.startswith("/v3/orders?order_id=") for path in asked(httpserver))


@pytest.mark.parametrize("body", ["", HTML, "null", "[]", '"order"', "5", "{}", '{"data":[]}', '{"id"'])
def test_an_order_that_cannot_be_read_is_no_order(httpserver, scalev, body):
    httpserver.expect_request(f"/v3/orders/{UUID}").respond_with_data(body)
    with pytest.raises(VendorUnreachable):
        scalev.get_order(UUID)


# --- pages ----------------------------------------------------------------------------------------------------------


def test_pages_follow_the_cursor_and_keep_the_filters(httpserver, scalev):
    path = "/v3/orders"
    first = {"page_size": "25", "status": "pending"}
    httpserver.expect_ordered_request(path, query_string=first).respond_with_json(page({"id": 1}, cursor="a/+="))
    second = {**first, "next_cursor": "a/+="}
    httpserver.expect_ordered_request(path, query_string=second).respond_with_json(page({"id": 2}))
    assert list(scalev.pages("orders", {"status": "pending"})) == [[{"id": 1}], [{"id": 2}]]


def test_a_list_without_paging_is_one_page(httpserver, scalev):
    httpserver.expect_request("/v3/tags").respond_with_json({"data": [{"id": 1}], "is_paginated": False})
    assert list(scalev.pages("tags")) == [[{"id": 1}]]


def test_pages_are_fetched_only_when_wanted(httpserver, scalev):
    httpserver.expect_request("/v3/orders").respond_with_json(page({"id": 1}, cursor="a"))
    assert next(scalev.pages("orders")) == [{"id": 1}]
    assert len(httpserver.log) == 1


def test_a_cursor_that_comes_back_does_not_loop_for_ever(httpserver, scalev):
    httpserver.expect_request("/v3/orders").respond_with_json(page({"id": 1}, cursor="a"))
    with pytest.raises(VendorUnreachable, match="circle"):
        list(scalev.pages("orders"))
    assert len(httpserver.log) == 2


def test_pages_without_an_end_are_cut_with_an_error(httpserver, scalev):
    def ever_new(request: Request) -> Response:
        return Response(json.dumps(page({"id": 1}, cursor=request.args.get("next_cursor", "") + "x")))

    httpserver.expect_request("/v3/orders").respond_with_handler(ever_new)
    with pytest.raises(VendorRefused, match="more than 5 pages"):
        list(scalev.pages("orders", max_pages=5))
    assert len(httpserver.log) == 5


@pytest.mark.parametrize(
    "body",
    [
        [],
        "x",
        None,
        {},
        {"data": {}},
        {"data": [1]},
        {"data": [], "has_next": True},
        {"data": [], "has_next": True, "next_cursor": ""},
        {"data": [], "next_cursor": 5},
    ],
)
def test_a_page_that_cannot_be_read_is_no_empty_list(httpserver, scalev, body):
    httpserver.expect_request("/v3/orders").respond_with_json(body)
    with pytest.raises(VendorUnreachable):
        list(scalev.pages("orders"))


# --- key ------------------------------------------------------------------------------------------------------------


def test_a_good_key_names_the_first_store(httpserver, scalev):
    httpserver.expect_request("/v3/stores/simplified", query_string="page_size=1").respond_with_json(
        page({"id": 1, "name": "Toko  Budi"}, cursor="a")
    )
    assert scalev.check_key() == KeyCheck(("Toko Budi",), has_more=True)


def test_a_good_key_of_a_business_without_stores_is_good(httpserver, scalev):
    httpserver.expect_request("/v3/stores/simplified").respond_with_json({"data": [], "is_paginated": False})
    assert scalev.check_key() == KeyCheck((), has_more=False)


@pytest.mark.parametrize("words", ["Invalid API key", "API key has expired"])
def test_a_bad_key_is_told_in_scalevs_words(httpserver, scalev, words):
    httpserver.expect_request("/v3/stores/simplified").respond_with_json({"error": words}, status=401)
    with pytest.raises(VendorAuthError, match=words):
        scalev.check_key()


def test_a_missing_scope_names_the_endpoint_and_the_scope(httpserver, scalev):
    httpserver.expect_request("/v3/stores/simplified").respond_with_json({"error": "Forbidden"}, status=403)
    with pytest.raises(VendorForbidden, match=r"GET /v3/stores/simplified.*store:list and store:read"):
        scalev.check_key()


@pytest.mark.parametrize("key", ["", "  ", "ключ"])
def test_without_a_usable_key_nobody_is_asked(httpserver, key):
    with pytest.raises(VendorAuthError):
        ScalevClient(httpserver.url_for("/"), key).check_key()
    assert httpserver.log == []


@pytest.mark.parametrize(
    "pasted", [KEY, f" {KEY}\n", f'"{KEY}"', f"Bearer {KEY}", f"Authorization: bearer {KEY}", f"{KEY[:5]}\n{KEY[5:]}"]
)
def test_a_key_is_found_in_whatever_was_pasted(pasted):
    assert clean_key(pasted) == KEY


# --- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (301, "", VendorUnreachable),
        (400, '{"error":{"cursor":"bad"}}', VendorRefused),
        (401, HTML, VendorAuthError),
        (401, '{"code":401,"status":"Unauthorized","error":"Invalid API key"}', VendorAuthError),
        (403, '{"error":"Forbidden"}', VendorForbidden),
        (403, HTML, VendorUnreachable),
        (404, HTML, VendorNotFound),
        (408, "", VendorUnreachable),
        (409, '{"message":"Busy"}', VendorRefused),
        (422, '{"errors":{"status":["is invalid"]}}', VendorRefused),
        (500, '{"error":"Oops"}', VendorUnreachable),
        (503, HTML, VendorUnreachable),
    ],
)
def test_each_status_has_its_own_error(httpserver, scalev, status, body, error):
    httpserver.expect_request(f"/v3/orders/{UUID}").respond_with_data(body, status=status)
    with pytest.raises(error) as caught:
        scalev.get_order(UUID)
    assert type(caught.value) is error
    assert (caught.value.vendor, caught.value.status) == ("ScaleV", status)
    assert caught.value.retryable is (error is VendorUnreachable)


def test_a_refusal_shows_the_fields_that_scalev_complains_about(httpserver, scalev):
    body = {"errors": {"status": ["is invalid"]}}
    httpserver.expect_request(f"/v3/orders/{UUID}").respond_with_json(body, status=422)
    with pytest.raises(VendorRefused, match=r'"status": \["is invalid"\]'):
        scalev.get_order(UUID)


def test_nobody_listening_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(VendorUnreachable):
        ScalevClient(f"http://127.0.0.1:{port}", KEY).get_order(UUID)


def test_a_server_that_hangs_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(VendorUnreachable, match="in time"):
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        ScalevClient(url, KEY, session=HttpSession("1", read_seconds=0.2)).get_order(UUID)


@pytest.mark.parametrize("key", [KEY, "odd-key"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500])
def test_the_key_shows_nowhere_even_when_the_server_echoes_it(httpserver, passing, caplog, key, status):
    caplog.set_level(logging.DEBUG)
    httpserver.expect_request(f"/v3/orders/{UUID}").respond_with_json({"error": f"Bad key {key}"}, status=status)
    client = ScalevClient(httpserver.url_for("/"), key, sleep=passing.sleep, clock=passing.clock)
    with pytest.raises(VendorError) as caught:
        client.get_order(UUID)
    shown = [str(caught.value), repr(caught.value), repr(vars(caught.value)), repr(client)]
    shown += [record.getMessage() for record in caplog.records]
    assert not [text for text in shown if key in text]


# --- pace -----------------------------------------------------------------------------------------------------------


def test_no_ten_seconds_hold_more_calls_than_the_burst(passing):
    pacer = Pacer(3, 10.0, sleep=passing.sleep, clock=passing.clock)
    moments = []
    for _ in range(8):
        pacer.wait()
        moments.append(passing.now)
        passing.now += 1
    assert all(later - earlier >= 10 for earlier, later in zip(moments, moments[3:], strict=False))
    assert moments[:3] == [1000, 1001, 1002]


def test_the_client_stays_under_a_hundred_calls_in_ten_seconds(httpserver, scalev, passing):
    httpserver.expect_request(f"/v3/orders/{UUID}").respond_with_json(ORDER)
    for _ in range(100):
        scalev.get_order(UUID)
    assert passing.slept == [10.0]


def test_a_short_wait_after_a_429_is_waited_out_once(httpserver, scalev, passing):
    path = f"/v3/orders/{UUID}"
    httpserver.expect_ordered_request(path).respond_with_data("slow down", status=429, headers={"Retry-After": "7"})
    httpserver.expect_ordered_request(path).respond_with_json(ORDER)
    assert scalev.get_order(UUID) == ORDER
    assert passing.slept == [7.0]


def test_a_429_that_comes_again_is_the_callers_to_wait_for(httpserver, scalev, passing):
    httpserver.expect_request(f"/v3/orders/{UUID}").respond_with_data("slow", status=429, headers={"Retry-After": "7"})
    with pytest.raises(VendorRateLimited) as caught:
        scalev.get_order(UUID)
    assert (caught.value.retry_after, caught.value.status, caught.value.retryable) == (7.0, 429, True)
    assert len(httpserver.log) == 2


def test_a_long_wait_is_the_callers_and_the_server_is_left_alone_meanwhile(httpserver, scalev, passing):
    httpserver.expect_request(f"/v3/orders/{UUID}").respond_with_data(
        "slow", status=429, headers={"Retry-After": "900"}
    )
    for _ in range(3):
        with pytest.raises(VendorRateLimited) as caught:
            scalev.get_order(UUID)
        assert caught.value.retry_after == 900
    assert len(httpserver.log) == 1
    assert passing.slept == []


def test_an_allowance_that_is_used_up_is_honoured_before_the_429(httpserver, scalev, passing):
    headers = {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "4"}
    httpserver.expect_request(f"/v3/orders/{UUID}").respond_with_json(ORDER, headers=headers)
    assert scalev.get_order(UUID) == ORDER
    assert scalev.get_order(UUID) == ORDER
    assert passing.slept == [4.0]


NOW = datetime(2026, 8, 2, 3, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (200, {}, 0),
        (200, {"X-Ratelimit-Remaining": "5", "X-Ratelimit-Reset": "9"}, 0),
        (200, {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "9"}, 9),
        (200, {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": str(EPOCH + 9)}, 9),
        (200, {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": str((EPOCH + 9) * 1000)}, 9),
        (200, {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": str(EPOCH - 9)}, 0),
        (200, {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "99999"}, 3600),
        (200, {"X-Ratelimit-Remaining": "0"}, 10),
        (200, {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "soon"}, 10),
        (429, {}, 10),
        (429, {"X-Ratelimit-Reset": "3"}, 3),
        (429, {"X-Ratelimit-Reset": "3", "Retry-After": "5"}, 5),
        (429, {"Retry-After": "0"}, 0),
    ],
)
def test_the_pause_that_an_answer_asks_for(monkeypatch, status, headers, seconds):
    monkeypatch.setattr(scalev_service, "utc_now", lambda: NOW)
    assert allowance_pause(Answer(status, "", headers, 1)) == seconds


def test_the_client_really_sleeps_when_nothing_else_is_given(httpserver):
    path = f"/v3/orders/{UUID}"
    httpserver.expect_ordered_request(path).respond_with_data("", status=429, headers={"Retry-After": "0.3"})
    httpserver.expect_ordered_request(path).respond_with_json(ORDER)
    started = time.monotonic()
    assert ScalevClient(httpserver.url_for("/"), KEY).get_order(UUID) == ORDER
    assert time.monotonic() - started >= 0.3


# --- the order list -------------------------------------------------------------------------------------------------


def test_all_orders_come_newest_first_in_either_version(sandbox_url, shop):
    order_ids = make_orders(sandbox_url, 60, product="Madu Hutan", spread_days=3)
    assert [row["order_id"] for row in shop.orders()] == order_ids


def test_a_page_tells_where_the_next_one_begins_and_the_last_one_does_not(sandbox_url, shop):
    order_ids = make_orders(sandbox_url, 30, product="Madu Hutan", spread_days=3)
    first = shop.list_orders()
    second = shop.list_orders(next_cursor=first.next_cursor)
    assert [row["order_id"] for row in first.rows + second.rows] == order_ids
    assert (first.has_next, second.has_next, second.next_cursor) == (True, False, None)


def test_orders_from_before_a_moment_are_left_out_and_not_asked_for(sandbox, sandbox_url, shop):
    order_ids = make_orders(sandbox_url, 100, product="Madu Hutan", spread_days=100)
    since = datetime.now(UTC) - timedelta(days=9.5)
    assert [row["order_id"] for row in shop.orders(since=since)] == order_ids[:10]
    assert len(sandbox.calls) == 2


def test_no_orders_are_an_empty_page(shop):
    assert shop.list_orders() == Page([], None)
    assert list(shop.orders()) == []


def test_orders_are_fetched_only_when_wanted(sandbox, sandbox_url, shop):
    make_orders(sandbox_url, 60, product="Madu Hutan")
    next(shop.orders())
    assert len(sandbox.calls) == 1


def test_filters_go_along_on_every_page(sandbox, sandbox_url, shop):
    make_orders(sandbox_url, 3, product="Madu Hutan", age_days=9)
    old = make_orders(sandbox_url, 30, product="Madu Hutan", age_days=20, method="bank_transfer")
    until = datetime.now(UTC) - timedelta(days=15)
    rows = shop.orders(status="pending", is_probably_spam=False, draft_time_until=until)
    assert sorted(row["order_id"] for row in rows) == sorted(old)
    sent = [call.query for call in sandbox.calls]
    assert len(sent) == 2
    for query in sent:
        assert (query["status"], query["is_probably_spam"]) == ("pending", "false")
        assert query["draft_time_until"] == until.isoformat().replace("+00:00", "Z")


def test_rows_are_asked_for_what_they_lack_otherwise(sandbox_url, passing):
    make_orders(sandbox_url, 1, product="Madu Hutan", handler="Rina Wulandari", method="cod", email="siti@example.com")
    row = make_client(f"{sandbox_url}/scalev", passing).list_orders().rows[0]
    order = read_order("order.updated", row)
    assert (order.handler_name, order.payment_method) == ("Rina Wulandari", "cod")
    assert (order.email_given, order.store_name) == ("siti@example.com", "Toko Madu Hutan")
    assert order.created_at and order.updated_at and order.gross_revenue and order.scalev_id
    assert "orderlines" not in row


def test_a_caller_may_ask_for_other_columns(sandbox_url, passing):
    make_orders(sandbox_url, 1, product="Madu Hutan")
    row = make_client(f"{sandbox_url}/scalev", passing).list_orders(columns="status").rows[0]
    assert set(row) == {"id", "order_id", "status"}


@pytest.mark.parametrize("status", [400, 422])
def test_columns_that_scalev_refuses_are_not_sent_again(httpserver, scalev, status):
    httpserver.expect_request(
        "/v3/orders", query_string={"columns": ORDER_COLUMNS, "page_size": "25"}
    ).respond_with_json({"error": "unknown column"}, status=status)
    httpserver.expect_request("/v3/orders", query_string="page_size=25").respond_with_json(page({"id": 1}))
    assert scalev.list_orders().rows == scalev.list_orders().rows == [{"id": 1}]
    assert ["columns" in request.args for request, _ in httpserver.log] == [True, False, False]


def test_a_refused_filter_is_told_and_columns_are_sent_again(httpserver, scalev):
    httpserver.expect_request("/v3/orders").respond_with_json({"error": "bad status"}, status=422)
    for _ in range(2):
        with pytest.raises(VendorRefused, match="bad status"):
            scalev.list_orders(status="nope")
    assert ["columns" in request.args for request, _ in httpserver.log] == [True, False] * 2


def test_orders_without_an_end_are_cut_with_an_error(sandbox_url, shop):
    make_orders(sandbox_url, 60, product="Madu Hutan")
    with pytest.raises(VendorRefused, match="more than 2 pages"):
        list(shop.orders(max_pages=2))


# --- version 2 ------------------------------------------------------------------------------------------------------


def envelope(data: object) -> dict[str, object]:
    return {"code": 200, "status": "Success", "data": data}


def results(*rows: object, last_id: object = None, has_next: bool = False) -> dict[str, object]:
    return envelope({"results": list(rows), "has_next": has_next, "last_id": last_id, "page_size": 25})


def test_an_order_is_the_same_in_either_version(sandbox_url, passing):
    order_id = make_orders(sandbox_url, 1, product="Madu Hutan")[0]
    new, old = (make_client(f"{sandbox_url}/scalev", passing, version=version) for version in (V3, V2))
    order = new.get_order(order_id)
    assert order["order_id"] == order_id
    assert old.get_order(order_id) == new.get_order(order["id"]) == old.get_order(order["id"]) == order
    assert old.list_orders().rows[0]["id"] == order["id"]


def test_an_order_that_is_unknown_in_either_version_is_not_found(shop):
    for order in ("260802ABCDEF", UUID, "99"):
        with pytest.raises(VendorNotFound):
            shop.get_order(order)


def test_v2_pages_follow_the_last_id_and_keep_the_filters(httpserver, legacy):
    filters = {"status": "pending", "columns": ORDER_COLUMNS, "page_size": "25"}
    httpserver.expect_ordered_request("/v2/orders", query_string=filters).respond_with_json(
        results({"id": 1}, last_id=7, has_next=True)
    )
    httpserver.expect_ordered_request("/v2/orders", query_string={**filters, "last_id": "7"}).respond_with_json(
        results({"id": 2}, last_id=9)
    )
    assert list(legacy.orders(status="pending")) == [{"id": 1}, {"id": 2}]


def test_v2_without_the_plural_path_is_asked_by_the_singular_one_from_then_on(httpserver, legacy):
    refusal = {"code": 404, "status": "Not Found", "error": "Not Found"}
    httpserver.expect_request("/v2/orders").respond_with_json(refusal, status=404)
    httpserver.expect_request("/v2/order").respond_with_json(results(ORDER))
    httpserver.expect_request(f"/v2/order/{UUID}").respond_with_json(envelope(ORDER))
    assert legacy.list_orders().rows == [ORDER]
    assert legacy.list_orders().rows == [ORDER]
    assert legacy.get_order(UUID) == ORDER
    assert [request.path for request, _ in httpserver.log] == [
        "/v2/orders",
        "/v2/order",
        "/v2/order",
        f"/v2/order/{UUID}",
    ]


def test_v2_with_the_plural_path_is_not_asked_by_the_singular_one_for_an_unknown_order(httpserver, legacy):
    refusal = {"code": 404, "status": "Not Found", "error": "Order not found"}
    httpserver.expect_request("/v2/orders").respond_with_json(results())
    httpserver.expect_request(f"/v2/orders/{UUID}").respond_with_json(refusal, status=404)
    legacy.list_orders()
    with pytest.raises(VendorNotFound, match="Order not found"):
        legacy.get_order(UUID)
    assert len(httpserver.log) == 2


def test_v3_is_never_asked_by_the_singular_path(httpserver, scalev):
    httpserver.expect_request(f"/v3/orders/{UUID}").respond_with_json({"error": "Not Found"}, status=404)
    with pytest.raises(VendorNotFound):
        scalev.get_order(UUID)
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"code": 401, "status": "Unauthorized", "error": "Invalid API key"}, VendorAuthError),
        (200, {"code": 401, "status": "Unauthorized", "error": "Invalid API key"}, VendorAuthError),
        (403, {"code": 403, "status": "Forbidden", "error": "Forbidden"}, VendorForbidden),
        (422, {"code": 422, "status": "Unprocessable", "error": {"status": ["is invalid"]}}, VendorRefused),
        (500, {"code": 500, "status": "Error", "error": "Oops"}, VendorUnreachable),
    ],
)
def test_v2s_refusals_are_typed_like_v3s(httpserver, legacy, status, body, error):
    httpserver.expect_request("/v2/orders").respond_with_json(body, status=status)
    with pytest.raises(error) as caught:
        legacy.list_orders()
    assert type(caught.value) is error


def test_v2_is_called_at_its_own_slower_pace(httpserver, legacy, passing):
    httpserver.expect_request(f"/v2/orders/{UUID}").respond_with_json(envelope(ORDER))
    for _ in range(30):
        legacy.get_order(UUID)
    assert passing.slept == [5.0]


# --- the catalogue --------------------------------------------------------------------------------------------------


@pytest.fixture
def big_shop(passing) -> Iterator[ScalevClient]:
    with serve_in_thread(Sandbox(Settings(scalev_key=KEY, big=True))) as url:
        yield make_client(f"{url}/scalev", passing)


def test_stores_products_and_sales_people_are_listed_over_all_pages(big_shop):
    stores, products = list(big_shop.stores()), list(big_shop.products())
    assert (len(stores), len(products)) == (62, 69)
    assert len({store.unique_id for store in stores}) == 62
    assert len(list(big_shop.store_products("501"))) == 66
    assert len(list(big_shop.sales_people("501"))) == 63


def test_variants_have_sku_and_price_in_a_stores_list_alone(sandbox_url, passing):
    client = make_client(f"{sandbox_url}/scalev", passing)
    anywhere = {row.id: row for product in client.products() for row in product.variants}
    in_store = {row.id: row for product in client.store_products("501") for row in product.variants}
    madu = in_store["20010"]
    assert (madu.sku, madu.price, madu.unique_id) == ("MH500", 125000, "variant_Pq8-sLw2Zt5YvB1nKc4Xd_7E")
    assert (anywhere["20010"].sku, anywhere["20010"].price) == (None, None)
    assert client.variant("20010") == madu
    assert in_store["20020"].sku == in_store["20030"].sku == ""


def test_bundles_bring_their_lines_when_asked_for_one(sandbox_url, passing):
    client = make_client(f"{sandbox_url}/scalev", passing)
    listed = list(client.bundles())
    assert [(row.id, row.lines) for row in listed] == [("3001", ())]
    bundle = client.bundle("3001")
    assert [(line.variant.id, line.quantity) for line in bundle.lines] == [("20010", 1), ("20020", 2)]
    assert len(bundle.price_option_ids) == 1


def test_sales_people_have_the_ids_that_orders_name_as_handlers(sandbox_url, passing):
    client = make_client(f"{sandbox_url}/scalev", passing)
    order_id = make_orders(sandbox_url, 1, product="Madu Hutan", handler="Rina Wulandari")[0]
    rina = next(person for person in client.sales_people("501") if person.name == "Rina Wulandari")
    assert str(client.get_order(order_id)["handler"]["id"]) == rina.user_id


def test_stores_are_found_where_simplified_is_missing(httpserver, scalev, legacy):
    for version, body in (("v3", page({"id": 1, "name": "Toko"})), ("v2", results({"id": 1, "name": "Toko"}))):
        httpserver.expect_request(f"/{version}/stores/simplified").respond_with_data("", status=404)
        httpserver.expect_request(f"/{version}/stores").respond_with_json(body)
    for client in (scalev, legacy):
        assert [store.name for store in client.stores()] == ["Toko"]
        assert client.check_key().store_names == ("Toko",)


def test_rows_that_cannot_be_read_are_no_empty_list(httpserver, scalev):
    httpserver.expect_request("/v3/products").respond_with_json(page({"name": "no id"}))
    with pytest.raises(VendorUnreachable, match="products"):
        list(scalev.products())
    httpserver.expect_request("/v3/variants/5").respond_with_json([])
    with pytest.raises(VendorUnreachable, match="variants"):
        scalev.variant("5")


FAILURES = [
    ("forbidden", VendorForbidden),
    ("wrong_token", VendorAuthError),
    ("refuse", VendorAuthError),
    ("html", VendorUnreachable),
    ("redirect", VendorUnreachable),
    ("rate_limit", VendorRateLimited),
    ("server_error", VendorUnreachable),
    ("slow", VendorUnreachable),
    ("drop", VendorUnreachable),
    ("drop_after", VendorUnreachable),
]


CALLS: list[Callable[[ScalevClient], object]] = [
    lambda client: client.check_key(),
    lambda client: list(client.stores()),
    lambda client: list(client.products()),
    lambda client: list(client.store_products("501")),
    lambda client: list(client.sales_people("501")),
    lambda client: client.variant("20010"),
    lambda client: list(client.bundles()),
    lambda client: client.bundle("3001"),
    lambda client: list(client.orders()),
    lambda client: client.get_order("260802ABCDEF"),
]


def _public_methods(client: ScalevClient) -> list[str]:
    return [name for name in dir(client) if not name.startswith("_")]


@pytest.mark.parametrize("version", [V3, V2])
@pytest.mark.parametrize(("mode", "error"), FAILURES)
def test_a_failure_is_never_an_empty_list(sandbox, sandbox_url, passing, mode, error, version):
    sandbox.switchboard.add({"vendor": "scalev", "mode": mode, "seconds": 1})
    session = HttpSession("1", read_seconds=0.3 if mode == "slow" else 20)
    client = ScalevClient(
        f"{sandbox_url}/scalev", KEY, version=version, session=session, sleep=passing.sleep, clock=passing.clock
    )
    assert len(CALLS) == len(_public_methods(client)) - len({"pages", "list_orders"})  # what these calls are made of
    for call in CALLS:
        with pytest.raises(error) as caught:
            call(client)
        assert type(caught.value) is error
        assert KEY not in str(caught.value)


def test_a_failure_on_a_later_page_is_no_end_of_the_list(sandbox, sandbox_url, shop):
    make_orders(sandbox_url, 60, product="Madu Hutan")
    rows = shop.orders()
    next(rows)
    sandbox.switchboard.add({"vendor": "scalev", "mode": "server_error"})
    with pytest.raises(VendorUnreachable):
        list(rows)


def test_clients_with_one_key_share_their_pace(httpserver):
    url = httpserver.url_for("/")
    assert shared_pacer(url, KEY, V3) is shared_pacer(url, KEY, V3)
    assert shared_pacer(url, KEY, V3) is not shared_pacer(url, "another", V3)
    pacer = shared_pacer(url, KEY, V3)
    httpserver.expect_request(f"/v3/orders/{UUID}").respond_with_data("", status=429, headers={"Retry-After": "900"})
    with pytest.raises(VendorRateLimited):
        ScalevClient(url, KEY, pacer=pacer).get_order(UUID)
    with pytest.raises(VendorRateLimited):
        ScalevClient(url, KEY, pacer=pacer).get_order(UUID)
    assert len(httpserver.log) == 1
