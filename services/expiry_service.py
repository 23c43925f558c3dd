"""The clock's part: leads that are due are looked up at ScaleV once more and then moved to not_closing."""

import json
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import select

from models import Lead, db
from services import event_service, lead_service
from services.clock import utc_now
from services.errors import (
    VendorAuthError,
    VendorError,
    VendorForbidden,
    VendorNotFound,
    VendorRateLimited,
    VendorRefused,
    VendorUnreachable,
)
from services.statuses import EventSource, EventStatus, LeadStatus

logger = logging.getLogger(__name__)

# How long a due lead waits for ScaleV to answer before it moves without its word.
VERIFY_FOR = timedelta(hours=24)
GIVE_UP_AFTER = 3  # look-ups in a row without an answer end the asking for this run
NOT_VERIFIED = "not verified"
UNKNOWN_AT_SCALEV = "not known at ScaleV"


class Scalev(Protocol):
    """What the check needs of a ScaleV client."""

    def get_order(self, order: str) -> dict[str, Any]: ...

    def check_key(self) -> object: ...


@dataclass(slots=True)
class Check:
    """One run of the check: what became of the due leads, and why ScaleV could not be asked."""

    moved: int = 0
    waiting: int = 0
    kept: int = 0
    failed: int = 0
    problem: str | None = None

    def summary(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.moved} moved, {self.kept} kept, {self.waiting} waiting for ScaleV{failed}"


@dataclass(frozen=True, slots=True)
class _DueLead:
    """A lead to check; `order` is what ScaleV is asked by."""

    id: int
    order: str
    due_at: datetime


class _Verifier:
    """Looks orders up at ScaleV; after a refusal of the key, or several silences, it stops asking for this run."""

    def __init__(self, client: Scalev | None) -> None:
        self._client = client
        self._silent_in_a_row = 0
        self._key_works = False
        self._gave_up = False
        self.problem: str | None = None

    def look_up(self, order: str, now: datetime) -> tuple[bool, str | None]:
        """Return whether ScaleV's word is known, and the note for a lead that moves."""
        if self._client is None:
            return True, None
        if self._gave_up:
            return False, NOT_VERIFIED
        try:
            self._check_key(self._client)
            answer = self._client.get_order(order)
        except VendorNotFound:
            self._silent_in_a_row = 0
            return True, UNKNOWN_AT_SCALEV
        except VendorError as error:
            self._note(error)
            return False, NOT_VERIFIED
        self._silent_in_a_row = 0
        is_kept = keep_order(answer, now)
        return is_kept, None if is_kept else NOT_VERIFIED

    def _check_key(self, client: Scalev) -> None:
        """Make sure once a run that ScaleV itself answers: behind a wrong address every order is a 404.

        Raises:
            VendorError: it does not; a 404 here is no word about any order.
        """
        if self._key_works:
            return
        try:
            client.check_key()
        except VendorForbidden:
            pass  # ScaleV's own refusal of a scope that look-ups don't need
        except (VendorNotFound, VendorRefused) as error:
            raise VendorUnreachable(error.vendor, "the address answers, but not as ScaleV") from error
        self._key_works = True

    def _note(self, error: VendorError) -> None:
        """A refused key and an empty allowance count for every order, a silence only when it goes on; what else
        ScaleV refuses is about this one order."""
        self.problem = str(error)
        self._silent_in_a_row = self._silent_in_a_row + 1 if isinstance(error, VendorUnreachable) else 0
        about_all = isinstance(error, VendorAuthError | VendorForbidden | VendorRateLimited)
        self._gave_up = about_all or self._silent_in_a_row >= GIVE_UP_AFTER


def check_expired_leads(client: Scalev | None, now: datetime) -> Check:
    """Move the leads that are due now.

    Args:
        client: a ScaleV client, None when no key is saved: then nothing can be looked up.
        now: leads due up to this moment are checked.
    """
    check, verifier = Check(), _Verifier(client)
    for lead in _due_leads(now):
        try:
            _check_one(lead, verifier, check, now)
        except Exception:  # the edge of a job: one lead that can't be read must not keep the others from moving
            logger.exception("lead not checked", extra={"lead_id": lead.id})
            check.failed += 1
    check.problem = verifier.problem
    return check


def _check_one(lead: _DueLead, verifier: _Verifier, check: Check, now: datetime) -> None:
    known, note = verifier.look_up(lead.order, utc_now())
    if not known and lead.due_at + VERIFY_FOR > now:
        check.waiting += 1
    elif lead_service.expire(lead.id, note, utc_now()):
        check.moved += 1
    else:
        check.kept += 1


def keep_order(order: dict[str, Any], now: datetime) -> bool:
    """Put an order that ScaleV's API answered through the inbox, like any other news of it; whether it is known now."""
    envelope = {"event": "order.updated", "timestamp": order.get("last_updated_at"), "data": order}
    body = json.dumps(envelope, default=str, separators=(",", ":")).encode()
    event, _ = event_service.receive(body, None, EventSource.RECONCILE, now)
    return event is None or event_service.act_on(event, now) is EventStatus.PROCESSED


def _due_leads(now: datetime) -> list[_DueLead]:
    """Return the leads to check, longest overdue first."""
    query = (
        select(Lead.id, Lead.scalev_id, Lead.order_id, Lead.due_at)
        .where(Lead.status == LeadStatus.FOLLOW_UP, Lead.archived_at.is_(None), Lead.due_at <= now)
        .order_by(Lead.due_at, Lead.id)
    )
    rows = [_DueLead(row.id, row.scalev_id or row.order_id, row.due_at) for row in db.session.execute(query)]
    db.session.rollback()  # nothing stays open while ScaleV is asked
    return rows
