"""The inbox: receive an event and keep it, process it, try again what failed, replay. The only writer of events."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Table, bindparam, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from database import turn
from models import Heartbeat, Lead, WebhookEvent, db, transaction
from services import lead_service, order_news, webhook_body
from services.clock import utc_now
from services.contacts import clean_text, redact
from services.errors import Conflict, NotFound
from services.lead_rules import Overdue
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
# What a replay is asked for to get an event out of.
UNSOLVED = (EventStatus.FAILED, EventStatus.DEAD)
_ERROR_LENGTH = 1000


# Every webhook runs these: built once, on the table, they cost a third of what the same statements cost when they are
# built anew through the ORM (bench/webhook.py).
_events = cast(Table, WebhookEvent.__table__)
_INSERT = insert(_events)
_SETTLE = (
    update(_events)
    .where(_events.c.id == bindparam("event_id"), _events.c.status.in_(_UNFINISHED))
    .values(tries=_events.c.tries + 1)
)
_WAITING = (
    select(_events.c.id)
    .where(_events.c.order_id == bindparam("wanted"), _events.c.status == EventStatus.WAITING)
    .order_by(_events.c.id)
)


class _SettledMeanwhile(Exception):
    """Another process acted on the same event."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """A stored event as the rules need it, whether it has just come or was read from the inbox."""

    id: int
    source: EventSource
    dedupe_key: str
    received_at: datetime
    envelope: Envelope | None
    snapshot: OrderSnapshot | None
    problem: BadBody | None = None


def receive(
    body: bytes, matched_secret: str | None, source: EventSource, now: datetime
) -> tuple[Inbound | None, BadBody | None]:
    """Keep a signed body on disk, whatever it holds, before any rule looks at it.

    Returns:
        The new event, None when it is known already; and what is wrong with a body that is no webhook.
    """
    envelope, snapshot, problem = _read(body)
    unique_id = envelope.unique_id if envelope else None
    key = webhook_body.dedupe_key(unique_id, body)
    row = {
        "source": source,
        "dedupe_key": key,
        "unique_id": clean_text(unique_id, 255) or None,
        "name": envelope.name if envelope else "",
        "order_id": snapshot.order_id if snapshot else None,
        "body": body,
        "matched_secret": matched_secret,
        "sent_at": envelope.sent_at if envelope else None,
        "received_at": now,
        "status": EventStatus.IGNORED if problem else EventStatus.RECEIVED,
        "reason": problem.code if problem else None,
        "duplicates": 0,
        "tries": 0,
        "next_try_at": None if problem else now,
    }
    try:
        event_id = _store(row)
    except IntegrityError:
        _count_duplicate(key)
        return None, problem
    return Inbound(event_id, source, key, now, envelope, snapshot, problem), problem


def accept(body: bytes, matched_secret: str, now: datetime) -> tuple[Inbound | None, BadBody | None]:
    """Keep a webhook and act on it at once, before the next one is stored: when many come at a time, the first is not
    made to wait for the last. Returns what `receive` returns."""
    with turn():
        event, problem = receive(body, matched_secret, EventSource.WEBHOOK, now)
        if event is not None and problem is None:
            act_on(event, now)
    return event, problem


def take(body: bytes, source: EventSource, now: datetime) -> EventStatus:
    """Keep a message that we fetched ourselves and act on it. One that is known is acted on if nobody has done so yet:
    the process that kept it may have been killed in between."""
    event, _problem = receive(body, None, source, now)
    if event is not None:
        return act_on(event, now)
    known = select(WebhookEvent.id).where(WebhookEvent.dedupe_key == webhook_body.dedupe_key(None, body))
    return process(db.session.scalars(known).one(), now)


def note_test_event(now: datetime) -> None:
    """Remember when ScaleV's test event last came."""
    with transaction() as session:
        session.merge(Heartbeat(name=TEST_HEARTBEAT, finished_at=now, succeeded_at=now))


def process(event_id: int, now: datetime) -> EventStatus:
    """Act on an event of the inbox; see `act_on`. One that is settled already stays as it is."""
    row = db.session.get_one(WebhookEvent, event_id)
    if row.status not in _UNFINISHED:
        return row.status
    envelope, snapshot, problem = _read(row.body or b"")
    inbound = Inbound(row.id, row.source, row.dedupe_key, row.received_at, envelope, snapshot, problem)
    return act_on(inbound, now)


def act_on(event: Inbound, now: datetime) -> EventStatus:
    """Act on an event, and on those that waited for the order it brings, each in a transaction of its own.

    Never raises for what an event holds: a poisoned one is recorded with its error and tried again later, and the
    rest goes on.
    """
    try:
        status, waiting_ids = _act_twice(event, now)
    except _SettledMeanwhile:
        return db.session.get_one(WebhookEvent, event.id).status
    except Exception as error:  # the edge of a job: recorded on the event and shown on its page
        logger.exception("event failed", extra={"event_id": event.id})
        return _record_failure(event.id, error, now)
    for waiting_id in waiting_ids:
        process(waiting_id, now)
    return status


def process_due(cutoff: datetime, *, keep_going: Callable[[], bool] = lambda: True) -> dict[str, int]:
    """Process what is left: never tried, failed and due again, or waiting for an order that has come. Count results.

    Args:
        cutoff: events due up to this moment.
        keep_going: asked before each event; when it says no, the rest is left to the next run.
    """
    counts: dict[str, int] = {}
    for event_id in _due_ids(cutoff):
        if not keep_going():
            break
        status = process(event_id, utc_now())
        counts[status.value] = counts.get(status.value, 0) + 1
    return counts


