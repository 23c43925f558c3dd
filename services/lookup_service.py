"""ScaleV is asked about single orders, outside any transaction; its answers go through the inbox like any other news.

The job `look-up` asks for the orders that events wait for, and for the handlers (CS) of leads, which webhooks do not
name.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Protocol

from sqlalchemy import exists, select

from models import Lead, WebhookEvent, db
from services import event_service
from services.clock import utc_now
from services.errors import (
    VendorAuthError,
    VendorError,
    VendorForbidden,
    VendorNotFound,
    VendorRateLimited,
    VendorUnreachable,
)
from services.order_snapshot import LISTED_EVENT
from services.statuses import EventSource, EventStatus

GIVE_UP_AFTER = 3  # look-ups in a row without an answer end the asking for this run
LOOK_UPS_PER_RUN = 100
# How long until ScaleV is asked for the same order again: as long as it has been missed by now, within these bounds.
SHORTEST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(days=1)
# A handler is looked up for leads that somebody may be following up; an older lead gets its own when it is checked.
HANDLER_FOR = timedelta(days=7)
FULL_EVENT = "order.updated"  # under this name the inbox keeps whole orders that ScaleV's API answered
_API_SOURCES = (EventSource.RECONCILE, EventSource.IMPORT)


class Scalev(Protocol):
    """What a look-up needs of a ScaleV client."""

    def get_order(self, order: str) -> dict[str, Any]: ...


class Answer(Enum):
    """What became of one question."""

    KEPT = auto()  # the order is in the inbox and acted on
    STORED = auto()  # it is in the inbox, which will act on it later
    UNKNOWN = auto()  # ScaleV does not know it
    NONE = auto()  # no answer: ask again later


class Inquiry:
    """The questions of one run; after a refusal of the key, or several silences, it stops asking.

    Args:
        client: a ScaleV client.
        source: what the answers come into the inbox as.
        transfer_unpaid: for an import, whether old unpaid orders are also added to lists.
    """

    def __init__(
        self, client: Scalev, source: EventSource = EventSource.RECONCILE, *, transfer_unpaid: bool = False
    ) -> None:
        self._client = client
        self._source = source
        self._transfer_unpaid = transfer_unpaid
        self._silent_in_a_row = 0
        self.error: VendorError | None = None
        self.gave_up = False

    @property
    def problem(self) -> str | None:
        """Why ScaleV could not be asked, None while it could."""
        return str(self.error) if self.error else None

    def ask(self, order: str) -> Answer:
        """Look one order up, by any of its ids, and keep what ScaleV says."""
        if self.gave_up:
            return Answer.NONE
        try:
            found = self._client.get_order(order)
        except VendorNotFound:
            self._silent_in_a_row = 0
            return Answer.UNKNOWN
        except VendorError as error:
            self._note(error)
            return Answer.NONE
        self._silent_in_a_row = 0
        return Answer.KEPT if self.keep(found) else Answer.STORED

    def keep(self, order: dict[str, Any], event_name: str = FULL_EVENT) -> bool:
        """Put an order, or a row of the list, through the inbox; whether it is known now."""
        return keep_order(order, utc_now(), self._source, event_name, transfer_unpaid=self._transfer_unpaid)

    def keep_row(self, row: dict[str, Any]) -> None:
        """Keep a row whose order ScaleV does not hand out, so that it is not lost.

        In a reconcile it waits in the inbox for a later look-up. An import records what the row tells: a look-up would
        not know that the order is to be recorded without transfer.
        """
        self.keep(row, FULL_EVENT if self._source is EventSource.IMPORT else LISTED_EVENT)

    def _note(self, error: VendorError) -> None:
        """A refused key and an empty allowance count for every order, a silence only when it goes on; what else
        ScaleV refuses is about this one order."""
        self.error = error
        self._silent_in_a_row = self._silent_in_a_row + 1 if isinstance(error, VendorUnreachable) else 0
        about_all = isinstance(error, VendorAuthError | VendorForbidden | VendorRateLimited)
        self.gave_up = about_all or self._silent_in_a_row >= GIVE_UP_AFTER


def keep_order(
    order: dict[str, Any],
    now: datetime,
    source: EventSource = EventSource.RECONCILE,
    event_name: str = FULL_EVENT,
    *,
    transfer_unpaid: bool = False,
) -> bool:
    """Put what ScaleV's API says of an order through the inbox, like any other news of it; whether it is known now.

    An answer that came before is known by its content, and is not applied twice.
    """
    envelope = {"event": event_name, "timestamp": order.get("last_updated_at"), "data": order}
    if transfer_unpaid:
        envelope["transfer_unpaid"] = True
    body = json.dumps(envelope, default=str, separators=(",", ":")).encode()
    return event_service.take(body, source, now) is EventStatus.PROCESSED


@dataclass(slots=True)
class LookUps:
    """One run of look-ups: how many orders ScaleV told, how many it does not know, and why it could not be asked."""

    found: int = 0
    unknown: int = 0
    unanswered: int = 0
    problem: str | None = None

    def summary(self) -> str:
        if not self.found + self.unknown + self.unanswered:
            return "nothing to do"
        return f"{self.found} found, {self.unknown} unknown, {self.unanswered} unanswered"


def look_up(client: Scalev, now: datetime) -> LookUps:
    """Ask ScaleV for the orders that events wait for, then for the handlers of leads without one.

    Newest first and a limited number each run. An order that ScaleV does not know or cannot tell now is asked for
    again later: the event waits for as long as that takes.
    """
    run, inquiry = LookUps(), Inquiry(client)
    wanted = event_service.missing_orders(now, LOOK_UPS_PER_RUN)
    wanted += _without_handler(now, LOOK_UPS_PER_RUN - len(wanted))
    db.session.rollback()  # nothing stays open while ScaleV is asked
    for order_id, missed_since in wanted:
        if inquiry.gave_up:
            break
        _ask(inquiry, run, order_id, missed_since)
    run.problem = inquiry.problem
    return run


def _ask(inquiry: Inquiry, run: LookUps, order_id: str, missed_since: datetime) -> None:
    """The next time is set before the call, so that neither a crash nor an odd answer makes this order come up over
    and over again."""
    now = utc_now()
    wait = min(max(now - missed_since, SHORTEST_WAIT), LONGEST_WAIT)
    event_service.ask_again(order_id, now + wait)
    answer = inquiry.ask(order_id)
    run.found += answer in (Answer.KEPT, Answer.STORED)
    run.unknown += answer is Answer.UNKNOWN
    run.unanswered += answer is Answer.NONE


def _without_handler(now: datetime, limit: int) -> list[tuple[str, datetime]]:
    """Return order and arrival of leads whose handler ScaleV's API was never asked for, newest first.

    Once it has answered it is not asked again: an order need not have a handler, and what changes later comes by
    webhook, by reconcile or by the check of a due lead.
    """
    told = exists().where(WebhookEvent.order_id == Lead.order_id, WebhookEvent.source.in_(_API_SOURCES))
    later = exists().where(WebhookEvent.order_id == Lead.order_id, WebhookEvent.next_try_at > now)
    query = (
        select(Lead.order_id, Lead.created_at)
        .where(Lead.handler_name.is_(None), Lead.archived_at.is_(None), Lead.ordered_at > now - HANDLER_FOR)
        .where(~told, ~later)
        .order_by(Lead.ordered_at.desc(), Lead.id.desc())
        .limit(limit)
    )
    return [(row.order_id, row.created_at) for row in db.session.execute(query)] if limit > 0 else []
