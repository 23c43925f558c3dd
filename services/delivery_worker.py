"""The outbox's worker: claim a due delivery, check it once more, call Mailketing outside any transaction, settle it."""

import logging
import os
import random
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import ColumnElement, delete, exists, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from models import AccountHold, Delivery, DeliveryAttempt, Heartbeat, Lead, ListMember, db, transaction
from services import delivery_service, same_buyer, suppression_service, troubles, unread_news
from services.clock import utc_now
from services.contacts import normalise_email, redact, split_name
from services.delivery_service import ARCHIVED, REFUSED_ADDRESS, REFUSED_LIST, STATUS_CHANGED
from services.errors import Conflict, VendorError
from services.mailketing_service import AddResult, AnswerKind, Credits
from services.outbox_run import Run
from services.statuses import DeliveryStatus, LeadStatus

logger = logging.getLogger(__name__)

# How long to wait after the first, second... failed try; after the last one a person decides.
RETRY_DELAYS = tuple(
    timedelta(seconds=seconds) for seconds in (30, 120, 600, 1800, 7200, 6 * 3600, 12 * 3600, 24 * 3600)
)
JITTER = 0.2
MAX_UNKNOWN_TRIES = 3
CLAIM_LIFE = timedelta(minutes=5)
SETTLE_AGAIN_SECONDS = 1.0
HOLD_CHECK_EVERY = timedelta(minutes=1)
NEWS_CHECK_EVERY = timedelta(minutes=1)
UNREAD_ELSEWHERE = "unread_elsewhere"
CREDITS_HEARTBEAT = "credits"  # when Mailketing was last asked whether a hold may end
MESSAGE_LENGTH = 500


class Mailketing(Protocol):
    """What the worker needs of a Mailketing client."""

    def add_subscriber(
        self, list_id: str, email: str, *, first_name: str = "", last_name: str = "", mobile: str = ""
    ) -> AddResult: ...

    def credits(self) -> Credits: ...


@dataclass(frozen=True, slots=True)
class Claim:
    """One delivery that is ours to send, with all that the call needs, so that no row is read while calling."""

    delivery_id: int
    attempt_id: int
    owner: str
    list_id: str
    email: str
    name: str
    mobile: str


def has_due(cutoff: datetime) -> bool:
    """Whether any delivery is due."""
    return bool(db.session.scalar(select(exists().where(*_due(cutoff)))))


def send_due(client: Mailketing, run: Run) -> None:
    """Send what is due, one by one, until nothing is left or the run has to stop. Several threads may do so at once."""
    while run.goes_on() and has_due(run.cutoff):
        db.session.rollback()  # nothing stays open while we wait
        run.pace.wait()
        claim = claim_next(run)  # after the wait, because it checks whether the delivery should still go
        if claim is None:
            return
        result = _call(client, claim)
        run.note(result)
        _settle_surely(claim, result, run)


def _call(client: Mailketing, claim: Claim) -> AddResult:
    first_name, last_name = split_name(claim.name)
    try:
        return client.add_subscriber(
            claim.list_id, claim.email, first_name=first_name, last_name=last_name, mobile=claim.mobile
        )
    except Exception as error:  # the edge of a job: recorded on the delivery, and the other rows go on
        logger.exception("delivery failed", extra={"delivery": claim.delivery_id})
        text = troubles.OUR_FAULT(words=redact(f"{type(error).__name__}: {error}"))
        return AddResult(AnswerKind.UNKNOWN, text[:MESSAGE_LENGTH])


def claim_next(run: Run) -> Claim | None:
    """Take the next due delivery that should really go; those that should not are skipped with their reason."""
    while True:
        with transaction():
            row = _lock_next(run.cutoff)
            if row is None:
                return None
            now = utc_now()
            refusal = _refusal(row, now)
            claim = _claim(row, now) if refusal is None else None
            if refusal is not None:
                _skip(row, refusal, now)
        if claim is not None:
            return claim
        if refusal is not None:
            run.count("skipped")


def _settle_surely(claim: Claim, result: AddResult, run: Run) -> None:
    """Settle, again and again while the database fails: once the claim has run out, an answer that is forgotten is a
    second call for the same address. Gives up when that time has come, or when the process has to end."""
    give_up_at = time.monotonic() + CLAIM_LIFE.total_seconds()
    while True:
        try:
            settle(claim, result, run, utc_now())
            return
        except (OperationalError, Conflict):
            if time.monotonic() > give_up_at or not run.may_wait():
                raise
            logger.warning("delivery not settled yet: the database fails", extra={"delivery": claim.delivery_id})
        time.sleep(SETTLE_AGAIN_SECONDS)


