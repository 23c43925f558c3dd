"""The inbox: receive an event and keep it, process it, try again what failed, replay. The only writer of events."""

import logging
from datetime import datetime, timedelta

from sqlalchemy import exists, or_, select, update
from sqlalchemy.exc import IntegrityError

from models import Heartbeat, Lead, WebhookEvent, db, transaction
from services import lead_service, order_news, webhook_body
from services.clock import utc_now
from services.contacts import clean_text, redact
from services.errors import NotFound
from services.lead_service import Cause, Result
from services.order_snapshot import OrderSnapshot, read_order
from services.statuses import EventSource, EventStatus
from services.webhook_body import BadBody, Envelope

logger = logging.getLogger(__name__)

# The wait before each try; after the last one the event is dead, and a person can replay it.
RETRY_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (0, 30, 120, 600, 1800, 7200, 6 * 3600))
STALE = "stale"
NOT_AN_ORDER = "not_an_order"
NO_ORDER_ID = "no_order_id"
UNKNOWN_ORDER = "unknown_order"
TEST = "test"
TEST_HEARTBEAT = "webhook-test"
_ORDER_PREFIXES = ("order.", "payment.")
_UNFINISHED = (EventStatus.RECEIVED, EventStatus.FAILED, EventStatus.WAITING)
_ERROR_LENGTH = 1000


def receive(
    body: bytes, matched_secret: str | None, source: EventSource, now: datetime
) -> tuple[int | None, BadBody | None]:
    """Keep a signed body on disk, whatever it holds, before any rule looks at it.

    Returns:
        The new event's id, None when the event is known already; and what is wrong with a body that is no webhook.
    """
    envelope, problem = _parse(body)
    snapshot = _read(envelope)
    unique_id = envelope.unique_id if envelope else None
    row = WebhookEvent(
        source=source,
        dedupe_key=webhook_body.dedupe_key(unique_id, body),
        unique_id=_storable(unique_id),
        name=envelope.name if envelope else "",
        order_id=snapshot.order_id if snapshot else None,
        body=body,
        matched_secret=matched_secret,
        sent_at=envelope.sent_at if envelope else None,
        received_at=now,
        status=EventStatus.IGNORED if problem else EventStatus.RECEIVED,
        reason=problem.code if problem else None,
        duplicates=0,
        tries=0,
        next_try_at=None if problem else now,
    )
    try:
        with transaction() as session:
            session.add(row)
            session.flush()
            event_id = row.id
    except IntegrityError:
        _count_duplicate(row.dedupe_key)
        return None, problem
    return event_id, problem


def note_test_event(now: datetime) -> None:
    """Remember when ScaleV's test event last came."""
    with transaction() as session:
        session.merge(Heartbeat(name=TEST_HEARTBEAT, finished_at=now, succeeded_at=now))


def process(event_id: int, now: datetime) -> EventStatus:
    """Act on one event, and on those that waited for the order it brings, each in a transaction of its own.

    Never raises for what an event holds: a poisoned one is recorded with its error and tried again later, and the
    rest goes on.
    """
    status, opened_order = _process_one(event_id, now)
    if opened_order is not None:
        for waiting_id in _waiting_for(opened_order):
            _process_one(waiting_id, now)
    return status


def process_due(cutoff: datetime) -> dict[str, int]:
    """Process what is left: never tried, failed and due again, or waiting for an order that has come. Count results."""
    counts: dict[str, int] = {}
    for event_id in _due_ids(cutoff):
        status = process(event_id, utc_now())
        counts[status.value] = counts.get(status.value, 0) + 1
    return counts


def replay(event_id: int, now: datetime) -> WebhookEvent:
    """Process an event again from the start, whatever became of it before; the stored body stays as it is.

    Raises:
        NotFound: there is no such event.
    """
    with transaction() as session:
        event = session.get(WebhookEvent, event_id, with_for_update=True)
        if event is None:
            raise NotFound("There is no such event.")
        event.status, event.reason, event.error = EventStatus.RECEIVED, None, None
        event.tries, event.next_try_at = 0, now
    process(event_id, now)
    return db.session.get_one(WebhookEvent, event_id)


