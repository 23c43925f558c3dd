"""The inbox: everything signed is kept, acted on once, tried again when it fails, and never stops the rest."""

import json
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import func, select

from models import EventSource, EventStatus, Heartbeat, Lead, LeadStatus, WebhookEvent, db, transaction
from services import event_service, inbound, lead_service
from services.errors import Conflict, NotFound
from services.event_service import RETRY_DELAYS
from tests import builders, messages
from tests.builders import NOW
from tests.frozen import clock  # noqa: F401 (a fixture)
from tests.messages import ORDERED, created, envelope, lead_of, payment, small, take_in

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app", "clock")]


@pytest.fixture
def order_id() -> str:
    return messages.new_order_id()


def receive(body: bytes, source: EventSource = EventSource.WEBHOOK) -> int:
    event, problem = messages.receive(body, source=source)
    assert event is not None and problem is None
    return event.id


def row(event_id: int) -> WebhookEvent:
    db.session.rollback()
    db.session.expire_all()
    return db.session.get_one(WebhookEvent, event_id)


def all_events() -> list[WebhookEvent]:
    return list(db.session.scalars(select(WebhookEvent).order_by(WebhookEvent.id)))


def minutes(number: float) -> object:
    return ORDERED + timedelta(minutes=number)


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Order ids whose messages fail."""
    poisoned: set[str] = set()
    real = lead_service.apply_order

    def apply_order(snapshot, *args):  # type: ignore[no-untyped-def]
        if snapshot.order_id in poisoned:
            raise ZeroDivisionError(f"boom for siti.rahmawati@example.com in {snapshot.order_id}")
        return real(snapshot, *args)

    monkeypatch.setattr(lead_service, "apply_order", apply_order)
    return poisoned


# --- Receiving ---


@pytest.mark.parametrize("name", messages.fixture_names())
def test_every_fixture_is_kept_byte_for_byte(name: str) -> None:
    body = messages.fixture(name)
    event = row(receive(body))
    document = json.loads(body)
    assert (event.body, event.name, event.unique_id) == (body, document["event"], document.get("unique_id"))
    assert event.order_id == document["data"].get("order_id")
    assert (event.status, event.tries, event.matched_secret) == (EventStatus.RECEIVED, 0, "current")
    assert messages.iso(event.sent_at.replace(microsecond=0)) == document["timestamp"][:19] + "Z"


def test_the_same_event_again_is_counted_and_not_kept_twice(order_id: str) -> None:
    body = created(order_id)
    event_id = receive(body)
    other_bytes = json.dumps(json.loads(body), indent=1).encode()
    for again in (body, other_bytes):
        assert messages.receive(again) == (None, None)
    assert (row(event_id).duplicates, row(event_id).body) == (2, body)


@pytest.mark.parametrize(
    ("body", "code"), [(b"{", "not_json"), (b"[]", "not_an_object"), (b"{}", "no_event_name"), (b"", "not_json")]
)
def test_a_signed_body_that_is_no_webhook_is_kept_and_ignored(body: bytes, code: str) -> None:
    event, problem = messages.receive(body)
    assert event is not None and problem is not None
    kept = row(event.id)
    assert (kept.status, kept.reason, kept.body, problem.code) == (EventStatus.IGNORED, code, body, code)
    again, problem = messages.receive(body)
    assert again is None and problem is not None
    assert event_service.process_due(NOW) == {}


def test_names_and_ids_longer_than_their_columns_are_cut_for_show_only() -> None:
    first, second = "x" * 300 + "a", "x" * 300 + "b"
    ids = [receive(envelope("e" * 500, {"order_id": "9" * 200}, unique_id=unique_id)) for unique_id in (first, second)]
    event = row(ids[0])
    assert (len(event.name), len(event.unique_id or ""), len(event.order_id or "")) == (120, 255, 64)


def test_hostile_text_is_kept_without_harm() -> None:
    body = json.dumps(
        {"event": "order.created\u0000\u202e", "unique_id": "\ud800\u0000", "data": {"order_id": "a\u0000b"}}
    )
    event = row(receive(body.encode()))
    assert (event.name, event.unique_id, event.order_id) == ("order.created", None, "ab")
    assert event_service.process(event.id, NOW) is EventStatus.PROCESSED


# --- Acting ---


def test_an_order_event_is_processed_and_knows_its_lead(order_id: str) -> None:
    event = take_in(created(order_id))
    assert event is not None
    assert (event.status, event.reason, event.tries, event.next_try_at) == (EventStatus.PROCESSED, None, 1, None)
    assert (event.lead_id, event.processed_at) == (lead_of(order_id).id, NOW)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (envelope("whatsapp.message.received", {"order_id": "A1"}), "not_an_order"),
        (envelope("checkout_intent.abandoned", {}), "not_an_order"),
        (envelope("orders", {"order_id": "A1"}), "not_an_order"),
        (envelope("order.created", {}), "no_order_id"),
        (envelope("payment.received", {"order_id": ""}), "no_order_id"),
    ],
)
def test_what_concerns_no_order_is_ignored_with_its_reason(body: bytes, reason: str) -> None:
    event = take_in(body)
    assert event is not None
    assert (event.status, event.reason) == (EventStatus.IGNORED, reason)
    assert db.session.scalars(select(Lead)).all() == []


def test_a_test_event_changes_nothing_but_its_line() -> None:
    event = take_in(messages.fixture("test_event"))
    assert event is not None
    assert (event.status, event.reason) == (EventStatus.IGNORED, "test")
    assert db.session.get_one(Heartbeat, "webhook-test").succeeded_at == NOW
    assert db.session.scalars(select(Lead)).all() == []


def test_an_unknown_order_event_name_with_a_whole_order_still_counts(order_id: str) -> None:
    take_in(envelope("order.something_new", messages.full_order(order_id)))
    assert lead_of(order_id).status is LeadStatus.FOLLOW_UP


def test_an_event_acted_on_twice_acts_once(order_id: str) -> None:
    event_id = receive(created(order_id))
    for _ in range(2):
        assert event_service.process(event_id, NOW) is EventStatus.PROCESSED
    assert row(event_id).tries == 1
    assert len(lead_of(order_id).history) == 1


def test_an_event_that_another_process_settled_meanwhile_is_rolled_back(order_id: str) -> None:
    event, _ = messages.receive(created(order_id))
    assert event is not None
    with transaction():
        row_ = db.session.get_one(WebhookEvent, event.id)
        row_.status = EventStatus.IGNORED
    assert event_service.act_on(event, NOW) is EventStatus.IGNORED
    assert db.session.scalars(select(Lead)).all() == []


def test_a_lead_that_somebody_changed_in_between_is_tried_once_more(
    order_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = lead_service.apply_order, []

    def apply_order(*args):  # type: ignore[no-untyped-def]
        calls.append(1)
        if len(calls) == 1:
            raise Conflict("changed meanwhile")
        return real(*args)

    monkeypatch.setattr(lead_service, "apply_order", apply_order)
    event = take_in(created(order_id))
    assert event is not None
    assert (event.status, len(calls)) == (EventStatus.PROCESSED, 2)


def test_the_moment_of_arrival_stands_in_for_missing_timestamps(order_id: str) -> None:
    data = messages.full_order(order_id) | {"created_at": None, "last_updated_at": None}
    take_in(json.dumps({"event": "order.created", "data": data}).encode())
    assert lead_of(order_id).ordered_at == NOW


def test_several_events_are_kept_and_acted_on_together(order_id: str) -> None:
    bodies = [
        created(order_id),
        envelope("whatsapp.message.received", {}),
        created(messages.new_order_id()),
        payment(order_id, "paid", minutes(1)),
        messages.fixture("test_event"),
    ]
    arrivals = [inbound.read(body, "current", EventSource.WEBHOOK, NOW) for body in bodies]
    receipts = event_service.receive_all(arrivals)
    event_service.act_on_all([event for event, _ in receipts if event is not None], NOW)
    assert [(event.status, event.tries) for event in all_events()] == [
        (EventStatus.PROCESSED, 1),
        (EventStatus.IGNORED, 1),
        (EventStatus.PROCESSED, 1),
        (EventStatus.PROCESSED, 1),
        (EventStatus.IGNORED, 1),
    ]
    assert (lead_of(order_id).status, len(lead_of(order_id).deliveries)) == (LeadStatus.CLOSING, 2)
    assert event_service.receive_all(arrivals) == [(None, None)] * len(bodies)


# --- Waiting ---


def test_all_that_waited_for_an_order_is_applied_when_it_comes(order_id: str) -> None:
    waiting = [
        take_in(envelope("order.status_changed", small(order_id, minutes(3), status="in_process"))),
        take_in(payment(order_id, "paid", minutes(2))),
        take_in(payment(order_id, "unpaid", minutes(1))),
    ]
    take_in(created(order_id))
    lead = lead_of(order_id)
    assert (lead.status, lead.order_status) == (LeadStatus.CLOSING, "in_process")
    assert [row(event.id).status for event in waiting if event] == [EventStatus.PROCESSED] * 3


def test_a_waiting_event_is_left_alone_until_its_order_comes(order_id: str) -> None:
    event = take_in(payment(order_id, "paid", minutes(1)))
    assert event is not None
    for day in range(3):
        assert event_service.process_due(NOW + timedelta(days=day)) == {}
    assert row(event.id).tries == 1


def test_a_waiting_event_that_was_missed_is_picked_up_by_the_job(order_id: str) -> None:
    event = take_in(payment(order_id, "paid", minutes(1)))
    assert event is not None
    builders.make_lead(order_id=order_id)
    assert event_service.process_due(NOW) == {"processed": 1}
    assert lead_of(order_id).status is LeadStatus.CLOSING


def test_one_poisoned_waiting_event_does_not_keep_the_others_waiting(
    order_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for word, minute in (("conflict", 1), ("paid", 2)):
        take_in(payment(order_id, word, minutes(minute)))
    real = lead_service.apply_order

    def apply_order(snapshot, *args):  # type: ignore[no-untyped-def]
        if snapshot.payment_status == "conflict":
            raise ZeroDivisionError
        return real(snapshot, *args)

    monkeypatch.setattr(lead_service, "apply_order", apply_order)
    take_in(created(order_id))
    assert lead_of(order_id).status is LeadStatus.CLOSING
    assert [event.status.value for event in all_events()] == ["failed", "processed", "processed"]


# --- Failing ---


def test_a_poisoned_event_is_recorded_and_its_work_rolled_back(order_id: str, poison: set[str]) -> None:
    poison.add(order_id)
    event = take_in(created(order_id))
    assert event is not None
    assert (event.status, event.tries, event.next_try_at) == (EventStatus.FAILED, 1, NOW + timedelta(seconds=30))
    assert event.error is not None
    assert event.error.startswith("ZeroDivisionError: boom")
    assert "siti.rahmawati" not in event.error
    assert db.session.scalars(select(Lead)).all() == []


def test_poisoned_events_do_not_stop_the_rest(poison: set[str]) -> None:
    orders = [messages.new_order_id() for _ in range(5)]
    for order in orders:
        receive(created(order))
    poison.update({orders[0], orders[3]})
    assert event_service.process_due(NOW) == {"failed": 2, "processed": 3}
    assert db.session.scalar(select(func.count()).select_from(Lead)) == 3


def test_an_event_is_tried_seven_times_on_its_schedule_and_is_then_dead(
    order_id: str,
    poison: set[str],
    clock: time_machine.Traveller,  # noqa: F811
) -> None:
    poison.add(order_id)
    event_id = receive(created(order_id))
    now = NOW
    assert [int(delay.total_seconds()) for delay in RETRY_DELAYS] == [0, 30, 120, 600, 1800, 7200, 21600]
    for tries, delay in enumerate(RETRY_DELAYS, 1):
        if delay:
            clock.move_to(now + delay - timedelta(microseconds=1))
            assert event_service.process_due(now + delay - timedelta(microseconds=1)) == {}
        now += delay
        clock.move_to(now)
        counts = event_service.process_due(now)
        assert counts == ({"dead": 1} if tries == len(RETRY_DELAYS) else {"failed": 1})
        assert row(event_id).tries == tries
    assert row(event_id).next_try_at is None
    assert event_service.process_due(now + timedelta(days=99)) == {}


def test_an_event_that_recovers_is_processed_with_its_error_gone(
    order_id: str,
    poison: set[str],
    clock: time_machine.Traveller,  # noqa: F811
) -> None:
    poison.add(order_id)
    event = take_in(created(order_id))
    poison.clear()
    clock.shift(30)
    assert event_service.process_due(NOW + timedelta(seconds=30)) == {"processed": 1}
    assert event is not None
    event = row(event.id)
    assert (event.status, event.error, event.tries) == (EventStatus.PROCESSED, None, 2)


def test_an_event_that_was_stored_but_never_tried_is_picked_up(order_id: str) -> None:
    receive(created(order_id))
    assert event_service.process_due(NOW) == {"processed": 1}
    assert lead_of(order_id).status is LeadStatus.FOLLOW_UP


# --- Replaying ---


def test_a_dead_event_can_be_replayed_with_its_tries_from_the_start(order_id: str, poison: set[str]) -> None:
    event_id = receive(created(order_id))
    with transaction():
        event = row(event_id)
        event.status, event.tries, event.next_try_at, event.error = EventStatus.DEAD, 7, None, "boom"
    replayed = event_service.replay(event_id, NOW)
    assert (replayed.status, replayed.tries, replayed.error) == (EventStatus.PROCESSED, 1, None)


def test_a_replay_that_fails_starts_a_new_schedule(order_id: str, poison: set[str]) -> None:
    poison.add(order_id)
    event_id = receive(created(order_id))
    assert event_service.replay(event_id, NOW).status is EventStatus.FAILED
    assert (row(event_id).tries, row(event_id).next_try_at) == (1, NOW + timedelta(seconds=30))


def test_a_replay_leaves_the_body_as_it_came(order_id: str) -> None:
    body = created(order_id)
    event_id = receive(body)
    event_service.replay(event_id, NOW)
    assert row(event_id).body == body


def test_an_event_that_does_not_exist_cannot_be_replayed() -> None:
    with pytest.raises(NotFound):
        event_service.replay(999_999, NOW)


def test_an_event_whose_body_is_gone_is_ignored() -> None:
    event = builders.make_event(status=EventStatus.RECEIVED, body=None, next_try_at=NOW)
    assert event_service.process(event.id, NOW) is EventStatus.IGNORED
