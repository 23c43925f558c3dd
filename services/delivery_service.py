"""The outbox's rows: which address is meant to go to which list, and why. `delivery_worker` sends them.

Every function here runs inside the caller's transaction, so that a lead's status and its deliveries change together;
`retry` and `retry_all_failed` are what people ask for and open their own.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, inspect, select, update

from models import AccountHold, Delivery, Lead, ListMember, db, transaction
from services.errors import NotFound, UserError
from services.statuses import DeliveryStatus, LeadStatus

NO_PRODUCT_LIST = "no_product_list"
NO_EMAIL = "no_email"
NO_LIST = "no_list"
STATUS_CHANGED = "status_changed"
ARCHIVED = "archived"
REFUSED_ADDRESS = "refused_address"
REFUSED_LIST = "refused_list"

# Rows that were not sent and that nobody is sending: they follow their lead's address, product list and status.
UNSENT = (DeliveryStatus.PENDING, DeliveryStatus.BLOCKED)
# Rows that a role entered again brings back: they ended only because the lead had left the role.
_REVIVABLE_REASONS = (STATUS_CHANGED, ARCHIVED)
# Rows that are over; only a repaired address brings one that was sent back.
_SETTLED = (DeliveryStatus.SENT, DeliveryStatus.FAILED, DeliveryStatus.SKIPPED)
RETRYABLE = (DeliveryStatus.FAILED, DeliveryStatus.PENDING, DeliveryStatus.SKIPPED)


def enter_role(lead: Lead, role: LeadStatus, now: datetime) -> None:
    """Make the delivery for the status that a lead has just entered, and cancel what waits for the others."""
    rows = {row.role: row for row in _locked_rows(lead)}
    _cancel((row for row in rows.values() if row.role is not role), STATUS_CHANGED, now)
    row = rows.get(role)
    if row is None:
        _open(lead, role, now)
    elif _comes_back(row):
        _place(row, lead, now)


def leave_queues(lead: Lead, now: datetime) -> None:
    """Cancel everything that waits: an archived lead is never sent."""
    _cancel(_locked_rows(lead), ARCHIVED, now)


def follow_lead(lead: Lead, now: datetime) -> None:
    """Bring what is unsent in line with the lead's present address and product list."""
    for row in _locked_rows(lead):
        waits_for_list = row.status is DeliveryStatus.CANCELLED and row.reason == NO_LIST
        may_return = row.role is lead.status and not lead.is_archived
        if row.status in UNSENT or _is_repaired(row, lead) or (waits_for_list and may_return):
            _place(row, lead, now)


def readdress(lead: Lead, now: datetime) -> None:
    """Follow an address that a person repaired. What is over for the lead's present role goes out once more when it
    had gone to the wrong address, or was refused or skipped for it.

    Raises:
        UserError: one is being sent to the wrong address right now, so nobody can say what became of it.
    """
    follow_lead(lead, now)
    for row in lead.deliveries:
        if row.status is DeliveryStatus.SENDING:
            raise UserError(_WHY_NOT[DeliveryStatus.SENDING])
        is_due_again = row.status in _SETTLED and row.email != lead.email
        if is_due_again and row.role is lead.status and not lead.is_archived:
            row.sent_at = None  # the attempt keeps it
            _place(row, lead, now)


def retry(delivery_id: int, now: datetime) -> Delivery:
    """Make one delivery due now, with its tries counted from 0, to its lead's present address and list.

    Raises:
        NotFound: there is no such delivery.
        UserError: it was sent, is being sent, waits for something that a retry can't give, or has no list any more.
    """
    with transaction() as session:
        row = session.get(Delivery, delivery_id, with_for_update=True)
        if row is None:
            raise NotFound("There is no such delivery.")
        if row.status not in RETRYABLE:
            raise UserError(_why_not(row))
        if _has_lost_its_list(row):
            raise UserError(_NO_LIST)
        _try_again(row, now)
    return row


def retry_all_failed(now: datetime) -> int:
    """Make every failed delivery due now that still has a list; return how many."""
    with transaction() as session:
        query = select(Delivery).where(Delivery.status == DeliveryStatus.FAILED).with_for_update()
        failed = [row for row in session.scalars(query) if not _has_lost_its_list(row)]
        for row in failed:
            _try_again(row, now)
    return len(failed)


def hold() -> AccountHold | None:
    """Return the pause of all deliveries, None while there is none."""
    return db.session.scalar(select(AccountHold))


def end_hold() -> None:
    """Let deliveries go on, as after a new key was saved."""
    with transaction() as session:
        session.execute(delete(AccountHold))


