"""Rows for files: the contract's columns first, every row once, no formulas."""

from datetime import timedelta
from decimal import Decimal

import pytest

from models import ArchiveReason, ClosedBy, DeliveryStatus, EventStatus, LeadStatus, db
from services import exports
from tests import builders
from tests.builders import NOW

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]


def test_the_contracts_columns_come_first() -> None:
    assert exports.LEAD_COLUMNS[:10] == (
        "order_id,status,name,email,phone,product,total,created_at,due_at,archived".split(",")
    )
    assert exports.DELIVERY_COLUMNS[:7] == "order_id,role,list_id,email,status,reason,attempts".split(",")


def test_a_lead_is_exported_as_it_is() -> None:
    product_list = builders.make_product_list(name="Madu")
    builders.make_lead(
        order_id="A1",
        status=LeadStatus.CLOSING,
        closed_by=ClosedBy.PAYMENT,
        name="Siti",
        email="siti@gmail.com",
        phone="62812",
        product_name="Madu Hutan",
        gross_revenue=Decimal("149724.5"),
        product_list_id=product_list.id,
        store_name="Toko",
    )
    (row,) = exports.lead_rows(None)
    assert list(row) == exports.LEAD_COLUMNS
    assert (row["order_id"], row["status"], row["total"], row["archived"]) == ("A1", "closing", "149724.50", "")
    assert (row["product_list"], row["closed_by"]) == ("Madu", "payment")
    assert row["created_at"] == (NOW - timedelta(hours=1)).isoformat()


def test_archived_leads_are_listed_with_their_reason() -> None:
    builders.make_lead(archived_at=NOW, archive_reason=ArchiveReason.SPAM)
    assert [row["archived"] for row in exports.lead_rows(LeadStatus.FOLLOW_UP)] == ["spam"]


def test_leads_can_be_chosen_by_status() -> None:
    for status in (LeadStatus.CLOSING, LeadStatus.CLOSING, LeadStatus.NOT_CLOSING):
        builders.make_lead(status=status)
    assert len(list(exports.lead_rows(LeadStatus.CLOSING))) == 2
    assert len(list(exports.lead_rows(LeadStatus.FOLLOW_UP))) == 0


def test_every_row_comes_once_over_many_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_BATCH", 3)
    leads = [builders.make_lead(order_id=f"A{number:02d}") for number in range(10)]
    for lead in leads:
        builders.make_delivery(lead)
        builders.make_event(order_id=lead.order_id)
    expected = [f"A{number:02d}" for number in range(10)]
    assert [row["order_id"] for row in exports.lead_rows(None)] == expected
    assert [row["order_id"] for row in exports.delivery_rows(None)] == expected[::-1]
    assert [row["order_id"] for row in exports.event_rows(None)] == expected[::-1]


def test_an_export_that_is_broken_off_leaves_the_connection_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_BATCH", 2)
    for _ in range(6):
        builders.make_lead()
    rows = exports.lead_rows(None)
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    db.session.rollback()
    assert len(list(exports.lead_rows(None))) == 6


def test_a_delivery_counts_the_tries_that_used_up_the_schedule() -> None:
    row = builders.make_delivery(status=DeliveryStatus.FAILED, reason="gave_up", tries=9)
    builders.make_attempt(row)
    builders.make_delivery()
    (exported,) = exports.delivery_rows(DeliveryStatus.FAILED)
    assert list(exported) == exports.DELIVERY_COLUMNS
    assert (exported["attempts"], exported["status"], exported["reason"]) == (9, "failed", "gave_up")


def test_events_are_listed_without_their_bodies() -> None:
    builders.make_event(status=EventStatus.DEAD, error="boom", order_id="A1")
    builders.make_event()
    (row,) = exports.event_rows(EventStatus.DEAD)
    assert list(row) == exports.EVENT_COLUMNS
    assert (row["order_id"], row["status"], row["error"]) == ("A1", "dead", "boom")


def test_product_lists_are_listed() -> None:
    builders.make_product_list(name="Madu", follow_up_days=3)
    (row,) = exports.product_list_rows()
    assert list(row) == exports.PRODUCT_LIST_COLUMNS
    assert (row["name"], row["days"], row["not_closing"], row["active"]) == ("Madu", 3, "103", True)
