"""Any order of arrival, with doubles, ends in the state of the ordered run; and no address joins a list twice."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from models import Delivery, DeliveryStatus, LeadStatus, ListMember, ProductList, db, transaction
from services import delivery_service, delivery_worker, lead_service, settings_service
from services.clock import utc_now
from services.errors import UserError
from services.outbox_run import Pace, Run
from services.statuses import CanceledPolicy
from tests import builders, fakes, messages
from tests.builders import NOW
from tests.fakes import FakeMailketing
from tests.messages import ORDERED, lead_of, small, take_in

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app", "product_lists")]

HONEY, PROPOLIS = "variant_Honey", "variant_Propolis"
_DATABASE = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
Message = Callable[[str], bytes]


@pytest.fixture
def product_lists() -> list[ProductList]:
    lists = {"follow_up_list_id": "101", "closing_list_id": "102", "not_closing_list_id": "103"}
    return [
        builders.make_product_list(product_id=HONEY, name="Madu", follow_up_days=5, **lists),
        builders.make_product_list(product_id=PROPOLIS, name="Propolis", closing_list_id="202"),
    ]


# --- Messages ---

_WORDS = {
    "payment_status": st.sampled_from(["unpaid", "paid", "settled", "conflict"]),
    "status": st.sampled_from(["pending", "confirmed", "shipped", "completed", "canceled"]),
    "is_probably_spam": st.booleans(),
}
_EMAILS = st.sampled_from(["siti@gmail.com", "sri@gmail.com", "62812@scalev.id", "", None])
_FULL_EXTRAS = {
    "payment_method": st.sampled_from(["cod", "bank_transfer"]),
    "gross_revenue": st.sampled_from(["99000.00", "0.00"]),
    "destination_address": st.builds(lambda email: {"name": "Siti", "email": email}, _EMAILS),
    "customer": st.builds(lambda email: {"email": email}, _EMAILS),
    "orderlines": st.sampled_from([HONEY, PROPOLIS, "variant_Unknown"]).map(
        lambda variant: [{"variant_unique_id": variant, "product_name": variant, "quantity": 1}]
    ),
    "created_at": st.sampled_from([messages.iso(ORDERED), messages.iso(ORDERED), None]),
}


@st.composite
def _message(draw: st.DrawFn, moment: datetime, number: int, *, full: bool) -> Message:
    """One message of an order's life, for an order that is named later. No two are sent at the very same moment: what
    tells those apart is their key, which is another one in each run (see test_order_news)."""
    words = draw(st.fixed_dictionaries({}, optional=_WORDS))
    extras = draw(st.fixed_dictionaries({}, optional=_FULL_EXTRAS)) if full else {}
    event = draw(st.sampled_from(["order.updated", "order.created"] if full else ["order.status_changed"]))
    if full and draw(st.integers(0, 5)) == 0:
        event = "order.spam_created"
    if not full and draw(st.integers(0, 9)) == 0:
        event, words = "order.deleted", {}
    sent_at = moment + timedelta(milliseconds=number)

    def body(order_id: str) -> bytes:
        data = messages.full_order(order_id, moment) | extras if full else small(order_id, moment)
        return messages.envelope(event, data | words, sent_at=sent_at, unique_id=f"{order_id}-{number}")

    return body


@st.composite
def _life(draw: st.DrawFn, least: int = 2, most: int = 7) -> list[Message]:
    """An order's messages in their order; one of them at least is whole. Some share a second."""
    kinds = draw(st.lists(st.booleans(), min_size=least, max_size=most))
    kinds[draw(st.integers(0, len(kinds) - 1))] = True
    moment, life = ORDERED, []
    for number, full in enumerate(kinds):
        moment += timedelta(seconds=draw(st.sampled_from([0, 1, 600])))
        life.append(draw(_message(moment, number, full=full)))
    return life


def _state(order_id: str) -> dict[str, Any]:
    """What an order's messages have made of its lead; not when and by which of them."""
    lead = lead_of(order_id)
    unsent = {
        (row.role.value, row.status.value, row.reason, row.email, row.list_id)
        for row in lead.deliveries
        if row.status in {DeliveryStatus.PENDING, DeliveryStatus.BLOCKED}
    }
    names = (
        "status closed_by archive_reason follow_up_start due_at ordered_at order_status payment_status payment_method "
        "gross_revenue name email email_given product_list_id product_name"
    ).split()
    lines = [line.variant_unique_id for line in lead.lines]
    return {name: getattr(lead, name) for name in names} | {"unsent": unsent, "lines": lines}


def _run(life: list[Message], arrival: list[int]) -> dict[str, Any]:
    order_id = messages.new_order_id()
    for number in arrival:
        take_in(life[number](order_id))
    return _state(order_id)


def _check_permutation(life: list[Message], data: st.DataObject) -> None:
    in_order = list(range(len(life)))
    arrival = data.draw(st.permutations(in_order))
    doubled = [*arrival, *data.draw(st.lists(st.sampled_from(in_order), max_size=3))]
    assert _run(life, doubled) == _run(life, in_order)


@_DATABASE
@given(_life(), st.data())
def test_any_order_of_arrival_ends_in_the_same_state(life: list[Message], data: st.DataObject) -> None:
    _check_permutation(life, data)


