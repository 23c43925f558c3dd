"""ScaleV's order list is read against our leads, so that an order is not lost when its webhook was.

ScaleV can't be asked for what has changed since a moment, only for all orders, newest first (its API catalogue). A run
reads down to a mark that the last good run left. Whatever it finds goes through the inbox, so a run that is killed
in the middle is completed by the next one: what came in already costs no call any more.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from models import Heartbeat, db, transaction
from services import listed_orders, scalev_shapes, settings_service
from services.errors import VendorError
from services.listed_orders import OrderList
from services.lookup_service import Inquiry
from services.scalev_shapes import Page

MARK = "reconcile-mark"  # the heartbeat that keeps when the last good run began
OVERLAP = timedelta(hours=2)
MAX_PAGES = 4000
STOPPED = "Reconcile was stopped before its end; the next run completes it."


@dataclass(slots=True)
class Reconciled:
    """One run: how many orders were read, how many of them were news, and why it did not come to its end."""

    read: int = 0
    news: int = 0
    problem: str | None = None

    def summary(self) -> str:
        return f"{self.read} orders read, {self.news} were news"


def reconcile(client: OrderList, now: datetime, *, keep_going: Callable[[], bool] = lambda: True) -> Reconciled:
    """Read ScaleV's orders down to the horizon and take in those that are news.

    Args:
        client: a ScaleV client.
        now: when the run begins; a good run leaves it as the next mark.
        keep_going: asked before each page; when it says no, the run ends as one that failed.
    """
    run, inquiry = Reconciled(), Inquiry(client)
    try:
        for page in _pages(client, horizon(now)):
            if not keep_going():
                run.problem = STOPPED
                return run
            _take_page(page, inquiry, run)
    except VendorError as error:
        run.problem = str(error)
        return run
    _leave_mark(now)
    return run


def horizon(now: datetime) -> datetime:
    """Return down to which order a run reads.

    That is a little further back than the last good run began. When that was more than a few runs ago, payments of
    older orders may have been missed as well: it is then at least the follow-up window.
    """
    window = now - timedelta(days=settings_service.number("follow_up_days"))
    mark = last_good_run()
    if mark is None:
        return window
    return mark - OVERLAP if now - mark <= OVERLAP else min(mark - OVERLAP, window)


def last_good_run() -> datetime | None:
    """Return when the last run began that came to its end."""
    beat = db.session.get(Heartbeat, MARK)
    return beat.succeeded_at if beat else None


def _pages(client: OrderList, since: datetime) -> Iterator[Page]:
    db.session.rollback()  # nothing stays open while ScaleV is asked
    return scalev_shapes.walk(lambda cursor: client.list_orders(since=since, next_cursor=cursor), "orders", MAX_PAGES)


def _take_page(page: Page, inquiry: Inquiry, run: Reconciled) -> None:
    rows = listed_orders.read_rows(page.rows)
    known = listed_orders.known_orders(rows)
    news = [row for row in rows if listed_orders.is_news(row, known.get(row.order.order_id))]
    run.read += len(rows)
    run.news += listed_orders.take_rows(news, inquiry)


def _leave_mark(now: datetime) -> None:
    with transaction() as session:
        session.merge(Heartbeat(name=MARK, succeeded_at=now))
