"""What one message says of an order: documented, older and odd shapes, and REST answers."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services import webhook_body
from services.order_snapshot import Line, OrderSnapshot, read_moment, read_money, read_order
from tests import messages

ORDERED_AT = datetime(2026, 11, 14, 2, 11, 9, tzinfo=UTC)
HONEY = Line("variant_Pq8-sLw2Zt5YvB1nKc4Xd_7E", None, None, "MH500", "Madu Hutan 500 ml", 2)


def of(name: str) -> OrderSnapshot:
    envelope = webhook_body.parse(messages.fixture(name))
    snapshot = read_order(envelope.name, envelope.data)
    assert snapshot is not None
    return snapshot


def read(event: str = "order.created", **data: Any) -> OrderSnapshot:
    snapshot = read_order(event, {"order_id": "A1", **data})
    assert snapshot is not None
    return snapshot


def test_a_full_order_is_read_whole() -> None:
    assert of("order_created") == OrderSnapshot(
        order_id="261114KQZRTB",
        scalev_id="019a3f52-7c11-7d0e-9a44-3b1f0c5de201",
        is_full=True,
        created_at=ORDERED_AT,
        updated_at=ORDERED_AT,
        payment_status="unpaid",
        order_status="pending",
        payment_method="bank_transfer",
        gross_revenue=Decimal("268713.00"),
        is_spam=False,
        quantity=2,
        store_name="Toko Madu Hutan",
        bank_name="Bank Central Asia",
        account_number=of("order_created").account_number,
        account_holder="CV Madu Hutan Lestari",
        name="Siti Rahmawati",
        email_given="siti.rahmawati@example.com",
        phone_given="6281234567801",
        lines=(HONEY,),
        ranks={"lines": 1, "name": 5, "email_given": 5, "phone_given": 5, "handler_name": 0},
    )


@pytest.mark.parametrize(
    ("name", "is_full"),
    [
        (name, name.startswith(("order_created", "order_epayment", "order_updated", "order_spam")))
        for name in messages.fixture_names()
        if name not in {"test_event", "unknown_event"}
    ],
)
def test_only_full_orders_may_open_a_lead(name: str, is_full: bool) -> None:
    assert of(name).is_full is is_full


@pytest.mark.parametrize("name", ["test_event", "unknown_event"])
def test_what_names_no_order_is_no_order(name: str) -> None:
    envelope = webhook_body.parse(messages.fixture(name))
    assert read_order(envelope.name, envelope.data) is None


@pytest.mark.parametrize("order_id", [None, "", " ", True, [], {}, "\u0000"])
def test_an_unusable_order_id_is_none(order_id: object) -> None:
    assert read_order("order.created", {"order_id": order_id}) is None


def test_old_orders_have_a_number_for_an_id() -> None:
    assert of("order_created_legacy_shape").scalev_id == "481516"


def test_a_bundle_has_all_its_lines() -> None:
    lines = of("order_created_bundle").lines
    assert lines is not None
    assert [(line.product_name, line.sku, line.quantity) for line in lines] == [
        ("Madu Hutan 500 ml", "MH500", 1),
        ("Propolis 30 ml", None, 2),
    ]


def test_deletion_says_nothing_but_that() -> None:
    snapshot = of("order_deleted")
    assert snapshot.is_deleted and not snapshot.is_full
    assert snapshot.payment_status is snapshot.order_status is snapshot.email_given is snapshot.lines is None
    assert snapshot.is_spam is None


def test_a_change_of_status_says_nothing_of_money_or_buyer() -> None:
    snapshot = of("order_status_changed_canceled")
    assert snapshot.order_status == "canceled"
    assert snapshot.payment_status is snapshot.gross_revenue is snapshot.email_given is snapshot.lines is None


def test_paid_time_never_means_paid() -> None:
    snapshot = of("payment_status_changed_unpaid_again")
    assert snapshot.payment_status == "unpaid"
    assert read("order.payment_status_changed", paid_time="2026-11-15T04:20:00Z").payment_status is None


@pytest.mark.parametrize("event", ["order.paid", "payment.received"])
def test_the_names_for_payment_news_mean_paid_where_no_status_is_named(event: str) -> None:
    assert read(event).payment_status == "paid"
    assert read(event, payment_status="settled").payment_status == "settled"


def test_a_failed_payment_is_a_conflict() -> None:
    assert read("payment.failed").payment_status == "conflict"


@pytest.mark.parametrize("word", ["refunded", "", 1, None, True, ["paid"]])
def test_a_payment_status_that_scalev_does_not_have_says_nothing(word: object) -> None:
    assert read("order.updated", payment_status=word).payment_status is None


def test_words_are_read_whatever_their_case_and_spelling() -> None:
    snapshot = read(payment_status=" PAID ", status="Cancelled", payment_method="COD")
    assert (snapshot.payment_status, snapshot.order_status, snapshot.payment_method) == ("paid", "canceled", "cod")


@pytest.mark.parametrize(("value", "flag"), [(True, True), ("true", True), (" False ", False), ("", None), (1, None)])
def test_the_spam_mark_may_be_text(value: object, flag: bool | None) -> None:
    assert read(is_probably_spam=value).is_spam is flag


def test_spam_created_means_spam_whatever_it_carries() -> None:
    assert read("order.spam_created", is_probably_spam=False).is_spam is True


def test_a_small_event_that_carries_a_whole_order_may_open_a_lead() -> None:
    whole = {"orderlines": [{"product_name": "A"}], "gross_revenue": "1.00", "customer": {"name": "B"}}
    assert read("payment.received", **whole).is_full
    for missing in whole:
        assert not read("payment.received", **{key: value for key, value in whole.items() if key != missing}).is_full


def test_an_email_comes_from_the_address_then_the_customer_then_the_variables() -> None:
    address, customer, variables = ({"email": f"{word}@gmail.com"} for word in ("a", "c", "v"))
    everything = {"destination_address": address, "customer": customer, "message_variables": variables}
    assert read(**everything).email_given == "a@gmail.com"
    assert read(**{**everything, "destination_address": None}).email_given == "c@gmail.com"
    assert read(message_variables=variables).email_given == "v@gmail.com"


def test_a_usable_email_beats_a_placeholder_from_a_better_place() -> None:
    data = {"destination_address": {"email": "62812@scalev.id"}, "customer": {"email": "c@gmail.com"}}
    assert read(**data).email_given == "c@gmail.com"


@pytest.mark.parametrize("email", ["", None, "   ", [], {"a": 1}])
def test_an_empty_email_says_nothing(email: object) -> None:
    assert read(destination_address={"email": email}).email_given is None


def test_the_handler_is_named_best_by_rest() -> None:
    by_rest = read(handler={"fullname": "Rina"}, message_variables={"handler": "rina@toko.id"})
    assert (by_rest.handler_name, by_rest.ranks["handler_name"]) == ("Rina", 1)
    by_webhook = read(handler=None, message_variables={"handler": "Rina CS"})
    assert (by_webhook.handler_name, by_webhook.ranks["handler_name"]) == ("Rina CS", 0)


def test_lines_of_the_same_goods_are_added_up() -> None:
    row = {"variant_unique_id": "variant_1", "product_name": "A", "quantity": 2}
    lines = read(orderlines=[row, {**row, "quantity": "3"}, "nonsense", {}]).lines
    assert lines == (Line(variant_unique_id="variant_1", product_name="A", quantity=5),)


def test_lines_of_rest_name_the_variant_by_its_number() -> None:
    line = {"id": 9, "variant": 4711, "variant_sku": "S", "product_name": "A", "quantity": 1, "product": {"id": 12}}
    snapshot = read(orderlines=[line])
    assert snapshot.lines == (Line(None, "4711", "12", "S", "A", 1),)
    assert snapshot.ranks["lines"] == 0


def test_a_nested_variant_is_read_too() -> None:
    variant = {"id": 4711, "unique_id": "variant_1", "sku": "S", "product_name": "A", "product": {"id": 12}}
    assert read(orderlines=[{"variant": variant, "quantity": 1}]).lines == (
        Line("variant_1", "4711", "12", "S", "A", 1),
    )


def test_without_lines_the_final_variants_serve() -> None:
    assert read(orderlines=[], final_variants={"A": 2}).lines == (Line(product_name="A", quantity=2),)


def test_an_order_without_goods_has_no_lines() -> None:
    assert read(orderlines=None, final_variants=None).lines is None


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        ("149724.00", Decimal("149724.00")),
        (149724, Decimal("149724.00")),
        (Decimal("0.005"), Decimal("0.00")),
        (0.1, Decimal("0.10")),
        (" 12 ", Decimal("12.00")),
        ("Rp12.000", None),
        ("", None),
        ("NaN", None),
        ("Infinity", None),
        (True, None),
        (None, None),
        (10**12, None),
        (Decimal("9" * 5000), None),
    ],
)
def test_money_is_read_exactly_or_not_at_all(value: object, amount: Decimal | None) -> None:
    assert read_money(value) == amount


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-11-14T02:11:09Z", ORDERED_AT),
        ("2026-11-14T02:11:09", ORDERED_AT),
        ("2026-11-14 09:11:09+07:00", ORDERED_AT),
        ("2026-11-14T02:11:09.482913Z", ORDERED_AT.replace(microsecond=482913)),
        ("0001-01-01T00:00:00+23:00", None),
        ("1970-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59-10:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (1731550269, None),
    ],
)
def test_moments_are_utc_or_nothing(value: object, moment: datetime | None) -> None:
    assert read_moment(value) == moment


_ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=8),
    st.decimals(),
    st.sampled_from(["paid", "true", "2026-11-14T02:11:09Z", "a@gmail.com", "0812-3456-7802", "1e400"]),
)
_VALUE = st.recursive(
    _ODD,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "email",
                    "phone",
                    "fullname",
                    "unique_id",
                    "id",
                    "sku",
                    "quantity",
                    "product",
                    "variant",
                    "variant_sku",
                    "product_name",
                    "handler",
                    "code",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
_FIELDS = sorted(json.loads(messages.fixture("order_created"))["data"]) + ["customer", "handler", "message_variables"]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(["order.created", "order.spam_created", "order.paid", "order.deleted", "payment.failed"]),
    st.dictionaries(st.sampled_from(_FIELDS), _VALUE, max_size=12),
)
def test_no_data_however_odd_raises(event: str, data: dict[str, Any]) -> None:
    snapshot = read_order(event, data)
    if snapshot is not None:
        assert snapshot.order_id
        assert snapshot.payment_status in {None, "unpaid", "paid", "settled", "conflict"}
        assert snapshot.gross_revenue is None or abs(snapshot.gross_revenue) < 10**12
        assert snapshot.quantity is None or 0 <= snapshot.quantity < 10**9
        assert all(line.quantity is None or 0 <= line.quantity <= 10**9 for line in snapshot.lines or ())
