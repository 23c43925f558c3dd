"""One deed on many rows at once: leads, deliveries or events. The only writer of bulk runs.

The rows are fixed when the deed begins. Every row is a transaction of its own, and the run holds how far it is: the
page that shows it works it off piece by piece, the job `bulk` goes on when nobody looks, and either may be killed at
any moment. What a row refuses is kept with its reason and keeps no other row waiting.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from models import Delivery, LeadStatus, db, transaction
from models_people import BulkRun
from services import delivery_service, event_service, lead_service
from services.clock import utc_now
from services.contacts import clean_text
from services.errors import NotFound, UserError
from services.statuses import BulkDeed, BulkStatus, DeliveryStatus

logger = logging.getLogger(__name__)

MAX_ROWS = 10_000
MAX_REFUSED = 200  # how many refusals are kept word for word
UNEXPECTED = "This failed unexpectedly; the program's log says why."
# The page that shows a run asks for its next piece at once; a run that rested so long has no page any more.
ABANDONED_AFTER = timedelta(seconds=30)
CLAIM = timedelta(seconds=30)  # much more than a few rows take; a process that was killed keeps them no longer
_BATCH = 20
_MOVES = {
    BulkDeed.MOVE_FOLLOW_UP: LeadStatus.FOLLOW_UP,
    BulkDeed.MOVE_CLOSING: LeadStatus.CLOSING,
    BulkDeed.MOVE_NOT_CLOSING: LeadStatus.NOT_CLOSING,
}


@dataclass(frozen=True, slots=True)
class _Batch:
    """The rows of a run that are next."""

    deed: BulkDeed
    ids: Sequence[int]
    position: int
    actor: str
    note: str | None


def start(deed: BulkDeed, ids: Sequence[int], *, actor: str, note: str | None, now: datetime) -> BulkRun:
    """Begin a deed on rows; `work_off` does it.

    Args:
        deed: what is done to each.
        ids: the rows' numbers, in the order in which they are worked off.
        actor: who asked for it.
        note: for the leads' history.
        now: the operation's one clock reading.

    Raises:
        UserError: there are no rows, or too many.
    """
    if not ids:
        raise UserError("Nothing is chosen.")
    if len(ids) > MAX_ROWS:
        raise UserError("These are too many at once. Narrow the filters.")
    with transaction() as session:
        row = BulkRun(deed=deed, ids=list(ids), note=clean_text(note, lead_service.NOTE_LENGTH) or None, actor=actor)
        row.position = row.done = row.refused_count = 0
        row.refused, row.status = [], BulkStatus.RUNNING
        row.created_at = row.updated_at = now
        session.add(row)
    return row


def work_off(run_id: int, keep_going: Callable[[], bool]) -> BulkRun:
    """Do rows of a run until it ends, somebody else is at it, or `keep_going`, asked before each few rows, says no.

    Raises:
        NotFound: there is no such run.
    """
    while keep_going() and (batch := _claim(run_id, utc_now())):
        _settle(run_id, batch, [_do(batch, row_id) for row_id in batch.ids], utc_now())
    return get(run_id)


def stop(run_id: int, now: datetime) -> None:
    """Leave the rest of a run undone; what is done stays.

    Raises:
        NotFound: there is no such run.
        UserError: it has ended.
    """
    with transaction():
        row = _locked(run_id)
        if row.status is not BulkStatus.RUNNING:
            raise UserError("This has ended already.")
        row.status, row.updated_at = BulkStatus.STOPPED, now


def abandoned_ids(now: datetime) -> list[int]:
    """Return the runs that nobody works off any more."""
    query = select(BulkRun.id).where(BulkRun.status == BulkStatus.RUNNING, BulkRun.updated_at <= now - ABANDONED_AFTER)
    return list(db.session.scalars(query.order_by(BulkRun.id)))


def get(run_id: int) -> BulkRun:
    """Return a run as it stands now.

    Raises:
        NotFound: there is no such run.
    """
    row = db.session.get(BulkRun, run_id)
    if row is None:
        raise NotFound("There is no such run.")
    return row


def lead_ids(run: BulkRun) -> dict[int, int]:
    """Return the leads of the rows that were refused, by the rows' numbers; for events see their own page."""
    refused = [row_id for row_id, _why in run.refused]
    if run.deed is BulkDeed.RETRY_DELIVERIES:
        rows = db.session.execute(select(Delivery.id, Delivery.lead_id).where(Delivery.id.in_(refused)))
        return {delivery_id: lead_id for delivery_id, lead_id in rows}
    return {} if run.deed is BulkDeed.REPLAY_EVENTS else {row_id: row_id for row_id in refused}


