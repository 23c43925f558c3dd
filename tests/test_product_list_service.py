"""Product lists: added, edited, switched, deleted, and what their leads do then."""

import dataclasses
from datetime import timedelta

import pytest
from sqlalchemy import select

from models import DeliveryStatus, Lead, LeadStatus, ProductList, ProductListVariant, db, transaction
from services import product_list_service
from services.errors import NotFound
from services.product_list_service import Fields, InvalidField
from tests import builders, messages
from tests.builders import NOW
from tests.messages import created, lead_of, take_in

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]

HONEY = "variant_Pq8-sLw2Zt5YvB1nKc4Xd_7E"
FIELDS = Fields("Madu Hutan", HONEY, "101", "102", "103")


@pytest.fixture
def lead() -> Lead:
    """A lead that waits for a product list."""
    order_id = messages.new_order_id()
    take_in(created(order_id))
    return lead_of(order_id)


def delivery(lead: Lead) -> tuple[str, str | None, str | None]:
    db.session.rollback()
    db.session.expire_all()
    (row,) = lead.deliveries
    return row.status.value, row.reason, row.list_id


def with_fields(**changes: object) -> Fields:
    return dataclasses.replace(FIELDS, **changes)


def test_a_new_product_list_attaches_the_leads_that_waited(lead: Lead) -> None:
    row, attached = product_list_service.add(FIELDS, NOW)
    assert attached == 1
    assert (row.active, row.created_at, row.closing_list_id) == (True, NOW, "102")
    assert delivery(lead) == ("pending", None, "101")


def test_an_edit_takes_what_is_unsent_to_the_new_list(lead: Lead) -> None:
    row, _ = product_list_service.add(FIELDS, NOW)
    product_list_service.edit(row.id, with_fields(follow_up_list_id="201", follow_up_days=3), NOW)
    assert delivery(lead) == ("pending", None, "201")
    assert lead.due_at == lead.ordered_at + timedelta(days=3)


def test_an_edit_leaves_what_was_sent(lead: Lead) -> None:
    row, _ = product_list_service.add(FIELDS, NOW)
    with transaction():
        lead.deliveries[0].status = DeliveryStatus.SENT
    product_list_service.edit(row.id, with_fields(follow_up_list_id="201"), NOW)
    assert delivery(lead) == ("sent", None, "101")


def test_a_list_that_mailketing_refused_is_tried_again_once_it_is_corrected(lead: Lead) -> None:
    row, _ = product_list_service.add(FIELDS, NOW)
    with transaction():
        lead.deliveries[0].status, lead.deliveries[0].reason = DeliveryStatus.FAILED, "refused_list"
    product_list_service.edit(row.id, with_fields(follow_up_list_id="201"), NOW)
    assert delivery(lead) == ("pending", None, "201")


def test_an_edited_product_id_attaches_the_leads_that_it_now_names(lead: Lead) -> None:
    row, attached = product_list_service.add(with_fields(product_id="wrong"), NOW)
    assert attached == 0
    _, attached = product_list_service.edit(row.id, FIELDS, NOW)
    assert attached == 1
    assert delivery(lead) == ("pending", None, "101")


def test_a_role_without_a_list_cancels_and_a_new_list_revives(lead: Lead) -> None:
    row, _ = product_list_service.add(FIELDS, NOW)
    product_list_service.edit(row.id, with_fields(follow_up_list_id=""), NOW)
    assert delivery(lead) == ("cancelled", "no_list", None)
    product_list_service.edit(row.id, FIELDS, NOW)
    assert delivery(lead) == ("pending", None, "101")


def test_switched_off_it_keeps_its_leads_and_gets_no_new_ones(lead: Lead) -> None:
    row, _ = product_list_service.add(FIELDS, NOW)
    assert product_list_service.switch(row.id, False, NOW) == 0
    assert delivery(lead) == ("pending", None, "101")
    order_id = messages.new_order_id()
    take_in(created(order_id))
    assert delivery(lead_of(order_id)) == ("blocked", "no_product_list", None)
    assert product_list_service.switch(row.id, True, NOW) == 1
    assert delivery(lead_of(order_id)) == ("pending", None, "101")


def test_deleted_it_leaves_its_leads_waiting_for_another(lead: Lead) -> None:
    row, _ = product_list_service.add(with_fields(follow_up_days=2), NOW)
    assert product_list_service.delete(row.id, NOW) == 1
    assert delivery(lead) == ("blocked", "no_product_list", None)
    assert (lead.product_list, lead.due_at) == (None, lead.ordered_at + timedelta(days=7))
    product_list_service.add(FIELDS, NOW)
    assert delivery(lead) == ("pending", None, "101")


