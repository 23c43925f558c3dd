"""The inbox: receive an event and keep it, process it, try again what failed, replay. The only writer of events."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Table, bindparam, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from models import Heartbeat, Lead, WebhookEvent, db, transaction
from services import inbound, lead_service, order_news, webhook_body
from services.clock import utc_now
from services.contacts import clean_text, redact
from services.errors import Conflict, NotFound
from services.inbound import Arrival, Inbound
from services.lead_rules import Overdue
from services.lead_service import Cause, Result
from services.order_batch import OrderBatch
from services.order_snapshot import OrderSnapshot
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
    .where(_events.c.id == bindparam("event_id"), or_(*(_events.c.status == status for status in _UNFINISHED)))
    .values(tries=_events.c.tries + 1)
)
_WAITING = (
    select(_events.c.id)
    .where(_events.c.order_id.in_(bindparam("wanted", expanding=True)), _events.c.status == EventStatus.WAITING)
    .order_by(_events.c.id)
)


class _SettledMeanwhile(Exception):
    """Another process acted on the same event."""


# The new event, None when it is known already; and what is wrong with a body that is no webhook.
Receipt = tuple[Inbound | None, BadBody | None]


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is to be written on an event that was acted on."""

    status: EventStatus
    reason: str | None = None
    lead: Lead | None = None
    brought: str | None = None  # the order whose lead it opened


def receive(arrival: Arrival) -> Receipt:
    """Keep a signed body on disk, whatever it holds, before any rule looks at it."""
    try:
        return _store(arrival), arrival.message.problem
    except IntegrityError:
        _count_duplicate(arrival.dedupe_key)
        return None, arrival.message.problem


def receive_all(arrivals: Sequence[Arrival]) -> list[Receipt]:
    """Do `receive` for several in one commit, unless one of them is known already: then each gets its own."""
    if len(arrivals) == 1:
        return [receive(arrivals[0])]
    try:
        with transaction():
            return [(_insert(arrival), arrival.message.problem) for arrival in arrivals]
    except (IntegrityError, Conflict):
        return [receive(arrival) for arrival in arrivals]


def take(body: bytes, source: EventSource, now: datetime) -> EventStatus:
    """Keep a message that we fetched ourselves and act on it. One that is known is acted on if nobody has done so yet:
    the process that kept it may have been killed in between."""
    arrival = inbound.read(body, None, source, now)
    event, _problem = receive(arrival)
    if event is not None:
        return act_on(event, now)
    known = select(WebhookEvent.id).where(WebhookEvent.dedupe_key == arrival.dedupe_key)
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
    message = inbound.read_message(row.body or b"")
    return act_on(Inbound(row.id, row.source, row.dedupe_key, row.received_at, message), now)


def act_on(event: Inbound, now: datetime) -> EventStatus:
    """Act on an event, and on those that waited for the order it brings, each in a transaction of its own.

    Never raises for what an event holds: a poisoned one is recorded with its error and tried again later, and the
    rest goes on.
    """
    try:
        (status,), waiting_ids = _act_twice([event], now)
    except _SettledMeanwhile:
        return db.session.get_one(WebhookEvent, event.id).status
    except Exception as error:  # the edge of a job: recorded on the event and shown on its page
        logger.exception("event failed", extra={"event_id": event.id})
        return _record_failure(event.id, error, now)
    for waiting_id in waiting_ids:
        process(waiting_id, now)
    return status


def act_on_all(events: Sequence[Inbound], now: datetime) -> None:
    """Do `act_on` for several events in one transaction; where one of them fails, each gets its own.

    Raises:
        SQLAlchemyError: the database fails; what is left stays for `process_due`.
    """
    for group in _one_of_each_order(events):
        waiting_ids = _act_together(group, now) if len(group) > 1 else None
        if waiting_ids is None:
            for event in group:
                act_on(event, now)
        for waiting_id in waiting_ids or ():
            process(waiting_id, now)


def _act_together(events: Sequence[Inbound], now: datetime) -> list[int] | None:
    """Act on all or on none, and return what waited for their orders; None when one of them fails."""
    try:
        return _act(events, now)[1]
    except OperationalError:  # it would keep each of them waiting anew
        raise
    except Exception:  # the caller acts on each alone, and then the one that fails is recorded with its error
        logger.warning("acting on each event by itself", exc_info=True)
        return None


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


def _store(arrival: Arrival) -> Inbound:
    """Write a new event; once more when the same one came in at another process and the database chose that."""
    try:
        return _insert(arrival)
    except Conflict:
        return _insert(arrival)


def _insert(arrival: Arrival) -> Inbound:
    with transaction() as session:
        result = session.execute(_INSERT, _row_of(arrival))
    event_id: int = result.inserted_primary_key[0]  # type: ignore[attr-defined]
    return Inbound(event_id, arrival.source, arrival.dedupe_key, arrival.received_at, arrival.message)