def settle(claim: Claim, result: AddResult, run: Run, now: datetime) -> None:
    """Write a try's outcome: the attempt always, the delivery only while the claim is still ours."""
    with transaction() as session:
        attempt = session.get_one(DeliveryAttempt, claim.attempt_id)
        attempt.kind, attempt.http_status = result.kind.value, result.status
        attempt.duration_ms, attempt.answer = result.duration_ms, result.raw or result.message
        if result.kind in {AnswerKind.OK, AnswerKind.DUPLICATE}:
            _remember_member(claim, now)
        row = session.get_one(Delivery, claim.delivery_id)
        if row.status is not DeliveryStatus.SENDING or row.claimed_by != claim.owner:
            logger.warning("delivery settled late", extra={"delivery": claim.delivery_id, "kind": result.kind.value})
            return
        row.claimed_at = row.claimed_by = None
        row.message, row.updated_at = result.message[:MESSAGE_LENGTH], now
        run.count(_OUTCOMES[result.kind](row, result, now))
        delivery_service.follow_lead(row.lead, now)  # which may have changed during the call


def release_stuck(now: datetime) -> int:
    """Give back deliveries whose sender died; what it may have sent stands in the attempt as `interrupted`."""
    stuck = (Delivery.status == DeliveryStatus.SENDING, Delivery.claimed_at < now - CLAIM_LIFE)
    with transaction() as session:
        ids = session.scalars(select(Delivery.id).where(*stuck)).all()
        if not ids:
            return 0
        session.execute(
            update(DeliveryAttempt)
            .where(DeliveryAttempt.delivery_id.in_(ids), DeliveryAttempt.kind.is_(None))
            .values(kind="interrupted")
        )
        pending = {"status": DeliveryStatus.PENDING, "claimed_at": None, "claimed_by": None, "next_attempt_at": now}
        session.execute(update(Delivery).where(Delivery.id.in_(ids), *stuck).values(pending))
        for row in session.scalars(select(Delivery).where(Delivery.id.in_(ids))):
            delivery_service.follow_lead(row.lead, now)  # which may have changed meanwhile
    return len(ids)


def ends_hold(client: Mailketing, now: datetime) -> bool:
    """Ask Mailketing for its credits while deliveries are on hold, at most once a minute; whether they may go on.

    Once a minute over all holds: Mailketing may tell of credits and yet refuse the next delivery, which holds anew.
    """
    if delivery_service.hold() is None:
        return True
    last = db.session.get(Heartbeat, CREDITS_HEARTBEAT)
    asked_at = last.finished_at if last else None
    db.session.rollback()  # nothing stays open while we ask
    if asked_at is not None and now - asked_at < HOLD_CHECK_EVERY:
        return False
    try:
        has_credits = (client.credits().amount or 0) > 0
    except VendorError:
        has_credits = False
    with transaction() as session:
        session.merge(Heartbeat(name=CREDITS_HEARTBEAT, finished_at=now))
        session.execute(update(AccountHold).values(checked_at=now))
        if has_credits:
            delivery_service.end_hold()
    return has_credits


def _due(cutoff: datetime) -> tuple[ColumnElement[bool], ...]:
    has_unread_news = exists().where(Lead.id == Delivery.lead_id, unread_news.is_there(Lead.order_id))
    return Delivery.status == DeliveryStatus.PENDING, Delivery.next_attempt_at <= cutoff, ~has_unread_news


def _lock_next(cutoff: datetime) -> Delivery | None:
    query = select(Delivery).where(*_due(cutoff)).order_by(Delivery.next_attempt_at, Delivery.id).limit(1)
    return db.session.scalar(query.with_for_update(skip_locked=True, of=Delivery))


def _refusal(row: Delivery, now: datetime) -> str | None:
    """Return why a due delivery must not go after all."""
    lead = row.lead
    if lead.is_archived:
        return ARCHIVED
    if lead.status is not row.role:
        return STATUS_CHANGED
    if row.list_id is None or row.email is None or normalise_email(row.email) != row.email:
        return "invalid_address"
    if suppression_service.find(row.email, now):
        return "suppressed"
    if row.role is not LeadStatus.CLOSING and same_buyer.paid_elsewhere(lead):
        return "paid_elsewhere"
    return "already_on_list" if _is_member(row) else None


def _is_member(row: Delivery) -> bool:
    member = db.session.get(ListMember, (row.list_id, row.email))
    return member is not None and member.added_at is not None


