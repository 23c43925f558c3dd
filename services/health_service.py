"""The program's own health, in figures without personal data."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select

from models import Delivery, Heartbeat, WebhookEvent, db
from services import delivery_service, schema
from services.statuses import DeliveryStatus, EventStatus

SCHEDULER = "scheduler"
LATE_AFTER = timedelta(minutes=3)  # the scheduler shows a sign of life every 20 seconds


@dataclass(frozen=True, slots=True)
class Health:
    """What is going well and what is not, at one moment."""

    last_run: datetime | None
    scheduler_late: bool
    events: dict[EventStatus, int]
    deliveries: dict[DeliveryStatus, int]
    oldest_pending_seconds: int
    on_hold: bool

    @property
    def is_degraded(self) -> bool:
        return self.scheduler_late or self.on_hold or bool(self.events.get(EventStatus.DEAD))


def look(now: datetime, *, scheduler_expected_since: datetime | None) -> Health:
    """Look at the database and the scheduler.

    Args:
        now: the operation's one clock reading.
        scheduler_expected_since: since when the scheduler should have been running; None where none is expected.

    Raises:
        SQLAlchemyError: the database fails.
        SchemaOutdated: the database was made by another version of the program.
    """
    schema.check()
    return Health(
        last_run=_last_run(),
        scheduler_late=_is_late(now, scheduler_expected_since),
        events=_counts(WebhookEvent.status, (EventStatus.PROCESSED, EventStatus.IGNORED)),
        deliveries=_counts(Delivery.status, (DeliveryStatus.SENT, DeliveryStatus.SKIPPED)),
        oldest_pending_seconds=_oldest_pending_seconds(now),
        on_hold=delivery_service.hold() is not None,
    )


def _last_run() -> datetime | None:
    """When a job last ended. Other signs of life, as of ScaleV's test event, come without a word of what was done."""
    says_something = or_(Heartbeat.summary.is_not(None), Heartbeat.error.is_not(None))
    return db.session.scalar(select(func.max(Heartbeat.finished_at)).where(Heartbeat.name != SCHEDULER, says_something))


def _is_late(now: datetime, expected_since: datetime | None) -> bool:
    if expected_since is None:
        return False
    beat = db.session.get(Heartbeat, SCHEDULER)
    last_sign = beat.finished_at if beat and beat.finished_at else expected_since
    return now - max(last_sign, expected_since) > LATE_AFTER


def _counts(column: Any, uninteresting: tuple[Any, ...]) -> dict[Any, int]:
    """Count rows by status; the settled ones are many and left out, so that the index answers quickly."""
    query = select(column, func.count()).where(column.not_in(uninteresting)).group_by(column)
    return {status: number for status, number in db.session.execute(query)}


def _oldest_pending_seconds(now: datetime) -> int:
    """How long the longest waiting due delivery waits already, beyond the moment at which it was due."""
    query = select(func.min(Delivery.next_attempt_at)).where(Delivery.status == DeliveryStatus.PENDING)
    oldest = db.session.scalar(query)
    return max(0, int((now - oldest).total_seconds())) if oldest else 0