def missing_orders(cutoff: datetime, limit: int) -> list[tuple[str, datetime]]:
    """Return the orders that events wait for and that are due to be looked up, each with its first event's arrival;
    the order of the newest event first."""
    query = (
        select(WebhookEvent.order_id, func.min(WebhookEvent.received_at).label("missed_since"))
        .where(
            WebhookEvent.status == EventStatus.WAITING,
            WebhookEvent.order_id.is_not(None),
            or_(WebhookEvent.next_try_at.is_(None), WebhookEvent.next_try_at <= cutoff),
        )
        .group_by(WebhookEvent.order_id)
        .order_by(func.max(WebhookEvent.id).desc())
        .limit(limit)
    )
    return [(str(row.order_id), row.missed_since) for row in db.session.execute(query)]


def ask_again(order_id: str, at: datetime) -> None:
    """Set when ScaleV is asked about an order next, on its events that nothing else is due for."""
    settled = WebhookEvent.status.not_in((EventStatus.RECEIVED, EventStatus.FAILED))
    with transaction() as session:
        session.execute(update(WebhookEvent).where(WebhookEvent.order_id == order_id, settled).values(next_try_at=at))


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


def _store(row: Mapping[str, object]) -> int:
    """Write a new event; once more when the same one came in at another process and the database chose that."""
    try:
        return _insert(row)
    except Conflict:
        return _insert(row)


def _insert(row: Mapping[str, object]) -> int:
    with transaction() as session:
        event_id: int = session.execute(_INSERT, row).inserted_primary_key[0]  # type: ignore[attr-defined]
    return event_id


def _act_twice(event: Inbound, now: datetime) -> tuple[EventStatus, list[int]]:
    """Act on an event; once more when another process opened or changed the same order's lead in between."""
    try:
        return _act(event, now)
    except (IntegrityError, Conflict):
        return _act(event, now)


def _act(event: Inbound, now: datetime) -> tuple[EventStatus, list[int]]:
    """Return the event's status, and the events that waited for the order that it brought."""
    with transaction():
        if event.envelope is None:
            return _settle(event, EventStatus.IGNORED, event.problem.code if event.problem else None, now), []
        if event.envelope.name == webhook_body.TEST_EVENT:
            note_test_event(event.received_at)
            return _settle(event, EventStatus.IGNORED, TEST, now), []
        if not event.envelope.name.startswith(_ORDER_PREFIXES):
            return _settle(event, EventStatus.IGNORED, NOT_AN_ORDER, now), []
        if event.snapshot is None:
            return _settle(event, EventStatus.IGNORED, NO_ORDER_ID, now), []
        return _act_on_order(event, event.envelope, event.snapshot, now)


def _act_on_order(
    event: Inbound, envelope: Envelope, snapshot: OrderSnapshot, now: datetime
) -> tuple[EventStatus, list[int]]:
    sent_at = envelope.sent_at
    stamp = order_news.make_stamp(snapshot.updated_at, sent_at, event.received_at, event.dedupe_key)
    cause = Cause(actor=event.source.value, event_id=event.id, overdue=_overdue(event.source, envelope))
    result, lead = lead_service.apply_order(snapshot, stamp, sent_at or event.received_at, cause, now)
    if lead is None:
        return _settle(event, EventStatus.WAITING, UNKNOWN_ORDER, now), []
    reason = STALE if result is Result.STALE else None
    waiting_ids = _waiting_for(snapshot.order_id) if result is Result.OPENED else []
    return _settle(event, EventStatus.PROCESSED, reason, now, lead.id), waiting_ids


def _overdue(source: EventSource, envelope: Envelope) -> Overdue:
    if source is not EventSource.IMPORT:
        return Overdue.WAITS
    return Overdue.TRANSFERRED if envelope.transfer_unpaid else Overdue.RECORDED


def _waiting_for(order_id: str) -> list[int]:
    return list(db.session.scalars(_WAITING, {"wanted": order_id}))


def _settle(
    event: Inbound, status: EventStatus, reason: str | None, now: datetime, lead_id: int | None = None
) -> EventStatus:
    """Write what became of an event, and with it all that it caused.

    Raises:
        _SettledMeanwhile: another process was first; what was done here is rolled back.
    """
    values = {
        "event_id": event.id,
        "status": status,
        "reason": reason,
        "lead_id": lead_id,
        "error": None,
        "next_try_at": None,
        "processed_at": now,
    }
    if db.session.execute(_SETTLE, values).rowcount != 1:  # type: ignore[attr-defined]
        raise _SettledMeanwhile
    return status


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


def _read(body: bytes) -> tuple[Envelope | None, OrderSnapshot | None, BadBody | None]:
    try:
        envelope = webhook_body.parse(body)
    except BadBody as problem:
        return None, None, problem
    return envelope, read_order(envelope.name, envelope.data), None


def _count_duplicate(dedupe_key: str) -> None:
    """Count one more arrival of an event. The event itself is safe, so that the figure may be one short."""
    same = update(WebhookEvent).where(WebhookEvent.dedupe_key == dedupe_key)
    try:
        with transaction() as session:
            session.execute(same.values(duplicates=WebhookEvent.duplicates + 1))
    except Conflict:  # a deadlock with the process that acts on the event just now
        logger.debug("duplicate not counted")