@_DATABASE
@given(_life(), st.data())
def test_so_it_does_when_canceled_orders_are_archived(life: list[Message], data: st.DataObject) -> None:
    settings_service.change({"canceled_policy": CanceledPolicy.ARCHIVE}, NOW)
    _check_permutation(life, data)


FIXTURE_LIFE = [
    "order_created",
    "order_updated",
    "payment_status_changed_conflict",
    "payment_status_changed_paid",
    "payment_received",
    "order_paid_seed_name",
    "payment_status_changed_unpaid_again",
    "order_status_changed_canceled",
    "payment_status_changed_settled",
]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(FIXTURE_LIFE))
def test_the_fixtures_of_one_order_end_as_closing_whatever_came_first(names: list[str]) -> None:
    order_id = messages.new_order_id()
    for name in names:
        body = json.loads(messages.fixture(name))
        body["data"]["order_id"], body["unique_id"] = order_id, f"{order_id}-{name}"
        take_in(json.dumps(body).encode())
    lead = lead_of(order_id)
    assert (lead.status, lead.payment_status, lead.order_status) == (LeadStatus.CLOSING, "settled", "canceled")
    assert (lead.email, lead.gross_revenue) == ("siti.r@example.com", Decimal("268713.00"))


# --- Never twice on one list ---

_STEPS = st.one_of(
    st.tuples(st.just("message"), st.integers(0, 1), st.integers(0, 5)),
    st.tuples(st.just("move"), st.integers(0, 1), st.sampled_from(LeadStatus)),
    st.tuples(st.just("archive"), st.integers(0, 1), st.none()),
    st.tuples(st.just("expire"), st.integers(0, 1), st.none()),
    st.tuples(st.just("retry"), st.integers(0, 1), st.none()),
    st.tuples(
        st.just("deliver"),
        st.sampled_from([fakes.OK, fakes.SERVER_ERROR, fakes.NO_CREDITS, fakes.BAD_ADDRESS, fakes.ODD_REFUSAL]),
        st.none(),
    ),
    st.tuples(st.just("wait"), st.integers(1, 48), st.none()),
)


class Shop:
    """Two orders of one buyer, the outbox and Mailketing."""

    def __init__(self, lives: list[list[Message]], clock: time_machine.Traveller) -> None:
        self.orders = [messages.new_order_id() for _ in lives]
        self.lives, self.clock, self.mailketing = lives, clock, FakeMailketing()
        for life, order_id in zip(lives, self.orders, strict=True):
            for message in life[:1]:
                take_in(message(order_id), self.now)

    @property
    def now(self) -> datetime:
        return utc_now()

    def step(self, name: str, first: Any, second: Any) -> None:
        try:
            getattr(self, name)(first, second)
        except UserError:
            db.session.rollback()  # a person is told why it can't be done

    def message(self, order: int, number: int) -> None:
        life = self.lives[order]
        take_in(life[number % len(life)](self.orders[order]), self.now)

    def move(self, order: int, to: LeadStatus) -> None:
        lead_service.move(lead_of(self.orders[order]).id, to, actor="Rina", note=None, now=self.now)

    def archive(self, order: int, _nothing: None) -> None:
        lead_service.archive(lead_of(self.orders[order]).id, actor="Rina", note=None, now=self.now)

    def expire(self, order: int, _nothing: None) -> None:
        lead_service.expire(lead_of(self.orders[order]).id, None, self.now + timedelta(days=30))

    def retry(self, order: int, _nothing: None) -> None:
        for row in list(lead_of(self.orders[order]).deliveries):
            try:
                delivery_service.retry(row.id, self.now)
            except UserError:
                db.session.rollback()

    def deliver(self, answer: fakes.AddResult, _nothing: None) -> None:
        self.mailketing.answers.append(answer)
        delivery_worker.release_stuck(self.now)
        delivery_worker.send_due(self.mailketing, Run(self.now, Pace(Decimal(20), sleep=lambda _seconds: None)))
        self.mailketing.answers.clear()

    def wait(self, hours: int, _nothing: None) -> None:
        self.clock.shift(timedelta(hours=hours))


@_DATABASE
@given(st.lists(_life(least=3, most=5), min_size=2, max_size=2), st.lists(_STEPS, min_size=3, max_size=14))
def test_no_address_is_ever_added_to_a_list_twice(lives: list[list[Message]], steps: list[tuple[Any, ...]]) -> None:
    for life in lives:  # the opening message must be a whole order
        life[0] = lambda order_id: messages.created(order_id, orderlines=[{"variant_unique_id": HONEY, "quantity": 1}])
    with time_machine.travel(NOW, tick=False) as clock:
        with_fresh_ledger()
        shop = Shop(lives, clock)
        for step in [*steps, ("wait", 48, None), ("deliver", fakes.OK, None)]:
            shop.step(*step)
        assert shop.mailketing.doubles() == []


def with_fresh_ledger() -> None:
    """Each example has a Mailketing of its own, so nobody is on its lists yet."""
    with transaction() as session:
        session.execute(delete(Delivery))
        session.execute(delete(ListMember))
