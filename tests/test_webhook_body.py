"""From raw bytes to an envelope: what is a webhook, what is not, and what makes an event itself."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.webhook_body import BadBody, dedupe_key, parse
from tests import messages


def bad(body: bytes) -> str:
    with pytest.raises(BadBody) as caught:
        parse(body)
    return caught.value.code


@pytest.mark.parametrize("name", messages.fixture_names())
def test_every_fixture_is_a_webhook(name: str) -> None:
    body = messages.fixture(name)
    envelope, document = parse(body), json.loads(body)
    assert envelope.name == document["event"]
    assert envelope.unique_id == document.get("unique_id")
    assert envelope.sent_at == datetime.fromisoformat(document["timestamp"])
    assert envelope.data.keys() == document["data"].keys()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"event=order.created",
        b"\xff\xfe\x00",
        b'{"event": "x", "data": {"n": NaN}}',
        b'{"event": "x", "n": Infinity}',
        b'{"event": "x", "n": -Infinity}',
        b'{"event": "x"} trailing',
        b"[" * 100_000,
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    assert bad(body) == "not_json"


@pytest.mark.parametrize("body", [b"null", b"[]", b'"order.created"', b"1", b"true"])
def test_json_that_is_no_object_is_refused(body: bytes) -> None:
    assert bad(body) == "not_an_object"


@pytest.mark.parametrize("event", [None, "", "  ", 7, True, ["order.created"], {"a": 1}, "\u200b\u0000"])
def test_an_event_without_a_name_is_refused(event: object) -> None:
    assert bad(json.dumps({"event": event}).encode()) == "no_event_name"
    assert bad(b"{}") == "no_event_name"


@pytest.mark.parametrize("data", [None, [], "text", 4])
def test_data_that_is_no_object_counts_as_empty(data: object) -> None:
    assert parse(json.dumps({"event": "order.created", "data": data}).encode()).data == {}


@pytest.mark.parametrize("unique_id", [None, "", "  ", 12, ["x"]])
def test_a_unique_id_that_is_no_text_counts_as_none(unique_id: object) -> None:
    assert parse(json.dumps({"event": "e", "unique_id": unique_id}).encode()).unique_id is None


def test_a_timestamp_of_another_zone_is_brought_to_utc() -> None:
    envelope = parse(b'{"event": "e", "timestamp": "2026-11-14T09:11:10+07:00"}')
    assert envelope.sent_at == datetime(2026, 11, 14, 2, 11, 10, tzinfo=UTC)


def test_money_keeps_every_digit() -> None:
    data = parse(b'{"event": "e", "data": {"a": 0.1, "b": 149724.10, "c": 99999999999999999999.99}}').data
    assert data == {"a": Decimal("0.1"), "b": Decimal("149724.10"), "c": Decimal("99999999999999999999.99")}


def test_absurd_numbers_are_read_without_harm() -> None:
    huge = b"9" * 5000
    data = parse(b'{"event": "e", "data": {"a": ' + huge + b', "b": 1e99999999999999999999, "c": 1E-999999}}').data
    assert data["a"] == Decimal(huge.decode())
    assert data["b"] is None


def test_a_retry_has_the_key_of_the_first_try_even_when_its_bytes_differ() -> None:
    assert dedupe_key("event_1", b"one") == dedupe_key("event_1", b"two")


def test_two_events_with_the_same_body_but_other_ids_are_two() -> None:
    assert dedupe_key("event_1", b"same") != dedupe_key("event_2", b"same")


def test_ids_are_told_apart_by_case_and_by_space() -> None:
    assert len({dedupe_key(key, b"") for key in ("event_a", "event_A", "event_a ")}) == 3


def test_without_an_id_the_body_is_the_key_and_never_meets_an_id() -> None:
    assert dedupe_key(None, b"one") == dedupe_key(None, b"one") != dedupe_key(None, b"two")
    assert dedupe_key(None, b"event_1") != dedupe_key("event_1", b"event_1")


def test_a_key_fits_its_column_however_odd_the_id() -> None:
    for unique_id in ("x" * 100_000, "\ud800", "é\u0000"):
        assert len(dedupe_key(unique_id, b"")) == 64


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_bad_body(body: bytes) -> None:
    try:
        parse(body)
    except BadBody as problem:
        assert problem.code in {"not_json", "not_an_object", "no_event_name"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries({}, optional={"event": _JSON, "unique_id": _JSON, "timestamp": _JSON, "data": _JSON}))
def test_no_envelope_raises_anything_but_bad_body(document: dict[str, Any]) -> None:
    try:
        envelope = parse(json.dumps(document).encode())
    except BadBody:
        return
    assert envelope.name
    assert isinstance(envelope.data, dict)
