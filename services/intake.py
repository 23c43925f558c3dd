"""Webhooks that come at the same moment are kept and acted on together.

Each waits for this process's turn to write; whoever gets it serves all that wait by then. They share two commits and
most statements, so that under load one webhook takes a fraction of the work that it takes alone.
"""

from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime

from flask import current_app

from database import turn
from services import event_service, inbound
from services.event_service import Receipt
from services.inbound import Arrival
from services.statuses import EventSource

_Queue = deque[tuple[Arrival, Future[Receipt]]]


def accept(body: bytes, matched_secret: str, now: datetime) -> Receipt:
    """Keep a webhook and act on it at once.

    Raises:
        SQLAlchemyError: the database can't store it now.
    """
    arrival, receipt = inbound.read(body, matched_secret, EventSource.WEBHOOK, now), Future[Receipt]()
    queue: _Queue = current_app.extensions.setdefault("intake", deque())
    queue.append((arrival, receipt))
    with turn():
        if not receipt.done():
            _serve(queue)
    return receipt.result()  # waits where turns are not taken and another thread has this one in hand


def _serve(queue: _Queue) -> None:
    """Whoever waits gets a receipt or the error, whatever happens."""
    arrivals, receipts = list[Arrival](), list[Future[Receipt]]()
    with suppress(IndexError):  # the queue is empty
        while True:
            arrival, receipt = queue.popleft()
            arrivals.append(arrival)
            receipts.append(receipt)
    if not arrivals:  # another thread has all of them in hand
        return
    try:
        results = _keep_and_act(arrivals)
    except BaseException as error:
        for receipt in receipts:
            receipt.set_exception(error)
    else:
        for receipt, result in zip(receipts, results, strict=True):
            receipt.set_result(result)


def _keep_and_act(arrivals: list[Arrival]) -> list[Receipt]:
    results = event_service.receive_all(arrivals)
    fresh = [event for event, problem in results if event is not None and problem is None]
    if fresh:
        event_service.act_on_all(fresh, max(event.received_at for event in fresh))
    return results
