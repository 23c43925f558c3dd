"""Everything that happened to one lead in one list: events, changes, deliveries, what people did. Reads only."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import defer

from models import Delivery, DeliveryAttempt, DeliveryStatus, Lead, LeadHistory, WebhookEvent, db
from models_contact import Contact
from services import contact_service

MAX_EVENTS = 100  # the newest; an order of a hundred events is a shop's test
# A delivery in one of these states tells something that its attempts do not.
_TELLING = (DeliveryStatus.BLOCKED, DeliveryStatus.SKIPPED, DeliveryStatus.CANCELLED)
_ARCHIVING = ("order_spam", "order_deleted", "order_canceled", "archived_by_hand")


class Kind(StrEnum):
    """What a template has to show."""

    CHANGE = "change"
    ARCHIVED = "archived"  # a change into the archive, which leaves the status as it is
    EVENT = "event"
    ATTEMPT = "attempt"
    DELIVERY = "delivery"
    CONTACT = "contact"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened."""

    at: datetime
    kind: Kind
    row: LeadHistory | WebhookEvent | DeliveryAttempt | Delivery | Contact


def entries(lead: Lead) -> list[Entry]:
    """Return what happened to a lead, the newest first."""
    found = [Entry(row.at, Kind.ARCHIVED if _archives(row) else Kind.CHANGE, row) for row in lead.history]
    found += [Entry(row.received_at, Kind.EVENT, row) for row in _events(lead.id)]
    for delivery in lead.deliveries:
        found += [Entry(row.started_at, Kind.ATTEMPT, row) for row in delivery.attempts]
        if delivery.status in _TELLING:
            found.append(Entry(delivery.updated_at, Kind.DELIVERY, delivery))
    found += [Entry(row.at, Kind.CONTACT, row) for row in contact_service.contacts(lead.id)]
    return sorted(found, key=lambda entry: entry.at, reverse=True)


def _archives(row: LeadHistory) -> bool:
    """Whether a change took its lead into the archive. A canceled order may have moved its lead instead."""
    return row.reason in _ARCHIVING and row.from_status is row.to_status


def _events(lead_id: int) -> list[WebhookEvent]:
    query = select(WebhookEvent).where(WebhookEvent.lead_id == lead_id).options(defer(WebhookEvent.body))
    return list(db.session.scalars(query.order_by(WebhookEvent.id.desc()).limit(MAX_EVENTS)))