def _process_one(event_id: int, now: datetime) -> tuple[EventStatus, str | None]:
    """Return the event's status, and the order for which it has just opened a lead."""
    try:
        with transaction():
            event = db.session.get(WebhookEvent, event_id, with_for_update=True)
            if event is None or event.status not in _UNFINISHED:
                return (event.status if event else EventStatus.IGNORED), None
            opened = _process(event, now)
            return event.status, event.order_id if opened else None
    except Exception as error:  # the edge of a job: recorded on the event and shown on its page
        logger.exception("event failed", extra={"event_id": event_id})
        return _record_failure(event_id, error, now), None


def _process(event: WebhookEvent, now: datetime) -> bool:
    """Act on an event; whether it opened a lead."""
    event.tries += 1
    event.processed_at, event.error, event.next_try_at = now, None, None
    envelope, problem = _parse(event.body or b"")
    if envelope is None:
        _settle(event, EventStatus.IGNORED, problem.code if problem else None)
    elif envelope.name == webhook_body.TEST_EVENT:
        note_test_event(event.received_at)
        _settle(event, EventStatus.IGNORED, TEST)
    elif not envelope.name.startswith(_ORDER_PREFIXES):
        _settle(event, EventStatus.IGNORED, NOT_AN_ORDER)
    else:
        return _process_order(event, envelope, now)
    return False


def _process_order(event: WebhookEvent, envelope: Envelope, now: datetime) -> bool:
    snapshot = _read(envelope)
    if snapshot is None:
        _settle(event, EventStatus.IGNORED, NO_ORDER_ID)
        return False
    stamp = order_news.make_stamp(snapshot.updated_at, event.sent_at, event.received_at, event.dedupe_key)
    seen_at = event.sent_at or event.received_at
    cause = Cause(actor=event.source.value, event_id=event.id)
    result, lead = lead_service.apply_order(snapshot, stamp, seen_at, cause, now)
    if lead is None:
        _settle(event, EventStatus.WAITING, UNKNOWN_ORDER)
    else:
        event.lead_id = lead.id
        _settle(event, EventStatus.PROCESSED, STALE if result is Result.STALE else None)
    return result is Result.OPENED


def _waiting_for(order_id: str) -> list[int]:
    waits = (WebhookEvent.order_id == order_id, WebhookEvent.status == EventStatus.WAITING)
    return list(db.session.scalars(select(WebhookEvent.id).where(*waits).order_by(WebhookEvent.id)))


def _settle(event: WebhookEvent, status: EventStatus, reason: str | None) -> None:
    event.status, event.reason = status, reason


def _record_failure(event_id: int, error: Exception, now: datetime) -> EventStatus:
    with transaction() as session:
        event = session.get_one(WebhookEvent, event_id)
        event.tries += 1
        event.error = redact(f"{type(error).__name__}: {error}")[:_ERROR_LENGTH]
        alive = event.tries < len(RETRY_DELAYS)
        event.status = EventStatus.FAILED if alive else EventStatus.DEAD
        event.next_try_at = now + RETRY_DELAYS[event.tries] if alive else None
        return event.status


def _due_ids(cutoff: datetime) -> list[int]:
    order_came = exists().where(Lead.order_id == WebhookEvent.order_id)
    unfinished = WebhookEvent.status.in_((EventStatus.RECEIVED, EventStatus.FAILED))
    due = or_(
        unfinished & (WebhookEvent.next_try_at <= cutoff),
        (WebhookEvent.status == EventStatus.WAITING) & order_came,
    )
    return list(db.session.scalars(select(WebhookEvent.id).where(due).order_by(WebhookEvent.id)))


def _parse(body: bytes) -> tuple[Envelope | None, BadBody | None]:
    try:
        return webhook_body.parse(body), None
    except BadBody as problem:
        return None, problem


def _read(envelope: Envelope | None) -> OrderSnapshot | None:
    return read_order(envelope.name, envelope.data) if envelope else None


def _storable(unique_id: str | None) -> str | None:
    """The id for display; odd characters and length are cut here, the digest beside it keeps all of it."""
    return clean_text(unique_id, 255) or None


def _count_duplicate(dedupe_key: str) -> None:
    with transaction() as session:
        session.execute(
            update(WebhookEvent)
            .where(WebhookEvent.dedupe_key == dedupe_key)
            .values(duplicates=WebhookEvent.duplicates + 1)
        )
