"""Past orders are imported by date range, page by page, newest first.

The row of an import holds how far it is. Any process may work a page off at any moment, and may be killed while it
does: orders that came in already are known and cost no call when their page comes again.

Orders that are unpaid and older than their follow-up window are recorded without transfer, unless the person who
imports chose otherwise: their addresses are stale, and every bounce costs the seller credits.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy import func, or_, select

from models import WebhookEvent, db, transaction
from models_people import OrderImport
from services import import_plan, listed_orders, settings_service
from services.clock import start_of_day, utc_now
from services.errors import NotFound, UserError, VendorError, VendorRefused
from services.import_plan import Plan
from services.listed_orders import Known, OrderList, Row
from services.lookup_service import Inquiry
from services.scalev_shapes import Page
from services.statuses import EventSource

RUNNING, DONE, CANCELLED, FAILED = "running", "done", "cancelled", "failed"
MAX_PAGES = 100_000
# ScaleV filters the end of a range by when an order was drafted, which may be a little later than its `created_at`.
DRAFT_MARGIN = timedelta(days=1)
RETRY_AFTER = timedelta(seconds=30)
_PROBLEM_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is; `percent` is reckoned by the days that it has gone through."""

    percent: int
    seen: int
    recorded: int
    reached: datetime | None
    status: str
    problem: str | None

    @property
    def is_running(self) -> bool:
        return self.status == RUNNING


@dataclass(frozen=True, slots=True)
class _Task:
    """An import as it stood when its next page was asked for."""

    id: int
    since: datetime
    until: datetime
    transfer_unpaid: bool
    cursor: str | None
    created_at: datetime

    def wants(self, row: Row, known: Known | None) -> bool:
        frees = self.transfer_unpaid and known is not None and known.no_transfer
        return frees or listed_orders.is_news(row, known)


def day_range(since: date, until: date) -> tuple[datetime, datetime]:
    """Return the moments between which orders of these days lie, both days included, in the configured zone."""
    zone = settings_service.zone()
    return start_of_day(since, zone), start_of_day(until + timedelta(days=1), zone)


def plan(
    client: OrderList,
    since: datetime,
    until: datetime,
    now: datetime,
    *,
    begun: Plan | None = None,
    max_pages: int = MAX_PAGES,
    on_page: Callable[[Plan], None] = lambda plan: None,
) -> Plan:
    """Count what an import of this range would do. Reads ScaleV's list only: 25 orders a call, none looked up.

    Args:
        client: a ScaleV client.
        since, until: the range; `until` itself is outside.
        now: what "old" is reckoned from.
        begun: an earlier count of the same range, which goes on where it stopped.
        max_pages: where to stop counting, for a page that should not keep a person waiting.
        on_page: called after each page with the figures so far.

    Raises:
        UserError: no order can lie in that range.
        VendorError: ScaleV can't be asked now.
    """
    until = _check_range(since, until, now)
    counts = replace(begun) if begun else Plan()
    for _ in range(max_pages):
        page = _fetch(client, since, until, counts.next_cursor)
        import_plan.count(_rows(page, until), counts, now)
        counts.next_cursor, counts.is_complete = page.next_cursor, page.next_cursor is None
        on_page(counts)
        if counts.is_complete:
            break
    return counts


def start(since: datetime, until: datetime, *, transfer_unpaid: bool, actor: str, now: datetime) -> OrderImport:
    """Begin an import; the job `import` works it off.

    Args:
        since, until: the range; `until` itself is outside.
        transfer_unpaid: whether the buyers of old unpaid orders are added to lists.
        actor: who asked for it.
        now: the operation's one clock reading.

    Raises:
        UserError: no order can lie in that range, or an import is running.
    """
    until = _check_range(since, until, now)
    with transaction() as session:
        _refuse_second()
        row = OrderImport(since=since, until=until, transfer_unpaid=transfer_unpaid, actor=actor, status=RUNNING)
        row.seen = row.recorded = 0
        row.created_at = row.updated_at = now
        session.add(row)
    return row


def cancel(import_id: int, now: datetime) -> OrderImport:
    """Stop an import where it is; what it brought stays.

    Raises:
        NotFound: there is no such import.
        UserError: it is not running.
    """
    with transaction():
        row = _locked(import_id)
        if row.status != RUNNING:
            raise UserError("This import is not running.")
        row.status, row.updated_at = CANCELLED, now
    return row


def resume(import_id: int, now: datetime) -> OrderImport:
    """Let a cancelled import go on where it stopped, and one that failed from the start: its place may be the reason.

    One that is running simply goes on.

    Raises:
        NotFound: there is no such import.
        UserError: it is done, or another one is running.
    """
    with transaction():
        row = _locked(import_id)
        if row.status == DONE:
            raise UserError("This import is done.")
        if row.status != RUNNING:
            _refuse_second()
        if row.status == FAILED:
            row.cursor = row.reached = None
            row.seen = row.recorded = 0
        row.status, row.problem, row.updated_at = RUNNING, None, now
    return row


def run(
    client: OrderList,
    import_id: int,
    *,
    on_step: Callable[[Progress], None] = lambda progress: None,
    keep_going: Callable[[], bool] = lambda: True,
) -> OrderImport:
    """Work an import off until it ends.

    Args:
        client: a ScaleV client.
        import_id: the import.
        on_step: called after each page.
        keep_going: asked before each page; when it says no, the import stays running for whoever comes next.

    Raises:
        VendorError: ScaleV can't be asked now; see `run_step`.
    """
    while keep_going() and run_step(client, import_id):
        on_step(progress(get(import_id)))
    return get(import_id)


