"""Webhooks that come at the same moment: they share commits, and none of them suffers from another."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask, current_app
from sqlalchemy import delete, event, select
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from database import turn
from models import EventStatus, Lead, LeadStatus, Settings, WebhookEvent, db, transaction
from services import event_service, inbound, intake, lead_service, settings_service
from services.errors import Conflict
from services.event_service import Receipt
from services.intake import NoSecret, WrongSignature
from services.signatures import sign
from tests.builders import NOW
from tests.messages import ORDERED, created, new_order_id, payment
from tests.processes import wait_until

pytestmark = pytest.mark.usefixtures("app")

SECRET, NEW_SECRET = "rahasia lama", "rahasia baru"


@pytest.fixture(autouse=True)
def secret(app: Flask) -> None:
    settings_service.change({"scalev_webhook_secret": SECRET}, NOW)


@pytest.fixture
def commits() -> Iterator[list[None]]:
    """One entry for each commit."""
    counted: list[None] = []

    def count(_connection: object) -> None:
        counted.append(None)

    event.listen(Engine, "commit", count)
    yield counted
    event.remove(Engine, "commit", count)


@pytest.fixture
def looks() -> Iterator[list[None]]:
    """One entry for each look at the settings."""
    counted: list[None] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM settings" in statement:
            counted.append(None)

    event.listen(Engine, "before_cursor_execute", count)
    yield counted
    event.remove(Engine, "before_cursor_execute", count)


def accept(app: Flask, body: bytes, secret: str = SECRET) -> Receipt:
    with app.app_context():
        return intake.accept(body, sign(secret, body), NOW)


def at_once(app: Flask, *bodies: bytes) -> list[Future[Receipt]]:
    """Send bodies so that all of them wait for the same turn, in this order."""
    with ThreadPoolExecutor(len(bodies)) as pool:
        with turn():
            answers = []
            for number, body in enumerate(bodies, 1):
                answers.append(pool.submit(accept, app, body))
                wait_until(lambda number=number: waiting() == number, "a webhook in the queue")  # type: ignore[misc]
    return answers


def waiting() -> int:
    return len(current_app.extensions["intake"].waiting) if "intake" in current_app.extensions else 0


def change_secret() -> None:
    settings_service.change({"scalev_webhook_secret": NEW_SECRET}, NOW)
    settings_service.end_rotation(NOW)


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


def test_a_body_that_our_reading_fails_on_is_kept_and_spoils_no_other(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned, real = new_order_id(), inbound.read_order

    def read_order(name, data):  # type: ignore[no-untyped-def]
        if data["order_id"] == poisoned:
            raise ZeroDivisionError("nobody thought of this")
        return real(name, data)

    monkeypatch.setattr(inbound, "read_order", read_order)
    answers = at_once(app, created(new_order_id()), created(poisoned), created(new_order_id()))
    assert all(answer.result()[0] for answer in answers)
    assert statuses() == [EventStatus.PROCESSED, EventStatus.FAILED, EventStatus.PROCESSED]
    event = db.session.get_one(WebhookEvent, 2)
    assert (event.order_id, event.error) == (poisoned, "ZeroDivisionError: nobody thought of this")
    monkeypatch.undo()
    assert event_service.process(2, NOW) is EventStatus.PROCESSED


@pytest.mark.parametrize("error", [OperationalError("insert", {}, Exception("locked")), Conflict("changed")])
@pytest.mark.parametrize("number", [1, 3])
def test_what_is_kept_is_answered_so_when_the_database_fails_afterwards(
    app: Flask, monkeypatch: pytest.MonkeyPatch, number: int, error: Exception
) -> None:
    tried: list[object] = []

    def fail(*_: object) -> None:
        tried.append(None)
        raise error

    monkeypatch.setattr(event_service, "_act", fail)
    monkeypatch.setattr(event_service, "_record_failure", fail)
    answers = at_once(app, *(created(new_order_id()) for _ in range(number)))
    assert all(answer.result()[0] for answer in answers)
    assert statuses() == [EventStatus.RECEIVED] * number
    assert len(tried) <= 4  # each of them may have waited for the database as long as it does
    monkeypatch.undo()
    assert event_service.process_due(NOW) == {"processed": number}


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


def test_webhooks_of_one_moment_share_a_look_at_the_settings(app: Flask, looks: list[None]) -> None:
    accept(app, created(new_order_id()))
    looks.clear()
    at_once(app, *(created(new_order_id()) for _ in range(8)))
    assert len(looks) == 1


def test_a_secret_that_was_taken_back_signs_nothing_any_more(app: Flask) -> None:
    accept(app, created(new_order_id()))
    change_secret()
    with pytest.raises(WrongSignature):
        accept(app, created(new_order_id()))
    assert accept(app, created(new_order_id()), NEW_SECRET)[0] is not None
    assert statuses() == [EventStatus.PROCESSED] * 2


def test_a_secret_that_is_taken_back_while_its_webhook_waits_spoils_no_other(app: Flask) -> None:
    accept(app, created(new_order_id()))
    settings_service.change({"scalev_webhook_secret": NEW_SECRET}, NOW)
    old, new = created(new_order_id()), created(new_order_id())
    with ThreadPoolExecutor(2) as pool:
        with turn():
            answers = [pool.submit(accept, app, old, SECRET), pool.submit(accept, app, new, NEW_SECRET)]
            wait_until(lambda: waiting() == 2, "both in the queue")
            settings_service.end_rotation(NOW)
    with pytest.raises(WrongSignature):
        answers[0].result()
    assert answers[1].result()[0] is not None
    assert statuses() == [EventStatus.PROCESSED] * 2


def test_what_was_read_before_the_turn_came_is_read_again(app: Flask) -> None:
    with ThreadPoolExecutor(1) as pool:
        with turn():
            answer = pool.submit(accept, app, created(new_order_id()))  # the first: it has looked at the settings
            wait_until(lambda: waiting() == 1, "the webhook in the queue")
            change_secret()
    with pytest.raises(WrongSignature):
        answer.result()
    assert statuses() == []


def test_without_any_secret_left_nothing_is_kept(app: Flask) -> None:
    accept(app, created(new_order_id()))
    with transaction() as session:
        session.execute(delete(Settings))
    with pytest.raises(NoSecret):
        accept(app, created(new_order_id()))
    assert statuses() == [EventStatus.PROCESSED]


def test_the_label_of_the_secret_is_the_one_it_has_when_the_webhook_is_kept(app: Flask) -> None:
    accept(app, created(new_order_id()))
    settings_service.change({"scalev_webhook_secret": NEW_SECRET}, NOW)
    accept(app, created(new_order_id()))
    db.session.rollback()
    assert list(db.session.scalars(select(WebhookEvent.matched_secret).order_by(WebhookEvent.id))) == [
        "current",
        "previous",
    ]


def test_one_that_comes_alone_waits_for_nobody(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "GATHER_SECONDS", 60)
    begin = time.monotonic()
    for _ in range(3):
        accept(app, created(new_order_id()))
    assert time.monotonic() - begin < 30


def test_after_several_at_once_the_next_waits_a_moment_for_more(
    app: Flask, commits: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once(app, *(created(new_order_id()) for _ in range(2)))
    commits.clear()
    monkeypatch.setattr(intake, "GATHER_SECONDS", 3)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(accept, app, created(new_order_id()))
        wait_until(lambda: waiting() == 1, "the first that gathers")
        second = pool.submit(accept, app, created(new_order_id()))
        assert first.result()[0] is not None
        assert second.result()[0] is not None
    assert len(commits) == 2