def _claim(row: Delivery, now: datetime) -> Claim | None:
    """Reserve the (list, address) pair and the row. None when it has to wait: for unread news of the buyer's other
    orders, which may forbid it, or for another delivery that is on its way with the same pair."""
    if row.role is not LeadStatus.CLOSING and same_buyer.has_unread_news(row.lead):
        row.reason, row.next_attempt_at, row.updated_at = UNREAD_ELSEWHERE, now + NEWS_CHECK_EVERY, now
        return None
    if not _reserve_member(row):
        row.next_attempt_at = now + CLAIM_LIFE
        return None
    attempt = DeliveryAttempt(delivery_id=row.id, started_at=now)
    db.session.add(attempt)
    row.status, row.claimed_at, row.updated_at = DeliveryStatus.SENDING, now, now
    row.claimed_by = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(8)}"
    db.session.flush()
    return Claim(
        delivery_id=row.id,
        attempt_id=attempt.id,
        owner=row.claimed_by,
        list_id=row.list_id or "",
        email=row.email or "",
        name=row.lead.name or "",
        mobile=row.lead.phone or "",
    )


def _reserve_member(row: Delivery) -> bool:
    member = db.session.get(ListMember, (row.list_id, row.email), with_for_update=True)
    if member is None:
        try:
            with db.session.begin_nested():
                db.session.add(ListMember(list_id=row.list_id, email=row.email, delivery_id=row.id))
        except IntegrityError:  # another process reserved the pair between our look and our insert
            return False
        return True
    if member.added_at is not None:  # another process settled the pair between our look and our lock
        return False
    if member.delivery_id != row.id and _is_being_sent(member.delivery_id):
        return False
    member.delivery_id = row.id
    return True


def _is_being_sent(delivery_id: int | None) -> bool:
    query = select(Delivery.status).where(Delivery.id == delivery_id)
    return db.session.scalar(query) is DeliveryStatus.SENDING


def _skip(row: Delivery, reason: str, now: datetime) -> None:
    row.status, row.reason, row.updated_at = DeliveryStatus.SKIPPED, reason, now
    _forget_reservation(row.id)


def _remember_member(claim: Claim, now: datetime) -> None:
    member = db.session.merge(ListMember(list_id=claim.list_id, email=claim.email))
    member.delivery_id, member.added_at = claim.delivery_id, now


def _forget_reservation(delivery_id: int) -> None:
    db.session.execute(delete(ListMember).where(ListMember.delivery_id == delivery_id, ListMember.added_at.is_(None)))


def _sent(row: Delivery, result: AddResult, now: datetime) -> str:
    row.status, row.sent_at = DeliveryStatus.SENT, now
    row.reason = "already_on_list" if result.kind is AnswerKind.DUPLICATE else None
    row.tries += 1
    return "sent"


def _retry_later(row: Delivery, result: AddResult, now: datetime) -> str:
    row.tries += 1
    limit = MAX_UNKNOWN_TRIES if result.kind is AnswerKind.UNKNOWN else len(RETRY_DELAYS) + 1
    if row.tries >= limit:
        return _fail(row, "gave_up")
    delay = RETRY_DELAYS[row.tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 (no secret)
    row.status, row.reason = DeliveryStatus.PENDING, result.kind.value
    row.next_attempt_at = now + max(delay, timedelta(seconds=result.retry_after or 0))
    return "retry"


def _refuse_address(row: Delivery, result: AddResult, now: datetime) -> str:
    row.tries += 1
    if "blacklist" in result.message.lower():
        suppression_service.suppress(row.email or "", "blacklisted", result.message[:MESSAGE_LENGTH], now)
    return _fail(row, REFUSED_ADDRESS)


def _refuse_list(row: Delivery, _result: AddResult, _now: datetime) -> str:
    row.tries += 1
    return _fail(row, REFUSED_LIST)


def _hold_account(row: Delivery, result: AddResult, now: datetime) -> str:
    """The account's fault burns no try: the row stays due, and one pause stands for all."""
    row.status, row.reason, row.next_attempt_at = DeliveryStatus.PENDING, AnswerKind.HOLD.value, now
    if delivery_service.hold() is None:
        db.session.add(AccountHold(reason=result.message[:MESSAGE_LENGTH], since=now, checked_at=now))
    return "retry"


def _fail(row: Delivery, reason: str) -> str:
    row.status, row.reason, row.next_attempt_at = DeliveryStatus.FAILED, reason, None
    _forget_reservation(row.id)
    return "failed"


_OUTCOMES: dict[AnswerKind, Callable[[Delivery, AddResult, datetime], str]] = {
    AnswerKind.OK: _sent,
    AnswerKind.DUPLICATE: _sent,
    AnswerKind.RETRY: _retry_later,
    AnswerKind.UNKNOWN: _retry_later,
    AnswerKind.PERMANENT: _refuse_address,
    AnswerKind.CONFIG: _refuse_list,
    AnswerKind.HOLD: _hold_account,
}
