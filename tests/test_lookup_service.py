"""Look-ups: an event that waits for its order gets it, a lead its handler; a failure delays and never drops."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from models import EventSource, EventStatus, Lead, LeadStatus, WebhookEvent, db
from services import jobs, lookup_service
from services.clock import utc_now
from services.lookup_service import LONGEST_WAIT, SHORTEST_WAIT, LookUps, look_up
from tests import messages
from tests.scalev_shop import FAILURES, Shop, open_shop

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]

FOLLOW_UP, CLOSING = LeadStatus.FOLLOW_UP, LeadStatus.CLOSING
WAITING, PROCESSED = EventStatus.WAITING, EventStatus.PROCESSED


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as shop:
        yield shop


def pay(order_id: str, *, received_at: datetime | None = None) -> WebhookEvent:
    """A payment comes by webhook, its order does not."""
    now = received_at or utc_now()
    event = messages.take_in(messages.payment(order_id, "paid", now), now)
    assert event is not None
    assert event.status is WAITING
    return event


def open_lead(order_id: str) -> Lead:
    """The order itself comes by webhook, which names no handler."""
    messages.take_in(messages.created(order_id, handler=None), utc_now())
    return messages.lead_of(order_id)


def run(shop: Shop, after: timedelta = timedelta(0)) -> LookUps:
    return look_up(shop.client, utc_now() + after)


def fresh(row: WebhookEvent | Lead) -> object:
    db.session.rollback()
    db.session.refresh(row)
    return row


def test_a_payment_whose_order_never_came_is_completed(shop: Shop) -> None:
    order_id = shop.order(email="siti@gmail.com", handler="Rina Wulandari")
    shop.act(order_id, "pay")
    event = pay(order_id)
    assert run(shop) == LookUps(found=1)
    lead = messages.lead_of(order_id)
    assert (lead.status, lead.email, lead.handler_name) == (CLOSING, "siti@gmail.com", "Rina Wulandari")
    fresh(event)
    assert (event.status, event.lead_id) == (PROCESSED, lead.id)


def test_several_events_of_one_order_cost_one_look_up(shop: Shop) -> None:
    order_id = shop.order()
    events = [pay(order_id), pay(order_id)]
    run(shop)
    assert shop.look_ups() == [order_id]
    assert {fresh(event).status for event in events} == {PROCESSED}  # type: ignore[attr-defined]


def test_the_order_may_also_come_by_itself(shop: Shop) -> None:
    order_id = messages.new_order_id()
    event = pay(order_id)
    run(shop)
    messages.take_in(messages.created(order_id), utc_now())
    assert fresh(event).status is PROCESSED  # type: ignore[attr-defined]
    assert messages.lead_of(order_id).status is CLOSING


def test_an_order_that_scalev_does_not_know_is_asked_for_less_and_less_often_and_never_dropped(shop: Shop) -> None:
    event = pay(messages.new_order_id(), received_at=utc_now() - timedelta(hours=2))
    assert run(shop) == LookUps(unknown=1)
    assert run(shop) == LookUps()
    fresh(event)
    assert event.status is WAITING
    assert event.next_try_at is not None
    assert timedelta(hours=1, minutes=59) < event.next_try_at - utc_now() < timedelta(hours=2, minutes=1)
    assert run(shop, timedelta(hours=3)) == LookUps(unknown=1)


@pytest.mark.parametrize(("age", "wait"), [(timedelta(0), SHORTEST_WAIT), (timedelta(days=60), LONGEST_WAIT)])
def test_the_wait_has_bounds(shop: Shop, age: timedelta, wait: timedelta) -> None:
    event = pay(messages.new_order_id(), received_at=utc_now() - age)
    run(shop)
    fresh(event)
    assert event.next_try_at is not None
    assert abs(event.next_try_at - utc_now() - wait) < timedelta(seconds=30)


@pytest.mark.parametrize("mode", FAILURES)
def test_an_outage_delays_and_drops_nothing(shop: Shop, mode: str) -> None:
    order_ids = shop.orders(5)
    events = [pay(order_id) for order_id in order_ids]
    shop.switch(mode)
    assert (run(shop).problem or "").startswith("ScaleV: ")
    assert {fresh(event).status for event in events} == {WAITING}  # type: ignore[attr-defined]
    shop.clear_switches()
    assert run(shop, timedelta(minutes=2)) == LookUps(found=5)
    assert {fresh(event).status for event in events} == {PROCESSED}  # type: ignore[attr-defined]


def test_an_outage_ends_the_asking_and_leaves_the_rest_due(shop: Shop) -> None:
    for order_id in shop.orders(10):
        pay(order_id)
    shop.switch("server_error")
    assert run(shop).unanswered == lookup_service.GIVE_UP_AFTER
    shop.clear_switches()
    assert run(shop).found == 10 - lookup_service.GIVE_UP_AFTER


def test_the_newest_are_asked_for_first_and_a_limited_number_each_run(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup_service, "LOOK_UPS_PER_RUN", 2)
    first, second, third = (shop.order() for _ in range(3))
    for order_id in (first, second, third):
        pay(order_id)
    run(shop)
    assert shop.look_ups() == [third, second]
    run(shop)
    assert shop.look_ups() == [third, second, first]


def test_a_lead_gets_its_handler(shop: Shop) -> None:
    order_id = shop.order(handler="Rina Wulandari")
    lead = open_lead(order_id)
    assert lead.handler_name is None
    assert run(shop) == LookUps(found=1)
    assert fresh(lead).handler_name == "Rina Wulandari"  # type: ignore[attr-defined]
    assert [line.variant_unique_id for line in lead.lines] == ["variant_Pq8-sLw2Zt5YvB1nKc4Xd_7E"]


def test_an_order_without_a_handler_is_asked_about_once(shop: Shop) -> None:
    open_lead(shop.order(handler=None))
    assert run(shop) == LookUps(found=1)
    assert run(shop, timedelta(days=1)) == LookUps()


def test_a_lead_whose_order_scalev_does_not_know_is_asked_about_less_and_less_often(shop: Shop) -> None:
    open_lead(messages.new_order_id())
    assert run(shop) == LookUps(unknown=1)
    assert run(shop) == LookUps()
    assert run(shop, timedelta(minutes=2)) == LookUps(unknown=1)


def test_archived_and_old_leads_are_not_asked_about(shop: Shop) -> None:
    order_id = shop.order()
    messages.take_in(messages.spam(order_id, utc_now()), utc_now())
    old = messages.full_order(shop.order(age_days=8), utc_now() - timedelta(days=8))
    old["created_at"] = messages.iso(utc_now() - timedelta(days=8))
    messages.take_in(messages.envelope("order.created", old), utc_now())
    assert run(shop) == LookUps()


def test_what_is_looked_up_stands_in_the_inbox(shop: Shop) -> None:
    order_id = shop.order()
    pay(order_id)
    run(shop)
    rows = db.session.scalars(select(WebhookEvent).where(WebhookEvent.order_id == order_id).order_by(WebhookEvent.id))
    assert [(row.source, row.name) for row in rows] == [
        (EventSource.WEBHOOK, "order.payment_status_changed"),
        (EventSource.RECONCILE, "order.updated"),
    ]


def test_without_a_key_events_wait() -> None:
    event = pay(messages.new_order_id())
    assert jobs.run("look-up") == jobs.Report("look-up: no ScaleV key, nothing asked")
    assert fresh(event).status is WAITING  # type: ignore[attr-defined]