def run_step(client: OrderList, import_id: int) -> bool:
    """Work one page of an import off; whether there is more to do.

    Raises:
        VendorError: ScaleV can't be asked now. The import stays where it is, with the reason, and is still running.
    """
    task = _next_task(import_id)
    if task is None:
        return False
    try:
        page = _fetch(client, task.since, task.until, task.cursor)
        rows = _rows(page, task.until)
        _take(rows, client, task)
    except VendorRefused as error:  # of the list: it doesn't take our place in it, or one of our filters
        _note_problem(import_id, str(error), FAILED)
        return False
    except VendorError as error:
        wait(import_id, str(error))
        raise
    return _settle(task, page, rows, utc_now())


def wait(import_id: int, problem: str) -> None:
    """Note why an import can't be worked off now; it goes on when that is over."""
    _note_problem(import_id, problem, RUNNING)


def is_due(now: datetime) -> bool:
    """Whether there is an import to work off now. After a trouble ScaleV is left alone for a while."""
    rested = or_(OrderImport.problem.is_(None), OrderImport.updated_at <= now - RETRY_AFTER)
    query = select(OrderImport.id).where(OrderImport.status == RUNNING, rested)
    return db.session.scalar(query.limit(1)) is not None


def running_ids() -> list[int]:
    """Return the imports that are to be worked off."""
    query = select(OrderImport.id).where(OrderImport.status == RUNNING).order_by(OrderImport.id)
    return list(db.session.scalars(query))


def newest(limit: int) -> list[OrderImport]:
    """Return the imports that were begun last, the newest first."""
    return list(db.session.scalars(select(OrderImport).order_by(OrderImport.id.desc()).limit(limit)))


def get(import_id: int) -> OrderImport:
    """Return an import as it stands now.

    Raises:
        NotFound: there is no such import.
    """
    row = db.session.get(OrderImport, import_id)
    if row is None:
        raise NotFound("There is no such import.")
    return row


def progress(row: OrderImport) -> Progress:
    """Return how far an import is."""
    share = (row.until - row.reached) / (row.until - row.since) if row.reached else 0.0
    percent = 100 if row.status == DONE else min(99, max(0, int(share * 100)))
    return Progress(percent, row.seen, row.recorded, row.reached, row.status, row.problem)


def _check_range(since: datetime, until: datetime, now: datetime) -> datetime:
    """Return the end of the range: not after now, because nothing is there yet."""
    if until <= since:
        raise UserError("The range is empty: its end lies before its beginning.")
    if now <= since:
        raise UserError("The range lies in the future.")
    return min(until, now)


def _refuse_second() -> None:
    if running_ids():
        raise UserError("An import is running already. Wait for its end, or cancel it.")


def _locked(import_id: int) -> OrderImport:
    row = db.session.get(OrderImport, import_id, with_for_update=True)
    if row is None:
        raise NotFound("There is no such import.")
    return row


def _next_task(import_id: int) -> _Task | None:
    """Return what is to be done next, None when the import is not running by now."""
    db.session.rollback()
    row = get(import_id)
    if row.status != RUNNING:
        return None
    return _Task(row.id, row.since, row.until, row.transfer_unpaid, row.cursor, row.created_at)


def _fetch(client: OrderList, since: datetime, until: datetime, cursor: str | None) -> Page:
    db.session.rollback()  # nothing stays open while ScaleV is asked
    return client.list_orders(since=since, next_cursor=cursor, draft_time_until=until + DRAFT_MARGIN)


def _rows(page: Page, until: datetime) -> list[Row]:
    rows = listed_orders.read_rows(page.rows)
    return [row for row in rows if row.order.created_at is None or row.order.created_at < until]


def _take(rows: Sequence[Row], client: OrderList, task: _Task) -> None:
    known = listed_orders.known_orders(rows)
    inquiry = Inquiry(client, EventSource.IMPORT, transfer_unpaid=task.transfer_unpaid)
    listed_orders.take_rows([row for row in rows if task.wants(row, known.get(row.order.order_id))], inquiry)


def _settle(task: _Task, page: Page, rows: Sequence[Row], now: datetime) -> bool:
    """Write how far the import is by now, unless another process worked off the same page; whether there is more."""
    with transaction():
        row = _locked(task.id)
        if row.cursor != task.cursor or row.status not in (RUNNING, CANCELLED):
            return row.status == RUNNING
        row.seen += len(rows)
        row.recorded += _count_recorded(rows, task)
        row.reached = min([row.order.created_at for row in rows if row.order.created_at], default=row.reached)
        row.cursor, row.problem, row.updated_at = page.next_cursor, None, now
        if page.next_cursor is None:
            row.status = DONE
        return row.status == RUNNING


def _count_recorded(rows: Iterable[Row], task: _Task) -> int:
    """Count the orders of a page that this import brought, those too that came in before a stop in its middle."""
    query = select(func.count(WebhookEvent.order_id.distinct())).where(
        WebhookEvent.order_id.in_([row.order.order_id for row in rows]),
        WebhookEvent.source == EventSource.IMPORT,
        WebhookEvent.received_at >= task.created_at,
    )
    return db.session.scalar(query) or 0


def _note_problem(import_id: int, problem: str, status: str) -> None:
    """A person may have cancelled the import meanwhile: that stands."""
    with transaction():
        row = _locked(import_id)
        row.problem, row.updated_at = problem[:_PROBLEM_LENGTH], utc_now()
        if row.status == RUNNING:
            row.status = status
