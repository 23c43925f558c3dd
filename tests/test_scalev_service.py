"""The ScaleV client against a local server: orders, pages, key check, pace and typed errors."""

import json
import logging
import socket
import time
from datetime import UTC, datetime

import pytest
from werkzeug import Request, Response

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
from services.scalev_service import KeyCheck, Pacer, ScalevClient, allowance_pause, clean_key

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
    return ScalevClient(
        httpserver.url_for("/"), KEY, session=HttpSession("1"), sleep=passing.sleep, clock=passing.clock
    )


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
    assert list(scalev.pages(path, {"status": "pending"})) == [[{"id": 1}], [{"id": 2}]]


def test_a_list_without_paging_is_one_page(httpserver, scalev):
    httpserver.expect_request("/v3/tags").respond_with_json({"data": [{"id": 1}], "is_paginated": False})
    assert list(scalev.pages("/v3/tags")) == [[{"id": 1}]]


def test_pages_are_fetched_only_when_wanted(httpserver, scalev):
    httpserver.expect_request("/v3/orders").respond_with_json(page({"id": 1}, cursor="a"))
    assert next(scalev.pages("/v3/orders")) == [{"id": 1}]
    assert len(httpserver.log) == 1


def test_a_cursor_that_comes_back_does_not_loop_for_ever(httpserver, scalev):
    httpserver.expect_request("/v3/orders").respond_with_json(page({"id": 1}, cursor="a"))
    with pytest.raises(VendorUnreachable, match="circle"):
        list(scalev.pages("/v3/orders"))
    assert len(httpserver.log) == 2


def test_pages_without_an_end_are_cut_with_an_error(httpserver, scalev):
    def ever_new(request: Request) -> Response:
        return Response(json.dumps(page({"id": 1}, cursor=request.args.get("next_cursor", "") + "x")))

    httpserver.expect_request("/v3/orders").respond_with_handler(ever_new)
    with pytest.raises(VendorRefused, match="more than 5 pages"):
        list(scalev.pages("/v3/orders", max_pages=5))
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
        list(scalev.pages("/v3/orders"))


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