_NO_LIST = "The product list names no Mailketing list for this status; choose one there first."
_WHY_NOT = {
    DeliveryStatus.BLOCKED: "This delivery waits for a product list or a usable e-mail address; set that first.",
    DeliveryStatus.SENDING: "This delivery is being sent right now.",
    DeliveryStatus.SENT: "This delivery was sent already.",
}
_WHY_CANCELLED = {
    STATUS_CHANGED: "This delivery was cancelled because its lead moved on.",
    ARCHIVED: "This delivery was cancelled because its lead is archived.",
    NO_LIST: _NO_LIST,
}


def _why_not(row: Delivery) -> str:
    if row.status is DeliveryStatus.CANCELLED:
        return _WHY_CANCELLED[row.reason or STATUS_CHANGED]
    return _WHY_NOT[row.status]


def _has_lost_its_list(row: Delivery) -> bool:
    """Whether the admin wants no list for its role any more."""
    product_list = row.lead.product_list
    return product_list is not None and product_list.list_id_for(row.role) is None


def _open(lead: Lead, role: LeadStatus, now: datetime) -> None:
    if lead.no_transfer and role is not LeadStatus.CLOSING:
        return  # taken in by an import that adds nobody to a list but who pays
    if lead.product_list is not None and lead.product_list.list_id_for(role) is None:
        return  # the admin wants no list for this role
    row = Delivery(role=role, status=DeliveryStatus.BLOCKED, tries=0, created_at=now, updated_at=now)
    lead.deliveries.append(row)
    _place(row, lead, now)


def _locked_rows(lead: Lead) -> list[Delivery]:
    """A lead's deliveries, locked before they are read, so that no worker claims one while it is being changed."""
    if "deliveries" in inspect(lead).unloaded and lead.id is not None:
        db.session.execute(select(Delivery.id).where(Delivery.lead_id == lead.id).with_for_update())
    return lead.deliveries


def _is_repaired(row: Delivery, lead: Lead) -> bool:
    """Whether what Mailketing refused about a delivery is no longer what it would be sent with."""
    if row.status is not DeliveryStatus.FAILED:
        return False
    list_id = lead.product_list.list_id_for(row.role) if lead.product_list else row.list_id
    address_changed = row.reason == REFUSED_ADDRESS and row.email != lead.email
    return address_changed or (row.reason == REFUSED_LIST and row.list_id != list_id)


def _try_again(row: Delivery, now: datetime) -> None:
    """An address or list that was corrected after the failure is what the new try is for; without a product list it
    waits for one, as every delivery does."""
    if row.lead.product_list is None:
        _place(row, row.lead, now)
        return
    row.email = row.lead.email or row.email
    row.list_id = row.lead.product_list.list_id_for(row.role)  # there is one: see _has_lost_its_list
    _make_due(row, now)


def _comes_back(row: Delivery) -> bool:
    if row.status is DeliveryStatus.CANCELLED:
        return True
    return row.status is DeliveryStatus.SKIPPED and row.reason in _REVIVABLE_REASONS


def _place(row: Delivery, lead: Lead, now: datetime) -> None:
    """Copy address and list from the lead and put the row where it belongs: pending, or blocked by what is missing."""
    product_list = lead.product_list
    row.email = lead.email
    row.list_id = product_list.list_id_for(row.role) if product_list else None
    row.updated_at = now
    if product_list is None:
        row.status, row.reason = DeliveryStatus.BLOCKED, NO_PRODUCT_LIST
    elif row.list_id is None:
        row.status, row.reason = DeliveryStatus.CANCELLED, NO_LIST
    elif row.email is None:
        row.status, row.reason = DeliveryStatus.BLOCKED, NO_EMAIL
    elif row.status is not DeliveryStatus.PENDING:
        _make_due(row, now)


def _make_due(row: Delivery, now: datetime) -> None:
    row.status, row.reason = DeliveryStatus.PENDING, None
    row.tries, row.next_attempt_at, row.updated_at = 0, now, now


def _cancel(rows: Iterable[Delivery], reason: str, now: datetime) -> None:
    """Guarded, because a worker may have claimed the row meanwhile; its send is then what happened."""
    ids = [row.id for row in rows if row.status in UNSENT]
    if not ids:
        return
    values = {"status": DeliveryStatus.CANCELLED, "reason": reason, "updated_at": now}
    db.session.execute(update(Delivery).where(Delivery.id.in_(ids), Delivery.status.in_(UNSENT)).values(values))
    db.session.execute(delete(ListMember).where(ListMember.delivery_id.in_(ids), ListMember.added_at.is_(None)))