def _row_of(arrival: Arrival) -> dict[str, object]:
    envelope, problem = arrival.message.envelope, arrival.message.problem
    return {
        "source": arrival.source,
        "dedupe_key": arrival.dedupe_key,
        "unique_id": clean_text(envelope.unique_id if envelope else None, 255) or None,
        "name": envelope.name if envelope else "",
        "order_id": arrival.message.order_id,
        "body": arrival.body,
        "matched_secret": arrival.matched_secret,
        "sent_at": envelope.sent_at if envelope else None,
        "received_at": arrival.received_at,
        "status": EventStatus.IGNORED if problem else EventStatus.RECEIVED,
        "reason": problem.code if problem else None,
        "duplicates": 0,
        "tries": 0,
        "next_try_at": None if problem else arrival.received_at,
    }


def _one_of_each_order(events: Sequence[Inbound]) -> Iterator[list[Inbound]]:
    """Split events into groups in which no order comes twice: its second message needs to see what its first did."""
    group, orders = list[Inbound](), set[str]()
    for event in events:
        order_id = event.message.order_id
        if order_id in orders:
            yield group
            group, orders = [], set()
        group.append(event)
        orders |= {order_id} if order_id else set()
    if group:
        yield group


def _act_twice(events: Sequence[Inbound], now: datetime) -> tuple[list[EventStatus], list[int]]:
    """Act on events; once more when another process opened or changed the same order's lead in between."""
    try:
        return _act(events, now)
    except (IntegrityError, Conflict):
        return _act(events, now)


def _act(events: Sequence[Inbound], now: datetime) -> tuple[list[EventStatus], list[int]]:
    """Return each event's status, and the events that waited for the orders that these brought."""
    with transaction():
        about_orders = (event.message for event in events if event.message.is_about_orders)
        batch = OrderBatch(message.order_id for message in about_orders if message.order_id)
        verdicts = [_judge(event, batch, now) for event in events]
        batch.write()
        _settle(events, verdicts, now)
        brought = [verdict.brought for verdict in verdicts if verdict.brought]
        return [verdict.status for verdict in verdicts], _waiting_for(brought)


def _judge(event: Inbound, batch: OrderBatch, now: datetime) -> _Verdict:
    message = event.message
    if message.failure is not None:
        raise message.failure
    if message.envelope is None:
        return _Verdict(EventStatus.IGNORED, message.problem.code if message.problem else None)
    if message.envelope.name == webhook_body.TEST_EVENT:
        note_test_event(event.received_at)
        return _Verdict(EventStatus.IGNORED, TEST)
    if not message.is_about_orders:
        return _Verdict(EventStatus.IGNORED, NOT_AN_ORDER)
    if message.snapshot is None:
        return _Verdict(EventStatus.IGNORED, NO_ORDER_ID)
    return _apply(event, message.envelope, message.snapshot, batch, now)


def _apply(event: Inbound, envelope: Envelope, snapshot: OrderSnapshot, batch: OrderBatch, now: datetime) -> _Verdict:
    sent_at = envelope.sent_at
    # What we asked for tells how the order stands now, later than all that was sent of its last change.
    said_at = sent_at if event.source is EventSource.WEBHOOK else event.received_at
    stamp = order_news.make_stamp(snapshot.updated_at, said_at, event.received_at, event.dedupe_key)
    cause = Cause(actor=event.source.value, event_id=event.id, overdue=_overdue(event.source, envelope))
    result, lead = lead_service.apply_order(snapshot, stamp, sent_at or event.received_at, cause, now, batch)
    if lead is None:
        return _Verdict(EventStatus.WAITING, UNKNOWN_ORDER)
    reason = STALE if result is Result.STALE else None
    return _Verdict(EventStatus.PROCESSED, reason, lead, snapshot.order_id if result is Result.OPENED else None)


def _overdue(source: EventSource, envelope: Envelope) -> Overdue:
    if source is not EventSource.IMPORT:
        return Overdue.WAITS
    return Overdue.TRANSFERRED if envelope.transfer_unpaid else Overdue.RECORDED


def _waiting_for(order_ids: Sequence[str]) -> list[int]:
    return list(db.session.scalars(_WAITING, {"wanted": order_ids})) if order_ids else []


def _settle(events: Sequence[Inbound], verdicts: Sequence[_Verdict], now: datetime) -> None:
    """Write what became of events, and with it all that they caused.

    Raises:
        _SettledMeanwhile: another process was first; what was done here is rolled back.
    """
    values = [
        {
            "event_id": event.id,
            "status": verdict.status,
            "reason": verdict.reason,
            "lead_id": verdict.lead.id if verdict.lead else None,
            "error": None,
            "next_try_at": None,
            "processed_at": now,
        }
        for event, verdict in zip(events, verdicts, strict=True)
    ]
    settled = db.session.execute(_SETTLE, values if len(values) > 1 else values[0])
    if settled.rowcount != len(values):  # type: ignore[attr-defined]
        raise _SettledMeanwhile


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


def _count_duplicate(dedupe_key: str) -> None:
    """Count one more arrival of an event. The event itself is safe, so that the figure may be one short."""
    same = update(WebhookEvent).where(WebhookEvent.dedupe_key == dedupe_key)
    try:
        with transaction() as session:
            session.execute(same.values(duplicates=WebhookEvent.duplicates + 1))
    except Conflict:  # a deadlock with the process that acts on the event just now
        logger.debug("duplicate not counted")
