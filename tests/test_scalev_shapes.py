"""Reading ScaleV's REST answers, whole and odd."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from services import scalev_shapes
from services.errors import VendorForbidden, VendorUnreachable
from services.scalev_shapes import (
    Bundle,
    BundleLine,
    Page,
    Product,
    SalesPerson,
    Store,
    Variant,
    read_bundle,
    read_page,
    read_product,
    read_rows,
    read_sales_person,
    read_store,
    read_variant,
)

VARIANT = {
    "id": 20010,
    "unique_id": "variant_Pq8-s_7E",
    "sku": "MH500",
    "fullname": "Madu Hutan 500 ml",
    "price": 125000,
}
MADU_500 = Variant("20010", "variant_Pq8-s_7E", "MH500", "Madu Hutan 500 ml", Decimal("125000.00"))


# --- Pages ---


@pytest.mark.parametrize(
    ("body", "cursor"),
    [
        ({"data": [{"id": 1}], "has_next": True, "next_cursor": "b3Bh"}, "b3Bh"),
        ({"data": [{"id": 1}], "has_next": False, "next_cursor": "b3Bh"}, None),
        ({"data": [{"id": 1}], "is_paginated": False}, None),
        ({"code": 200, "status": "Success", "data": [{"id": 1}]}, None),
        ({"code": 200, "data": {"results": [{"id": 1}], "has_next": True, "last_id": 123}}, "123"),
        ({"code": 200, "data": {"results": [{"id": 1}], "has_next": True, "last_id": "0198-uuid"}}, "0198-uuid"),
        ({"code": 200, "data": {"results": [{"id": 1}], "has_next": False, "last_id": 123}}, None),
        ({"code": 200, "data": {"results": [{"id": 1}], "last_id": 123}}, "123"),
        ({"code": 200, "data": {"results": [{"id": 1}]}}, None),
    ],
)
def test_a_page_of_either_version_tells_where_the_next_one_begins(body: dict[str, Any], cursor: str | None) -> None:
    page = read_page(body)
    assert page == Page([{"id": 1}], cursor)
    assert page.has_next is (cursor is not None)


def test_an_empty_page_of_v2_without_has_next_is_the_last_one() -> None:
    assert read_page({"data": {"results": [], "last_id": 123}}) == Page([], None)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"data": None},
        {"data": {}},
        {"data": {"results": {}}},
        {"data": {"results": [1]}},
        {"data": {"results": [], "has_next": True}},
        {"data": {"results": [], "has_next": True, "last_id": True}},
        {"data": [], "has_next": True, "next_cursor": None},
    ],
)
def test_what_is_no_page_is_no_empty_list(body: object) -> None:
    with pytest.raises(VendorUnreachable):
        read_page(body)


def test_rows_before_the_wanted_moment_are_left_out_and_end_the_list_once_none_is_left() -> None:
    since = datetime(2026, 8, 2, 3, 0, tzinfo=UTC)
    newer, older = {"created_at": "2026-08-02T03:00:00Z"}, {"created_at": "2026-08-02T02:59:59.999999Z"}
    unknown = {"created_at": None}
    assert scalev_shapes.newer(Page([newer, older, unknown], "a"), since) == Page([newer, unknown], "a")
    assert scalev_shapes.newer(Page([older], "a"), since) == Page([], None)
    assert scalev_shapes.newer(Page([older], "a"), None) == Page([older], "a")


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("pending", "pending"),
        (7, "7"),
        (True, "true"),
        (datetime(2026, 8, 2, 10, 0, tzinfo=timezone(timedelta(hours=7))), "2026-08-02T03:00:00Z"),
    ],
)
def test_filters_are_sent_as_scalev_reads_them(value: object, sent: str) -> None:
    assert scalev_shapes.as_param(value) == sent


# --- Refusals ---


@pytest.mark.parametrize(
    ("path", "scopes"),
    [
        ("/v3/stores/simplified", "store:list and store:read"),
        ("/v3/stores/5/products", "product:list and product:read"),
        ("/v3/stores/5/sales-people", "store:read"),
        ("/v3/products", "product:list and product:read"),
        ("/v3/variants/7", "product:read"),
        ("/v3/bundles", "bundle:list and bundle:read"),
        ("/v3/orders", "order:list and order:read"),
        ("/v2/order/260802ABCDEF", "order:read"),
    ],
)
def test_a_refusal_names_the_endpoint_and_the_scopes_to_give(path: str, scopes: str) -> None:
    error = scalev_shapes.as_error(path, 403, "Forbidden", None)
    assert isinstance(error, VendorForbidden)
    assert error.message == f"the API key may not use GET {path}: give it {scopes}"


def test_an_endpoint_without_a_known_scope_is_named_all_the_same() -> None:
    assert "GET /v3/tags: a scope is missing" in scalev_shapes.as_error("/v3/tags", 403, "Forbidden", None).message


@pytest.mark.parametrize(
    ("http_status", "body", "status"),
    [
        (200, {"code": 401, "status": "Unauthorized", "error": "Invalid API key"}, 401),
        (200, {"code": 200, "status": "Success", "data": {}}, 200),
        (200, {"code": 401, "id": 5}, 200),
        (200, {"code": "401", "error": "x"}, 200),
        (500, {"code": 401, "error": "x"}, 500),
        (200, [], 200),
    ],
)
def test_a_refusal_in_v2s_envelope_counts_even_when_http_says_200(http_status: int, body: object, status: int) -> None:
    assert scalev_shapes.status_of(http_status, body) == status


# --- The catalogue ---


def test_a_store_is_read_by_both_of_its_ids() -> None:
    assert read_store({"id": 501, "unique_id": "store_x", "name": " Toko  Madu "}) == Store(
        "501", "store_x", "Toko Madu"
    )


@pytest.mark.parametrize(
    ("row", "store"),
    [
        ({"unique_id": "store_x"}, Store("store_x", "store_x", "store_x")),
        ({"uuid": "0198", "name": ""}, Store("0198", None, "0198")),
        ({"id": "501", "unique_id": {}}, Store("501", None, "501")),
        ({"id": None, "name": "Toko"}, None),
        ({"id": True}, None),
        ({}, None),
    ],
)
def test_a_store_with_odd_fields_keeps_what_can_be_read(row: dict[str, Any], store: Store | None) -> None:
    assert read_store(row) == store


def test_a_product_brings_its_variants() -> None:
    row = {"id": 1001, "uuid": "u-1", "name": "Madu Hutan", "variants": [VARIANT, {"sku": "no id"}, None]}
    assert read_product(row) == Product("1001", "u-1", "Madu Hutan", (MADU_500,))


@pytest.mark.parametrize("variants", [None, [], {}, "x", [None]])
def test_a_product_without_readable_variants_is_a_product(variants: object) -> None:
    assert read_product({"id": 1, "display": "Madu", "variants": variants}) == Product("1", None, "Madu", ())


@pytest.mark.parametrize(("told", "sku"), [({"sku": "A"}, "A"), ({"sku": ""}, ""), ({"sku": None}, ""), ({}, None)])
def test_no_sku_and_a_sku_that_is_not_told_are_two_things(told: dict[str, Any], sku: str | None) -> None:
    variant = read_variant({"id": 1, **told})
    assert variant is not None and variant.sku == sku


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"fullname": "Madu Hutan 500 ml", "name": "500 ml"}, "Madu Hutan 500 ml"),
        ({"name": "500 ml", "product_name": "Lain"}, "Madu Hutan 500 ml"),
        ({"name": "Madu Hutan"}, "Madu Hutan"),
        ({}, "Madu Hutan"),
    ],
)
def test_a_variant_is_named_with_its_product(row: dict[str, Any], name: str) -> None:
    variant = read_variant({"id": 1, **row}, "Madu Hutan")
    assert variant is not None and variant.name == name


def test_a_variant_alone_is_named_by_what_it_says_itself() -> None:
    for row, name in (({"name": "L", "product_name": "Gamis"}, "Gamis L"), ({"name": "L"}, "L"), ({}, "9")):
        variant = read_variant({"id": 9, **row})
        assert variant is not None and variant.name == name


@pytest.mark.parametrize(
    ("price", "read"), [(99000, "99000.00"), ("99000.50", "99000.50"), (None, None), ("free", None), (True, None)]
)
def test_prices_are_numbers_or_texts(price: object, read: str | None) -> None:
    variant = read_variant({"id": 1, "price": price})
    assert variant is not None and variant.price == (Decimal(read) if read else None)


def test_a_bundle_brings_its_price_options_and_lines() -> None:
    row = {
        "id": 3001,
        "name": "Paket",
        "bundle_price_options": [{"unique_id": "bpo_1"}, {"unique_id": None}, 5],
        "bundlelines": [{"quantity": 2, "variant": VARIANT}, {"variant": VARIANT}, {"quantity": 1}, {"variant": {}}],
    }
    assert read_bundle(row) == Bundle("3001", "Paket", ("bpo_1",), (BundleLine(MADU_500, 2), BundleLine(MADU_500, 1)))
    assert read_bundle({"id": 3001, "name": "Paket"}) == Bundle("3001", "Paket", (), ())
    assert read_bundle({"name": "Paket"}) is None


def test_a_sales_person_is_known_by_the_users_id_alone() -> None:
    user = {"id": 9001, "fullname": "Rina Wulandari", "email": "rina@toko.example"}
    rina = SalesPerson("9001", "Rina Wulandari", "rina@toko.example")
    assert read_sales_person({"id": 29001, "business_user": {"id": 19001, "user": user}}) == rina
    assert read_sales_person({"id": 29001, "user": user}) == rina
    assert read_sales_person({"business_user": {"user": {"id": 5, "email": "a@b.id"}}}) == SalesPerson(
        "5", "a@b.id", "a@b.id"
    )


@pytest.mark.parametrize("row", [{}, {"id": 1}, {"id": 1, "business_user": {"id": 2}}, {"business_user": {"user": {}}}])
def test_a_sales_person_without_a_user_is_nobody(row: dict[str, Any]) -> None:
    assert read_sales_person(row) is None


def test_unreadable_rows_are_left_out_but_not_all_of_them() -> None:
    assert read_rows([{"id": 1}, {}], read_store, "stores") == [Store("1", None, "1")]
    assert read_rows([], read_store, "stores") == []
    with pytest.raises(VendorUnreachable, match="stores"):
        read_rows([{}, {"name": "x"}], read_store, "stores")
