"""The clock's part: leads that are due are looked up at ScaleV once more and then moved to not_closing."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import select

from models import Lead, db
from services import event_service, lead_service
from services.clock import utc_now
from services.errors import VendorError, VendorNotFound, VendorUnreachable
from services.statuses import EventSource, LeadStatus

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
    problem: str | None = None

    def summary(self) -> str:
        return f"{self.moved} moved, {self.kept} kept, {self.waiting} waiting for ScaleV"


class _Verifier:
    """Looks orders up at ScaleV; after a refusal of the key, or several silences, it stops asking for this run."""

    def __init__(self, client: Scalev | None) -> None:
        self._client = client
        self._silent_in_a_row = 0
        self._key_works = False
        self.problem: str | None = None

    def look_up(self, order: str, now: datetime) -> tuple[bool, str | None]:
        """Return whether ScaleV's word is known, and the note for a lead that moves."""
        if self._client is None:
            return True, None
        if self._gave_up():
            return False, NOT_VERIFIED
        try:
            self._check_key(self._client)
            answer = self._client.get_order(order)
        except VendorNotFound:
            return True, UNKNOWN_AT_SCALEV
        except VendorError as error:
            self._note(error)
            return False, NOT_VERIFIED
        self._silent_in_a_row = 0
        keep_order(answer, now)
        return True, None

    def _check_key(self, client: Scalev) -> None:
        """Make sure once a run that ScaleV itself answers: behind a wrong address every order is a 404.

        Raises:
            VendorError: it does not; a 404 here is no word about any order.
        """
        if self._key_works:
            return
        try:
            client.check_key()
        except VendorNotFound as error:
            raise VendorUnreachable(error.vendor, "the address answers, but not as ScaleV") from error
        self._key_works = True

    def _gave_up(self) -> bool:
        return self.problem is not None and (self._silent_in_a_row == 0 or self._silent_in_a_row >= GIVE_UP_AFTER)

    def _note(self, error: VendorError) -> None:
        self.problem = str(error)
        self._silent_in_a_row = self._silent_in_a_row + 1 if isinstance(error, VendorUnreachable) else 0


def check_expired_leads(client: Scalev | None, now: datetime) -> Check:
    """Move the leads that are due now.

    Args:
        client: a ScaleV client, None when no key is saved: then nothing can be looked up.
        now: leads due up to this moment are checked.
    """
    check, verifier = Check(), _Verifier(client)
    for lead_id, order, due_at in _due_leads(now):
        known, note = verifier.look_up(order, utc_now())
        if not known and due_at + VERIFY_FOR > now:
            check.waiting += 1
        elif lead_service.expire(lead_id, note, utc_now()):
            check.moved += 1
        else:
            check.kept += 1
    check.problem = verifier.problem
    return check


def keep_order(order: dict[str, Any], now: datetime) -> None:
    """Put an order that ScaleV's API answered through the inbox, like any other news of it."""
    envelope = {"event": "order.updated", "timestamp": order.get("last_updated_at"), "data": order}
    body = json.dumps(envelope, default=str, separators=(",", ":")).encode()
    event_id, _ = event_service.receive(body, None, EventSource.RECONCILE, now)
    if event_id is not None:
        event_service.process(event_id, now)


def _due_leads(now: datetime) -> list[tuple[int, str, datetime]]:
    """Return (id, what to look it up by, due_at) of the leads to check, longest overdue first."""
    query = (
        select(Lead.id, Lead.scalev_id, Lead.order_id, Lead.due_at)
        .where(Lead.status == LeadStatus.FOLLOW_UP, Lead.archived_at.is_(None), Lead.due_at <= now)
        .order_by(Lead.due_at, Lead.id)
    )
    rows = [(row.id, row.scalev_id or row.order_id, row.due_at) for row in db.session.execute(query)]
    db.session.rollback()  # nothing stays open while ScaleV is asked
    return rows
