"""The clock's part: leads that are due are looked up at ScaleV once more and then moved to not_closing."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import select

from models import Lead, db
from services import event_service, lead_service, troubles, unread_news
from services.clock import utc_now
from services.errors import VendorForbidden, VendorNotFound, VendorRefused, VendorUnreachable
from services.lookup_service import Answer, Inquiry
from services.statuses import LeadStatus

logger = logging.getLogger(__name__)

# How long a due lead waits for ScaleV to answer before it moves without its word.
VERIFY_FOR = timedelta(hours=24)
NOT_VERIFIED = "not verified"
UNKNOWN_AT_SCALEV = "not known at ScaleV"
_OUTCOMES: dict[Answer, tuple[bool, str | None]] = {
    Answer.KEPT: (True, None),
    Answer.STORED: (False, NOT_VERIFIED),
    Answer.UNKNOWN: (True, UNKNOWN_AT_SCALEV),
    Answer.NONE: (False, NOT_VERIFIED),
}


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
    """Looks orders up at ScaleV and says what a lead that moves is noted with."""

    def __init__(self, client: Scalev | None) -> None:
        self._inquiry = Inquiry(_ProvenScalev(client)) if client else None

    @property
    def problem(self) -> str | None:
        return self._inquiry.problem if self._inquiry else None

    def look_up(self, order: str) -> tuple[bool, str | None]:
        """Return whether ScaleV's word is known, and the note for a lead that moves."""
        return _OUTCOMES[self._inquiry.ask(order)] if self._inquiry else (True, None)


class _ProvenScalev:
    """ScaleV, after one call a run that proves it: behind a wrong address every order is a 404."""

    def __init__(self, client: Scalev) -> None:
        self._client = client
        self._is_proven = False

    def get_order(self, order: str) -> dict[str, Any]:
        if not self._is_proven:
            self._prove()
        return self._client.get_order(order)

    def _prove(self) -> None:
        """Raises VendorError when ScaleV does not answer; a 404 here is no word about any order."""
        try:
            self._client.check_key()
        except VendorForbidden:
            pass  # ScaleV's own refusal of a scope that look-ups don't need
        except (VendorNotFound, VendorRefused) as error:
            raise VendorUnreachable(error.vendor, troubles.WRONG_ADDRESS()) from error
        self._is_proven = True


def check_expired_leads(
    client: Scalev | None, now: datetime, *, keep_going: Callable[[], bool] = lambda: True
) -> Check:
    """Move the leads that are due now.

    Args:
        client: a ScaleV client, None when no key is saved: then nothing can be looked up.
        now: leads due up to this moment are checked.
        keep_going: asked before each lead; when it says no, the rest is left to the next run.
    """
    event_service.process_due(now, keep_going=keep_going)  # what is kept and not acted on yet may be a payment
    check, verifier = Check(), _Verifier(client)
    for lead in _due_leads(now):
        if not keep_going():
            break
        try:
            _check_one(lead, verifier, check, now)
        except Exception:  # the edge of a job: one lead that can't be read must not keep the others from moving
            logger.exception("lead not checked", extra={"lead_id": lead.id})
            check.failed += 1
    check.problem = verifier.problem
    return check


def _check_one(lead: _DueLead, verifier: _Verifier, check: Check, now: datetime) -> None:
    known, note = verifier.look_up(lead.order)
    if not known and lead.due_at + VERIFY_FOR > now:
        check.waiting += 1
    elif lead_service.expire(lead.id, note, utc_now()):
        check.moved += 1
    else:
        check.kept += 1


def _due_leads(now: datetime) -> list[_DueLead]:
    """Return the leads to check, longest overdue first; one with unread news waits until it is read."""
    query = (
        select(Lead.id, Lead.scalev_id, Lead.order_id, Lead.due_at)
        .where(Lead.status == LeadStatus.FOLLOW_UP, Lead.archived_at.is_(None), Lead.due_at <= now)
        .where(~unread_news.is_there(Lead.order_id))
        .order_by(Lead.due_at, Lead.id)
    )
    rows = [_DueLead(row.id, row.scalev_id or row.order_id, row.due_at) for row in db.session.execute(query)]
    db.session.rollback()  # nothing stays open while ScaleV is asked
    return rows
