"""Leads: the only writer of Lead.status. Applies decisions: status, history row and deliveries in one transaction."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from models import Lead, LeadHistory, OrderLine, ProductList, db, transaction
from services import delivery_service, lead_rules, order_news, product_matching, settings_service
from services.contacts import clean_text, normalise_email, normalise_phone
from services.errors import Conflict, NotFound, UserError
from services.lead_rules import Decision, LeadState, Order, Seen
from services.order_news import News
from services.order_snapshot import Line, OrderSnapshot
from services.statuses import ArchiveReason, ClosedBy, LeadStatus

SYSTEM = "system"
NOTE_LENGTH = 1000
_ATTACH_BATCH = 200


class Result(StrEnum):
    """What a message did to its lead."""

    OPENED = "opened"  # the lead was made by it
    APPLIED = "applied"
    STALE = "stale"  # everything it says is known from newer messages
    WAITING = "waiting"  # its order is not known yet and it does not tell enough to open a lead


@dataclass(frozen=True, slots=True)
class Cause:
    """Who or what makes a change: the actor's name for the history, the event where one caused it."""

    actor: str
    event_id: int | None = None
    note: str | None = None


def apply_order(
    snapshot: OrderSnapshot, stamp: str, seen_at: datetime, cause: Cause, now: datetime
) -> tuple[Result, Lead | None]:
    """Merge one message into its lead, open the lead when it is a first full order, and act on what follows.

    Runs inside the caller's transaction.

    Args:
        snapshot: what the message says.
        stamp: its place in the order's life (order_news.make_stamp).
        seen_at: the message's own moment; stands in for an order without `created_at`.
        cause: for the history.
        now: the operation's one clock reading.
    """
    lead = _lock(Lead.order_id == snapshot.order_id)
    is_new = lead is None
    if lead is None:
        if not snapshot.is_full:
            return Result.WAITING, None
        lead, is_new = _open(snapshot, seen_at, cause, now)
    is_newer = _merge(lead, snapshot, stamp, now)
    decision = lead_rules.decide(_order(lead), _state(lead), now, settings_service.policy())
    _apply(lead, decision, cause, now)
    if is_new and not decision.changes_something:
        delivery_service.enter_role(lead, lead.status, now)
    if is_new:
        return Result.OPENED, lead
    return (Result.APPLIED if is_newer else Result.STALE), lead


def expire(lead_id: int, note: str | None, now: datetime) -> bool:
    """Move one lead to not_closing if the rules say so now; whether it moved.

    Args:
        lead_id: a lead that was due when it was looked up.
        note: for the history, when ScaleV could not confirm that it is unpaid.
        now: the operation's one clock reading.
    """
    with transaction():
        lead = _lock(Lead.id == lead_id)
        if lead is None or lead.is_archived or lead.status is not LeadStatus.FOLLOW_UP:
            return False
        decision = lead_rules.decide(_order(lead), _state(lead), now, settings_service.policy(), expiring=True)
        _apply(lead, decision, Cause(SYSTEM, note=note), now)
        return decision.status is LeadStatus.NOT_CLOSING


def move(lead_id: int, to: LeadStatus, *, actor: str, note: str | None, now: datetime) -> None:
    """Move a lead by hand; takes it out of the archive. Into follow up, its window begins anew.

    Raises:
        NotFound: there is no such lead.
        UserError: it is there already.
        Conflict: it was moved by somebody else meanwhile.
    """
    with transaction():
        lead = _lock_existing(lead_id)
        if lead.status is to and not lead.is_archived:
            raise UserError("This lead already has that status.")
        if to is LeadStatus.FOLLOW_UP:
            lead.restarted_at = now
        _apply(lead, Decision("manual", status=to, unarchive=lead.is_archived), _by_hand(lead, actor, note), now)
        _reckon_window(lead)


def archive(lead_id: int, *, actor: str, note: str | None, now: datetime) -> None:
    """Take a lead out of every queue by hand; what waits to be sent is cancelled.

    Raises:
        NotFound: there is no such lead.
        UserError: it is archived already.
    """
    with transaction():
        lead = _lock_existing(lead_id)
        if lead.is_archived:
            raise UserError("This lead is archived already.")
        _apply(lead, Decision("manual", archive=ArchiveReason.MANUAL), _by_hand(lead, actor, note), now)