def test_a_deleted_list_hands_its_leads_to_another_that_fits(lead: Lead) -> None:
    row, _ = product_list_service.add(FIELDS, NOW)
    other, _ = product_list_service.add(Fields("Madu Hutan 500 ml", "other", "301"), NOW)
    product_list_service.delete(row.id, NOW)
    assert delivery(lead) == ("pending", None, "301")
    assert lead.product_list == other


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " \u200b"}, "name"),
        ({"product_id": ""}, "product_id"),
        ({"follow_up_days": 0}, "follow_up_days"),
        ({"follow_up_days": 366}, "follow_up_days"),
        ({"closing_list_id": "12;drop"}, "closing_list_id"),
        ({"follow_up_list_id": "١٢"}, "follow_up_list_id"),
        ({"not_closing_list_id": "a/b"}, "not_closing_list_id"),
    ],
)
def test_a_field_that_cannot_be_used_is_refused_by_name(changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        product_list_service.add(with_fields(**changes), NOW)
    assert caught.value.field == field
    assert db.session.scalars(select(ProductList)).all() == []


def test_a_product_id_is_used_once_but_may_be_kept_by_its_own_list() -> None:
    row, _ = product_list_service.add(FIELDS, NOW)
    other, _ = product_list_service.add(with_fields(product_id="other"), NOW)
    with pytest.raises(InvalidField):
        product_list_service.add(FIELDS, NOW)
    with pytest.raises(InvalidField):
        product_list_service.edit(other.id, FIELDS, NOW)
    assert product_list_service.edit(row.id, with_fields(name="Madu"), NOW)[0].name == "Madu"


def test_product_ids_are_told_apart_by_case() -> None:
    product_list_service.add(with_fields(product_id="mh500"), NOW)
    product_list_service.add(with_fields(product_id="MH500"), NOW)


def test_text_is_cleaned_before_it_is_kept() -> None:
    row, _ = product_list_service.add(
        with_fields(name=" Madu\u200b  Hutan\n", product_id=" x ", closing_list_id=" 7 "), NOW
    )
    assert (row.name, row.product_id, row.closing_list_id) == ("Madu Hutan", "x", "7")


def test_what_does_not_exist_cannot_be_changed() -> None:
    for change in (
        lambda: product_list_service.edit(999_999, FIELDS, NOW),
        lambda: product_list_service.switch(999_999, True, NOW),
        lambda: product_list_service.delete(999_999, NOW),
    ):
        with pytest.raises(NotFound):
            change()


def test_the_listing_counts_leads_by_name() -> None:
    b, a = builders.make_product_list(name="B"), builders.make_product_list(name="A")
    for _ in range(2):
        builders.make_lead(product_list_id=b.id, status=LeadStatus.CLOSING)
    builders.make_lead()
    assert [(row.name, leads) for row, leads in product_list_service.listing()] == [("A", 0), ("B", 2)]
    assert a.list_id_for(LeadStatus.NOT_CLOSING) == "103"


# --- Variants, stores, and what saving would do ---


def test_one_product_may_have_lists_for_stores_and_for_variants() -> None:
    product_list_service.add(with_fields(product_id="1"), NOW)
    product_list_service.add(with_fields(product_id="1", store_name=" Toko A "), NOW)
    row, _ = product_list_service.add(with_fields(product_id="1", variant_ids=("v2", "v1", "v2", " ")), NOW)
    assert [variant.variant_id for variant in row.variants] == ["v1", "v2"]


@pytest.mark.parametrize(
    "twice", [{}, {"store_name": "Toko A"}, {"variant_ids": ("v1", "v2")}, {"variant_ids": ("v1",), "store_name": "A"}]
)
def test_the_very_same_goods_have_one_list(twice: dict[str, object]) -> None:
    product_list_service.add(with_fields(**twice), NOW)
    backwards = twice | {"variant_ids": tuple(reversed(twice.get("variant_ids", ())))}  # type: ignore[call-overload]
    with pytest.raises(InvalidField) as refusal:
        product_list_service.add(with_fields(**backwards), NOW)
    assert refusal.value.field == "product_id"


def test_an_edit_adds_and_takes_away_variants() -> None:
    row, _ = product_list_service.add(with_fields(variant_ids=("v1", "v2")), NOW)
    product_list_service.edit(row.id, with_fields(variant_ids=("v2", "v3")), NOW)
    db.session.expire_all()
    assert [variant.variant_id for variant in row.variants] == ["v2", "v3"]
    product_list_service.edit(row.id, FIELDS, NOW)
    assert db.session.scalars(select(ProductListVariant)).all() == []


def test_a_list_with_variants_can_be_deleted() -> None:
    row, _ = product_list_service.add(with_fields(variant_ids=("v1",)), NOW)
    product_list_service.delete(row.id, NOW)
    assert db.session.scalars(select(ProductListVariant)).all() == []


def test_a_preview_tells_what_saving_does_and_keeps_nothing(lead: Lead) -> None:
    preview = product_list_service.preview(FIELDS, NOW)
    assert (preview.leads, preview.added) == (1, {LeadStatus.FOLLOW_UP: 1})
    assert db.session.scalars(select(ProductList)).all() == []
    assert delivery(lead) == ("blocked", "no_product_list", None)
    assert product_list_service.add(FIELDS, NOW)[1] == preview.leads


def test_a_preview_names_only_roles_with_a_list_and_buyers_with_an_address(lead: Lead) -> None:
    assert product_list_service.preview(with_fields(follow_up_list_id=None), NOW).added == {}
    with transaction():
        lead.email = None
    assert product_list_service.preview(FIELDS, NOW).added == {}


def test_a_preview_of_an_edit_counts_who_would_come_along(lead: Lead) -> None:
    row, _ = product_list_service.add(with_fields(product_id="another", name="Lain"), NOW)
    assert product_list_service.preview(FIELDS, NOW, row.id).leads == 1
    assert product_list_service.preview(with_fields(store_name="Toko lain"), NOW, row.id).leads == 0
    db.session.expire_all()
    assert (row.product_id, row.store_name) == ("another", None)