def _claim(run_id: int, now: datetime) -> _Batch | None:
    """Take the next rows; None when the run has ended or somebody else is at it, in another window or process. Two at
    the same rows would each find done what the other has done, and tell it as refused."""
    with transaction():
        row = _locked(run_id)
        if row.status is not BulkStatus.RUNNING or (row.claimed_until and row.claimed_until > now):
            return None
        row.claimed_until = now + CLAIM
        ids = row.ids[row.position : row.position + _BATCH]
        return _Batch(row.deed, ids, row.position, row.actor, row.note)


def _do(batch: _Batch, row_id: int) -> str | None:
    """Do one row; return why not, None when it is done."""
    try:
        _DEEDS[batch.deed](batch, row_id, utc_now())
    except UserError as error:
        return str(error)
    except Exception:  # the edge of a job: in the log, and shown in the run's report
        logger.exception("row of a bulk run failed", extra={"deed": batch.deed.value, "row_id": row_id})
        return UNEXPECTED
    return None


def _settle(run_id: int, batch: _Batch, answers: Sequence[str | None], now: datetime) -> None:
    """Write how far a run is by now, unless somebody took the same rows because this took longer than a claim lasts."""
    refused = [[row_id, why] for row_id, why in zip(batch.ids, answers, strict=True) if why]
    with transaction():
        row = _locked(run_id)
        if row.position != batch.position:
            return
        row.position += len(batch.ids)
        row.done += len(batch.ids) - len(refused)
        row.refused_count += len(refused)
        row.refused = (row.refused + refused)[:MAX_REFUSED]
        row.updated_at, row.claimed_until = now, None
        if row.position >= len(row.ids) and row.status is BulkStatus.RUNNING:
            row.status = BulkStatus.DONE


def _locked(run_id: int) -> BulkRun:
    row = db.session.get(BulkRun, run_id, with_for_update=True)
    if row is None:
        raise NotFound("There is no such run.")
    return row


def _move(batch: _Batch, lead_id: int, now: datetime) -> None:
    lead_service.move(lead_id, _MOVES[batch.deed], actor=batch.actor, note=batch.note, now=now)


def _archive(batch: _Batch, lead_id: int, now: datetime) -> None:
    lead_service.archive(lead_id, actor=batch.actor, note=batch.note, now=now)


def _retry_lead(_batch: _Batch, lead_id: int, now: datetime) -> None:
    failed = select(Delivery.id).where(Delivery.lead_id == lead_id, Delivery.status == DeliveryStatus.FAILED)
    delivery_ids = list(db.session.scalars(failed))
    if not delivery_ids:
        raise UserError("This lead has no failed delivery.")
    for delivery_id in delivery_ids:
        delivery_service.retry(delivery_id, now)


def _retry_delivery(_batch: _Batch, delivery_id: int, now: datetime) -> None:
    delivery_service.retry(delivery_id, now)


def _replay(_batch: _Batch, event_id: int, now: datetime) -> None:
    if event_service.replay(event_id, now).status in event_service.UNSOLVED:
        raise UserError("It failed again; its page says why.")


_DEEDS: dict[BulkDeed, Callable[[_Batch, int, datetime], None]] = {
    **dict.fromkeys(_MOVES, _move),
    BulkDeed.ARCHIVE: _archive,
    BulkDeed.RETRY_LEADS: _retry_lead,
    BulkDeed.RETRY_DELIVERIES: _retry_delivery,
    BulkDeed.REPLAY_EVENTS: _replay,
}