def attach_waiting_leads(now: datetime) -> int:
    """Give leads without a product list the one that fits by now, and let their deliveries go; return how many.

    In batches with a transaction each, so that webhooks are not kept waiting; what a stop leaves over is done by the
    next call.
    """
    attached = 0
    while lead_ids := product_matching.waiting_lead_ids(_ATTACH_BATCH):
        with transaction():
            done = sum(_attach(lead_id, now) for lead_id in lead_ids)
        attached += done
        if done == 0:
            break
    return attached


def detach_product_list(product_list_id: int, now: datetime) -> int:
    """Take a product list off its leads, before it is deleted; return how many. Runs in the caller's transaction."""
    leads = db.session.scalars(select(Lead).where(Lead.product_list_id == product_list_id)).all()
    for lead in leads:
        lead.product_list = None
        _reckon_window(lead)
        delivery_service.follow_lead(lead, now)
    return len(leads)


def follow_product_list(product_list_id: int, now: datetime) -> None:
    """Bring leads in line with their product list, after it was edited. Runs in the caller's transaction."""
    for lead in db.session.scalars(select(Lead).where(Lead.product_list_id == product_list_id)):
        _reckon_window(lead)
        delivery_service.follow_lead(lead, now)


def open_leads_with_default_days() -> int:
    """Return how many leads a change of the follow-up days touches."""
    return db.session.scalar(select(func.count()).select_from(Lead).where(*_open_with_default_days())) or 0


def recompute_due(now: datetime) -> int:
    """Reckon the due time of open leads anew, after the follow-up days were changed; return how many."""
    with transaction() as session:
        leads = session.scalars(select(Lead).where(*_open_with_default_days())).all()
        for lead in leads:
            _reckon_window(lead)
            lead.updated_at = now
    return len(leads)


def _open_with_default_days() -> tuple[Any, ...]:
    own_days = select(ProductList.id).where(ProductList.follow_up_days.is_not(None))
    without_own = Lead.product_list_id.is_(None) | Lead.product_list_id.not_in(own_days)
    return Lead.status == LeadStatus.FOLLOW_UP, Lead.archived_at.is_(None), without_own


def _lock(condition: Any) -> Lead | None:
    """Load a lead that nobody else changes until our transaction ends."""
    return db.session.scalar(select(Lead).where(condition).with_for_update(of=Lead))


def _lock_existing(lead_id: int) -> Lead:
    lead = _lock(Lead.id == lead_id)
    if lead is None:
        raise NotFound("There is no such lead.")
    return lead


def _by_hand(lead: Lead, actor: str, note: str | None) -> Cause:
    """A person decides with the present news before them; only newer news overrules them."""
    lead.manual_seen = asdict(_order(lead).seen())
    return Cause(actor, note=clean_text(note, NOTE_LENGTH) or None)


def _open(snapshot: OrderSnapshot, seen_at: datetime, cause: Cause, now: datetime) -> tuple[Lead, bool]:
    """Insert the lead; when another process was first, take its row instead."""
    ordered_at = snapshot.created_at or seen_at
    lead = Lead(
        order_id=snapshot.order_id,
        status=LeadStatus.FOLLOW_UP,
        status_changed_at=ordered_at,
        ordered_at=ordered_at,
        follow_up_start=ordered_at,
        due_at=ordered_at + timedelta(days=settings_service.number("follow_up_days")),
        field_stamps={},
        news=[],
        lines=[],
        deliveries=[],
        created_at=now,
        updated_at=now,
    )
    try:
        with db.session.begin_nested():
            db.session.add(lead)
    except IntegrityError:
        other = _lock(Lead.order_id == snapshot.order_id)
        if other is None:
            raise
        return other, False
    _record(lead, None, "order_received", cause, now)
    return lead, True


def _merge(lead: Lead, snapshot: OrderSnapshot, stamp: str, now: datetime) -> bool:
    """Merge a message into the stored order; whether it brought anything new."""
    fresh = order_news.read_news(snapshot, stamp)
    known = order_news.add_news(_news(lead), fresh)
    newer, lead.field_stamps = order_news.merge_details(snapshot, lead.field_stamps, stamp)
    deleted = snapshot.is_deleted and lead.deleted_stamp is None
    if deleted:
        lead.deleted_stamp = stamp
    lead.news = [news.to_row() for news in known]
    _store_details(lead, newer)
    _store_state(lead, known)
    lead.updated_at = now
    if "lines" in newer and lead.product_list is None:
        lead.product_list = product_matching.find_product_list(lead.lines)
    _reckon_window(lead)
    if newer:
        delivery_service.follow_lead(lead, now)
    return bool(newer) or deleted or (fresh.says_something and order_news.is_newest(known, fresh))


