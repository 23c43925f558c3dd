"""What needs a person, and what is due, on each database."""

from datetime import UTC, datetime, timedelta

import pytest

from models import AccountHold, DeliveryStatus, EventSource, EventStatus, Heartbeat, LeadStatus, transaction
from services import attention_queries
from services.attention_queries import Concern, Due
from tests import builders
from tests.builders import NOW, make_lead

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]

MIDNIGHT = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)


def test_nothing_is_of_concern_at_first() -> None:
    assert attention_queries.concerns() == {}
    pulse = attention_queries.pulse()
    signs = (pulse.last_webhook, pulse.last_test, pulse.last_check, pulse.oldest_waiting)
    assert signs == (None, None, None, None)
    assert (pulse.outbox, attention_queries.open_leads()) == (0, 0)


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


def test_leads_that_are_held_are_neither_overdue_nor_due_today() -> None:
    make_lead(due_at=NOW, payment_status="conflict")
    make_lead(due_at=NOW, payment_method="cod", order_status="shipped")
    make_lead(due_at=NOW, payment_method="cod", order_status="pending")
    make_lead(due_at=NOW + timedelta(minutes=1), payment_status="conflict")
    assert attention_queries.due(NOW, MIDNIGHT) == Due(today=0, overdue=1, held=2)


def test_closed_and_archived_leads_are_not_due() -> None:
    for due_at in (NOW - timedelta(days=1), NOW + timedelta(minutes=1)):
        make_lead(status=LeadStatus.CLOSING, due_at=due_at)
        make_lead(archived_at=NOW, due_at=due_at)
    assert attention_queries.due(NOW, MIDNIGHT) == Due(0, 0, 0)


def test_deliveries_that_an_account_s_hold_keeps_waiting_are_of_concern() -> None:
    builders.make_delivery(builders.make_lead(product_list_id=builders.make_product_list().id))
    assert attention_queries.concerns() == {}
    with transaction() as session:
        session.add(AccountHold(reason="No credits", since=NOW, checked_at=NOW))
    assert attention_queries.concerns() == {Concern.HOLD: 1}


def test_mistyped_addresses_come_with_what_was_probably_meant_the_newest_first() -> None:
    older = make_lead(email="siti@gmial.com", ordered_at=NOW - timedelta(days=2))
    newer = make_lead(email="budi@yaho.com", ordered_at=NOW - timedelta(days=1))
    make_lead(email="ani@gmail.com")
    make_lead(email=None)
    make_lead(email="rini@gmial.com", status=LeadStatus.CLOSING)
    found = [(row.lead.id, row.meant) for row in attention_queries.mistyped_leads()]
    assert found == [(newer.id, "budi@yahoo.com"), (older.id, "siti@gmail.com")]


def test_payments_to_look_at_are_those_that_scalev_could_not_match() -> None:
    unclear = make_lead(payment_status="conflict")
    late = make_lead(payment_status="conflict", status=LeadStatus.NOT_CLOSING, ordered_at=NOW - timedelta(days=9))
    make_lead(payment_status="conflict", status=LeadStatus.CLOSING)
    make_lead(payment_status="conflict", archived_at=NOW)
    make_lead(payment_status="unpaid")
    assert [lead.id for lead in attention_queries.conflicting_leads()] == [unclear.id, late.id]


def test_open_leads_are_those_in_follow_up() -> None:
    make_lead()
    make_lead(status=LeadStatus.CLOSING)
    make_lead(archived_at=NOW)
    assert attention_queries.open_leads() == 1


def test_what_is_not_done_yet_is_counted_by_its_state() -> None:
    for status in DeliveryStatus:
        builders.make_delivery(status=status)
    for event_status in EventStatus:
        builders.make_event(status=event_status)
    pulse = attention_queries.pulse()
    assert pulse.outbox == 2  # waiting and being sent
    assert pulse.deliveries[DeliveryStatus.BLOCKED] == 1
    assert (pulse.events[EventStatus.WAITING], pulse.events[EventStatus.FAILED]) == (1, 1)


def test_the_oldest_delivery_that_waits_is_told() -> None:
    builders.make_delivery(created_at=NOW - timedelta(hours=2))
    builders.make_delivery(created_at=NOW - timedelta(hours=5), status=DeliveryStatus.SENT)
    assert attention_queries.pulse().oldest_waiting == NOW - timedelta(hours=2)


def test_the_last_webhook_is_one_that_scalev_sent() -> None:
    builders.make_event(received_at=NOW - timedelta(hours=2))
    builders.make_event(received_at=NOW - timedelta(hours=3))
    builders.make_event(received_at=NOW, source=EventSource.RECONCILE)
    assert attention_queries.pulse().last_webhook == NOW - timedelta(hours=2)


def test_the_last_test_and_the_last_check_are_the_jobs_own_signs_of_life() -> None:
    with transaction() as session:
        session.add(Heartbeat(name="webhook-test", succeeded_at=NOW))
        session.add(Heartbeat(name="check-expired-leads", succeeded_at=NOW - timedelta(hours=1)))
    pulse = attention_queries.pulse()
    assert (pulse.last_test, pulse.last_check) == (NOW, NOW - timedelta(hours=1))
