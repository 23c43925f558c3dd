"""What needs a person, and what is due, on each database."""

from datetime import UTC, datetime, timedelta

import pytest

from models import DeliveryStatus, EventStatus, Heartbeat, LeadStatus, transaction
from services import attention_queries
from services.attention_queries import Concern, Due
from tests import builders
from tests.builders import NOW, make_lead

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]

MIDNIGHT = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)


def test_nothing_is_of_concern_at_first() -> None:
    assert attention_queries.concerns() == {}
    assert attention_queries.oldest_waiting_delivery() is None
    assert attention_queries.last_check() is None


def test_each_kind_of_trouble_is_counted() -> None:
    mapped = builders.make_product_list().id
    make_lead(email="siti@gmial.com", product_list_id=mapped)
    make_lead(product_list_id=mapped, payment_status="conflict")
    make_lead(product_list_id=mapped, payment_status="conflict", status=LeadStatus.CLOSING)
    lead = make_lead()
    make_lead(archived_at=NOW, payment_status="conflict", email="siti@gmial.com")
    builders.make_delivery(lead, status=DeliveryStatus.FAILED)
    builders.make_event(status=EventStatus.DEAD)
    assert attention_queries.concerns() == {
        Concern.UNMAPPED: 1,
        Concern.FAILED_DELIVERIES: 1,
        Concern.PAYMENT_CONFLICT: 1,
        Concern.TYPOS: 1,
        Concern.DEAD_EVENTS: 1,
    }


def test_today_ends_at_the_given_midnight() -> None:
    make_lead(due_at=MIDNIGHT - timedelta(seconds=1))
    make_lead(due_at=MIDNIGHT)
    assert attention_queries.due(NOW, MIDNIGHT) == Due(today=1, overdue=0, held=0)


def test_a_lead_is_overdue_from_its_very_moment_on_and_then_no_longer_due_today() -> None:
    make_lead(due_at=NOW)
    make_lead(due_at=NOW + timedelta(minutes=1))
    make_lead(due_at=NOW, payment_status=None, payment_method=None)
    assert attention_queries.due(NOW, MIDNIGHT) == Due(today=1, overdue=2, held=0)


def test_leads_that_are_held_are_not_overdue() -> None:
    make_lead(due_at=NOW, payment_status="conflict")
    make_lead(due_at=NOW, payment_method="cod", order_status="shipped")
    make_lead(due_at=NOW, payment_method="cod", order_status="pending")
    assert attention_queries.due(NOW, MIDNIGHT) == Due(today=0, overdue=1, held=2)


def test_closed_and_archived_leads_are_not_due() -> None:
    for due_at in (NOW - timedelta(days=1), NOW + timedelta(minutes=1)):
        make_lead(status=LeadStatus.CLOSING, due_at=due_at)
        make_lead(archived_at=NOW, due_at=due_at)
    assert attention_queries.due(NOW, MIDNIGHT) == Due(0, 0, 0)


def test_the_oldest_delivery_that_waits_and_the_last_check_are_told() -> None:
    builders.make_delivery(created_at=NOW - timedelta(hours=2))
    builders.make_delivery(created_at=NOW - timedelta(hours=5), status=DeliveryStatus.SENT)
    with transaction() as session:
        session.add(Heartbeat(name="check-expired-leads", succeeded_at=NOW))
    assert attention_queries.oldest_waiting_delivery() == NOW - timedelta(hours=2)
    assert attention_queries.last_check() == NOW