def _store_details(lead: Lead, newer: Mapping[str, Any]) -> None:
    for name, value in newer.items():
        if name == "lines":
            _store_lines(lead, value)
        elif name == "created_at":
            lead.ordered_at = value
        else:
            setattr(lead, name, value)
    if "email_given" in newer:
        lead.email = normalise_email(newer["email_given"])
    if "phone_given" in newer:
        lead.phone = normalise_phone(newer["phone_given"])


def _store_lines(lead: Lead, lines: tuple[Line, ...]) -> None:
    stored = tuple(Line(**{name: getattr(line, name) for name in Line.__slots__}) for line in lead.lines)
    if stored != lines:
        lead.lines = [OrderLine(**asdict(line)) for line in lines]
        lead.product_name = lines[0].product_name or lines[0].sku


def _store_state(lead: Lead, known: list[News]) -> None:
    if not known:
        return
    state = order_news.states(known)[-1]
    lead.payment_status, lead.payment_method = state.payment_status, state.payment_method
    lead.order_status, lead.gross_revenue = state.order_status, state.gross_revenue


def _news(lead: Lead) -> list[News]:
    return [News.from_row(row) for row in lead.news]


def _order(lead: Lead) -> Order:
    states = order_news.states(_news(lead)) or [order_news.OrderState(at=lead.ordered_at)]
    return Order(states, lead.deleted_stamp)


def _state(lead: Lead) -> LeadState:
    seen = Seen(**lead.manual_seen) if lead.manual_seen else None
    return LeadState(lead.status, lead.due_at, lead.closed_by, lead.archive_reason, seen)


def _reckon_window(lead: Lead) -> None:
    """Set where the follow-up window begins and ends: the product list's own days, else the setting."""
    start = lead_rules.window_start(lead.ordered_at, _order(lead).states)
    lead.follow_up_start = max(start, lead.restarted_at) if lead.restarted_at else start
    own_days = lead.product_list.follow_up_days if lead.product_list else None
    lead.due_at = lead.follow_up_start + timedelta(days=own_days or settings_service.number("follow_up_days"))


def _apply(lead: Lead, decision: Decision, cause: Cause, now: datetime) -> None:
    """Write a decision: the guarded change, its history row, its deliveries."""
    if not decision.changes_something:
        return
    before = lead.status
    _change_guarded(lead, _changes(decision, cause, now))
    _record(lead, before, decision.reason, cause, now)
    if lead.is_archived:
        delivery_service.leave_queues(lead, now)
    else:
        delivery_service.enter_role(lead, lead.status, now)


def _changes(decision: Decision, cause: Cause, now: datetime) -> dict[str, Any]:
    changes: dict[str, Any] = {"updated_at": now}
    if decision.status is not None:
        by = ClosedBy.MANUAL if decision.reason == "manual" else ClosedBy.PAYMENT
        closed_by = by if decision.status is LeadStatus.CLOSING else None
        changes |= {"status": decision.status, "status_changed_at": now, "closed_by": closed_by}
    if decision.archive is not None:
        changes |= {"archived_at": now, "archive_reason": decision.archive}
    if decision.unarchive:
        changes |= {"archived_at": None, "archive_reason": None}
    return changes


def _change_guarded(lead: Lead, changes: dict[str, Any]) -> None:
    """Update exactly the row that the decision was made for.

    Raises:
        Conflict: somebody else moved the lead meanwhile.
    """
    db.session.flush()
    archive_reason = Lead.archive_reason.is_not_distinct_from(lead.archive_reason)
    same = (Lead.id == lead.id, Lead.status == lead.status, archive_reason)
    rows = db.session.execute(update(Lead).where(*same).values(changes)).rowcount  # type: ignore[attr-defined]
    if rows != 1:
        raise Conflict("This lead was changed by somebody else meanwhile. Load the page again.")


def _record(lead: Lead, before: LeadStatus | None, reason: str, cause: Cause, now: datetime) -> None:
    db.session.add(
        LeadHistory(
            lead_id=lead.id,
            event_id=cause.event_id,
            from_status=before,
            to_status=lead.status,
            at=now,
            reason=reason,
            actor=cause.actor,
            note=cause.note,
        )
    )


def _attach(lead_id: int, now: datetime) -> bool:
    lead = _lock_existing(lead_id)
    product_list = product_matching.find_product_list(lead.lines)
    if lead.product_list is not None or product_list is None:
        return False
    lead.product_list = product_list
    _reckon_window(lead)
    delivery_service.follow_lead(lead, now)
    return True
