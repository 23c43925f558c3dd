"""Reconcile: what webhooks did not bring is found in ScaleV's order list, once, and a failed run is made good."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from models import ArchiveReason, EventSource, EventStatus, Heartbeat, Lead, LeadStatus, WebhookEvent, db, transaction
from services import jobs, lookup_service, reconcile_service, settings_service
from services.clock import utc_now
from services.errors import VendorNotFound
from services.reconcile_service import Reconciled, horizon, last_good_run, reconcile
from tests import builders
from tests.scalev_shop import FAILURES, Shop, open_shop

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]

FOLLOW_UP, CLOSING = LeadStatus.FOLLOW_UP, LeadStatus.CLOSING
BROKEN = "rusak@example.com"


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as shop:
        yield shop


def run(shop: Shop, **options: object) -> Reconciled:
    return reconcile(shop.client, utc_now(), **options)  # type: ignore[arg-type]


def leads() -> dict[str, LeadStatus]:
    db.session.rollback()
    return {row.order_id: row.status for row in db.session.execute(select(Lead.order_id, Lead.status))}


def lead_of(order_id: str) -> Lead:
    db.session.rollback()
    return db.session.scalars(select(Lead).where(Lead.order_id == order_id)).one()


def events() -> int:
    return db.session.scalar(select(func.count()).select_from(WebhookEvent)) or 0


def leave_mark(at: datetime) -> None:
    with transaction() as session:
        session.merge(Heartbeat(name=reconcile_service.MARK, succeeded_at=at))


def test_orders_without_a_webhook_become_leads_in_the_right_state(shop: Shop) -> None:
    unpaid, paid, spam = shop.order(), shop.order(), shop.order(spam=True)
    shop.act(paid, "pay")
    assert run(shop) == Reconciled(read=3, news=3)
    assert leads() == {unpaid: FOLLOW_UP, paid: CLOSING, spam: FOLLOW_UP}
    assert lead_of(spam).archive_reason is ArchiveReason.SPAM
    sources = set(db.session.scalars(select(WebhookEvent.source)))
    assert sources == {EventSource.RECONCILE}


def test_a_new_order_is_completed_by_a_look_up(shop: Shop) -> None:
    product_list = builders.make_product_list(name="Madu Hutan 500 ml", follow_up_list_id="101")
    lead = lead_of_run(shop, shop.order(name="Siti", email="siti@gmail.com", handler="Rina Wulandari"))
    assert (lead.name, lead.email) == ("Siti", "siti@gmail.com")
    assert lead.handler_name == "Rina Wulandari"
    assert lead.product_list_id == product_list.id
    assert [line.product_name for line in lead.lines] == ["Madu Hutan 500 ml"]


def lead_of_run(shop: Shop, order_id: str) -> Lead:
    run(shop)
    return lead_of(order_id)


def test_what_is_known_costs_no_look_up(shop: Shop) -> None:
    shop.orders(30)
    run(shop)
    before = len(shop.look_ups())
    assert run(shop) == Reconciled(read=30, news=0)
    assert len(shop.look_ups()) == before == 30


def test_a_change_without_a_webhook_is_found(shop: Shop) -> None:
    order_id, other = shop.order(age_days=0.05), shop.order(age_days=0.05)
    run(shop)
    shop.act(order_id, "pay")
    assert run(shop) == Reconciled(read=2, news=1)
    assert leads() == {order_id: CLOSING, other: FOLLOW_UP}


def test_a_change_within_the_same_second_is_found_too(shop: Shop) -> None:
    at = utc_now().isoformat()
    order_id = shop.order(at=at)
    run(shop)
    shop.act(order_id, "pay", at=at)
    assert run(shop).news == 1
    assert leads() == {order_id: CLOSING}


def test_a_payment_taken_back_without_a_webhook_is_found(shop: Shop) -> None:
    order_id = shop.order(age_days=0.05)
    shop.act(order_id, "pay", age_days=0.02)
    run(shop)
    shop.act(order_id, "unpay")
    run(shop)
    assert leads() == {order_id: FOLLOW_UP}


def test_the_first_run_reads_the_whole_follow_up_window(shop: Shop) -> None:
    recent, _old = shop.order(age_days=6.9), shop.order(age_days=7.1)
    run(shop)
    assert leads() == {recent: FOLLOW_UP}


def test_the_horizon_is_the_last_good_run_and_two_hours() -> None:
    now = builders.NOW
    assert horizon(now) == now - timedelta(days=7)
    leave_mark(now - timedelta(minutes=31))
    assert horizon(now) == now - timedelta(minutes=31, hours=2)


def test_after_a_long_silence_the_horizon_is_at_least_the_follow_up_window() -> None:
    now = builders.NOW
    settings_service.change({"follow_up_days": "3"}, now)
    leave_mark(now - timedelta(hours=5))
    assert horizon(now) == now - timedelta(days=3)
    leave_mark(now - timedelta(days=5))
    assert horizon(now) == now - timedelta(days=5, hours=2)


def test_a_late_payment_of_an_older_order_is_found_after_an_outage(shop: Shop) -> None:
    order_id = shop.order(age_days=3)
    run(shop)
    shop.act(order_id, "pay")
    leave_mark(utc_now() - timedelta(hours=8))
    run(shop)
    assert leads() == {order_id: CLOSING}


def test_a_good_run_leaves_the_moment_at_which_it_began(shop: Shop) -> None:
    now = utc_now()
    assert reconcile(shop.client, now).problem is None
    assert last_good_run() == now


@pytest.mark.parametrize("mode", FAILURES)
def test_a_failed_run_says_why_and_does_not_move_the_mark(shop: Shop, mode: str) -> None:
    mark = utc_now() - timedelta(hours=1)
    leave_mark(mark)
    order_id = shop.order()
    shop.switch(mode, endpoint="order:list")
    failed = run(shop)
    assert failed.problem and failed.problem.startswith("ScaleV: ")
    assert (last_good_run(), leads()) == (mark, {})
    shop.clear_switches()
    assert run(shop).problem is None
    assert leads() == {order_id: FOLLOW_UP}


@pytest.mark.parametrize("mode", FAILURES)
def test_a_run_whose_look_ups_fail_is_made_good_by_the_next(shop: Shop, mode: str) -> None:
    order_ids = shop.orders(30)
    shop.switch(mode, endpoint="order:read")
    assert run(shop).problem
    assert last_good_run() is None
    shop.clear_switches()
    assert run(shop).problem is None
    assert leads() == dict.fromkeys(order_ids, FOLLOW_UP)


def test_a_slow_scalev_is_waited_for(shop: Shop) -> None:
    order_id = shop.order()
    shop.switch("slow", seconds=0.2)
    assert run(shop).problem is None
    assert leads() == {order_id: FOLLOW_UP}


def test_a_run_that_is_killed_in_the_middle_is_completed_by_the_next(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_ids = shop.orders(60)
    answer, asked = shop.client.get_order, []

    def die_in_the_middle(order: str) -> dict[str, object]:
        asked.append(order)
        if len(asked) == 40:
            raise KeyboardInterrupt
        return answer(order)

    monkeypatch.setattr(shop.client, "get_order", die_in_the_middle)
    with pytest.raises(KeyboardInterrupt):
        run(shop)
    assert (len(leads()), last_good_run()) == (39, None)
    assert run(shop).news == 21
    assert leads() == dict.fromkeys(order_ids, FOLLOW_UP)
    assert events() == 60


def test_a_run_that_is_asked_to_stop_does_not_move_the_mark(shop: Shop) -> None:
    shop.orders(30)
    pages = iter([True, False])
    stopped = run(shop, keep_going=lambda: next(pages))
    assert stopped.problem == reconcile_service.STOPPED
    assert (len(leads()), last_good_run()) == (25, None)


def test_one_order_that_scalev_does_not_hand_out_keeps_nothing_else_back(shop: Shop) -> None:
    broken, *others = [shop.order(email=BROKEN), *shop.orders(4)]
    shop.switch("server_error", email=BROKEN)
    assert run(shop).problem is None
    assert leads() == dict.fromkeys(others, FOLLOW_UP)
    waiting = db.session.scalars(select(WebhookEvent).where(WebhookEvent.status == EventStatus.WAITING)).one()
    assert (waiting.order_id, waiting.name) == (broken, "order.listed")
    shop.clear_switches()
    lookup_service.look_up(shop.client, utc_now())
    assert leads()[broken] is FOLLOW_UP
    db.session.refresh(waiting)
    assert waiting.status is EventStatus.PROCESSED


def test_an_order_that_is_gone_when_it_is_looked_up_is_left_out(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.order()

    def unknown(_order: str) -> dict[str, object]:
        raise VendorNotFound("ScaleV", "not found")

    monkeypatch.setattr(shop.client, "get_order", unknown)
    assert run(shop).problem is None
    assert (leads(), events()) == ({}, 0)


def test_rows_that_tell_everything_need_no_look_up(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = shop.order(email="siti@gmail.com")
    whole = shop.client.get_order(order_id)
    list_orders = shop.client.list_orders

    def list_whole_orders(**filters: object) -> object:
        page = list_orders(**filters)  # type: ignore[arg-type]
        page.rows[:] = [whole for _ in page.rows]
        return page

    monkeypatch.setattr(shop.client, "list_orders", list_whole_orders)
    before = len(shop.look_ups())
    run(shop)
    assert leads() == {order_id: FOLLOW_UP}
    assert len(shop.look_ups()) == before


def test_without_a_key_nothing_is_asked() -> None:
    assert jobs.run("reconcile") == jobs.Report("reconcile: no ScaleV key, nothing asked")
