"""Webhooks that come at the same moment: they share commits, and none of them suffers from another."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask, current_app
from sqlalchemy import event, select
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from database import turn
from models import EventStatus, Lead, LeadStatus, WebhookEvent, db
from services import event_service, intake, lead_service
from services.event_service import Receipt
from tests.builders import NOW
from tests.messages import ORDERED, created, new_order_id, payment
from tests.processes import wait_until

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def commits() -> Iterator[list[None]]:
    """One entry for each commit."""
    counted: list[None] = []

    def count(_connection: object) -> None:
        counted.append(None)

    event.listen(Engine, "commit", count)
    yield counted
    event.remove(Engine, "commit", count)


def at_once(app: Flask, *bodies: bytes) -> list[Future[Receipt]]:
    """Send bodies so that all of them wait for the same turn, in this order."""

    def send(body: bytes) -> Receipt:
        with app.app_context():
            return intake.accept(body, "current", NOW)

    with ThreadPoolExecutor(len(bodies)) as pool:
        with turn():
            answers = []
            for number, body in enumerate(bodies, 1):
                answers.append(pool.submit(send, body))
                wait_until(lambda number=number: waiting() == number, "a webhook in the queue")  # type: ignore[misc]
    return answers


def waiting() -> int:
    return len(current_app.extensions.get("intake", ()))


def statuses() -> list[EventStatus]:
    db.session.rollback()
    return list(db.session.scalars(select(WebhookEvent.status).order_by(WebhookEvent.id)))


def lead_statuses() -> list[LeadStatus]:
    return list(db.session.scalars(select(Lead.status).order_by(Lead.id)))


def test_orders_of_one_moment_are_kept_and_acted_on_in_two_commits(app: Flask, commits: list[None]) -> None:
    answers = at_once(app, *(created(new_order_id()) for _ in range(8)))
    assert all(answer.result()[0] for answer in answers)
    assert len(commits) == 2
    assert statuses() == [EventStatus.PROCESSED] * 8
    leads = list(db.session.scalars(select(Lead).order_by(Lead.id)))
    assert len({lead.order_id for lead in leads}) == 8
    assert {(len(lead.lines), len(lead.history), len(lead.deliveries)) for lead in leads} == {(1, 1, 1)}
    assert all(lead.history[0].event_id == number for number, lead in enumerate(leads, 1))


def test_of_the_same_event_twice_at_a_time_one_is_new(app: Flask) -> None:
    body = created(new_order_id())
    answers = at_once(app, body, created(new_order_id()), body)
    assert [answer.result()[0] is not None for answer in answers] == [True, True, False]
    assert statuses() == [EventStatus.PROCESSED] * 2
    assert db.session.get_one(WebhookEvent, 1).duplicates == 1


def test_an_order_and_its_payment_at_a_time_end_as_one_after_the_other(app: Flask) -> None:
    order_id = new_order_id()
    at_once(app, payment(order_id, "paid", ORDERED + timedelta(minutes=1)), created(new_order_id()), created(order_id))
    assert statuses() == [EventStatus.PROCESSED] * 3
    assert sorted(lead_statuses()) == [LeadStatus.CLOSING, LeadStatus.FOLLOW_UP]


def test_a_poisoned_event_fails_alone(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    poisoned, real = new_order_id(), lead_service.apply_order

    def apply_order(snapshot, *args):  # type: ignore[no-untyped-def]
        if snapshot.order_id == poisoned:
            raise ZeroDivisionError("boom")
        return real(snapshot, *args)

    monkeypatch.setattr(lead_service, "apply_order", apply_order)
    answers = at_once(app, created(new_order_id()), created(poisoned), created(new_order_id()))
    assert all(answer.result()[0] for answer in answers)
    assert statuses() == [EventStatus.PROCESSED, EventStatus.FAILED, EventStatus.PROCESSED]
    assert db.session.get_one(WebhookEvent, 2).error == "ZeroDivisionError: boom"
    assert len(lead_statuses()) == 2


def test_what_is_no_webhook_is_told_to_its_sender_alone(app: Flask) -> None:
    answers = at_once(app, created(new_order_id()), b"{", created(new_order_id()))
    problems = [answer.result()[1] for answer in answers]
    assert [problem.code if problem else None for problem in problems] == [None, "not_json", None]
    assert statuses() == [EventStatus.PROCESSED, EventStatus.IGNORED, EventStatus.PROCESSED]


def test_everybody_hears_that_the_database_can_not_store(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_arrivals: object) -> None:
        raise OperationalError("insert", {}, Exception("database is locked"))

    monkeypatch.setattr(event_service, "receive_all", refuse)
    answers = at_once(app, *(created(new_order_id()) for _ in range(3)))
    for answer in answers:
        with pytest.raises(OperationalError):
            answer.result()
    monkeypatch.undo()
    assert at_once(app, created(new_order_id()))[0].result()[0] is not None
