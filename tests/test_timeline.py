"""All that happened to a lead stands in one list."""

from datetime import timedelta

import pytest

from models import DeliveryStatus, LeadStatus
from services import lead_queries, timeline
from services.statuses import ContactKind
from services.timeline import Kind
from tests.builders import NOW, make_attempt, make_contact, make_delivery, make_event, make_history, make_lead

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]

HOUR = timedelta(hours=1)


def test_everything_stands_in_one_list_newest_first() -> None:
    lead = make_lead()
    make_event(lead_id=lead.id, received_at=NOW - 5 * HOUR)
    make_history(lead, at=NOW - 4 * HOUR)
    make_contact(lead, at=NOW - 3 * HOUR)
    sent = make_delivery(lead, status=DeliveryStatus.SENT)
    make_attempt(sent, started_at=NOW - 2 * HOUR)
    make_contact(lead, at=NOW - HOUR, kind=ContactKind.NOTE, text="x")
    make_event()
    make_contact(make_lead())
    entries = timeline.entries(lead_queries.lead(lead.id))
    assert [entry.kind for entry in entries] == [Kind.CONTACT, Kind.ATTEMPT, Kind.CONTACT, Kind.CHANGE, Kind.EVENT]


@pytest.mark.parametrize("reason", ["order_spam", "order_deleted", "order_canceled", "archived_by_hand"])
def test_a_change_into_the_archive_is_told_from_a_move(reason: str) -> None:
    lead = make_lead()
    make_history(lead, reason=reason, from_status=LeadStatus.FOLLOW_UP)
    assert [entry.kind for entry in timeline.entries(lead_queries.lead(lead.id))] == [Kind.ARCHIVED]


def test_a_canceled_order_that_moved_its_lead_is_a_move() -> None:
    lead = make_lead(status=LeadStatus.NOT_CLOSING)
    make_history(lead, reason="order_canceled", from_status=LeadStatus.FOLLOW_UP)
    assert [entry.kind for entry in timeline.entries(lead_queries.lead(lead.id))] == [Kind.CHANGE]


def test_a_delivery_that_did_not_go_tells_so_even_without_an_attempt() -> None:
    lead = make_lead()
    make_delivery(lead, status=DeliveryStatus.SKIPPED, reason="suppressed")
    make_delivery(make_lead(), status=DeliveryStatus.PENDING)
    assert [entry.kind for entry in timeline.entries(lead_queries.lead(lead.id))] == [Kind.DELIVERY]
