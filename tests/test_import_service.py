"""Imports: past orders by date range, resumable at any moment; old unpaid ones are recorded without transfer."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from config import Config
from models import (
    ArchiveReason,
    Delivery,
    DeliveryStatus,
    EventSource,
    Lead,
    LeadStatus,
    WebhookEvent,
    db,
)
from models_people import OrderImport
from services import (
    event_service,
    expiry_service,
    import_service,
    jobs,
    lead_service,
    lease_service,
    lookup_service,
    settings_service,
)
from services.clock import utc_now
from services.errors import NotFound, UserError, VendorError, VendorNotFound
from services.import_plan import Plan
from services.import_service import CANCELLED, DONE, FAILED, RUNNING, Progress
from tests import builders, messages
from tests.scalev_shop import FAILURES, KEY, Shop, open_shop

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]

FOLLOW_UP, CLOSING, NOT_CLOSING = LeadStatus.FOLLOW_UP, LeadStatus.CLOSING, LeadStatus.NOT_CLOSING
BROKEN = "rusak@example.com"


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as shop:
        yield shop


@pytest.fixture
def config(tmp_path: Path, database_url: str | None, shop: Shop) -> Config:
    return Config(
        instance_path=tmp_path / "instance",
        secret_key="tests",
        database_url=database_url,
        scalev_api_url=shop.api_url,
        scalev_api_key=KEY,
    )


@pytest.fixture(autouse=True)
def product_list(app: Flask) -> None:
    lists = {"follow_up_list_id": "101", "closing_list_id": "102", "not_closing_list_id": "103"}
    builders.make_product_list(name="Madu Hutan 500 ml", **lists)


def days_ago(days: float) -> datetime:
    return utc_now() - timedelta(days=days)


def begin(*, days: float = 60, until: float = 0, transfer_unpaid: bool = False) -> OrderImport:
    return import_service.start(
        days_ago(days), days_ago(until), transfer_unpaid=transfer_unpaid, actor="Rina", now=utc_now()
    )


def run(shop: Shop, row: OrderImport) -> OrderImport:
    return import_service.run(shop.client, row.id)


def import_all(shop: Shop, **options: object) -> OrderImport:
    return run(shop, begin(**options))  # type: ignore[arg-type]


def leads() -> dict[str, LeadStatus]:
    db.session.rollback()
    return {row.order_id: row.status for row in db.session.execute(select(Lead.order_id, Lead.status))}


def deliveries(order_id: str) -> dict[LeadStatus, DeliveryStatus]:
    db.session.rollback()
    query = select(Delivery.role, Delivery.status).join(Lead).where(Lead.order_id == order_id)
    return {row.role: row.status for row in db.session.execute(query)}


def state(row: OrderImport) -> tuple[str, int, int]:
    row = import_service.get(row.id)
    return row.status, row.seen, row.recorded


def plan_now(shop: Shop, **options: object) -> Plan:
    return import_service.plan(shop.client, days_ago(60), utc_now(), utc_now(), **options)  # type: ignore[arg-type]


# --- what becomes of an order ---


def test_orders_end_in_the_state_that_they_would_have_had(shop: Shop) -> None:
    recent, old = shop.order(age_days=3), shop.order(age_days=30)
    paid, spam = shop.order(age_days=30), shop.order(age_days=30, spam=True)
    shop.act(paid, "pay", age_days=29)
    assert state(import_all(shop)) == (DONE, 4, 4)
    assert leads() == {recent: FOLLOW_UP, old: NOT_CLOSING, paid: CLOSING, spam: FOLLOW_UP}
    assert deliveries(recent) == {FOLLOW_UP: DeliveryStatus.PENDING}
    assert deliveries(paid) == {CLOSING: DeliveryStatus.PENDING}
    assert messages.lead_of(spam).archive_reason is ArchiveReason.SPAM
    assert deliveries(spam) == {}


def test_an_old_unpaid_order_is_recorded_without_transfer(shop: Shop) -> None:
    order_id = shop.order(age_days=30)
    import_all(shop)
    lead = messages.lead_of(order_id)
    assert (lead.status, lead.no_transfer, deliveries(order_id)) == (NOT_CLOSING, True, {})
    assert [(row.reason, row.actor) for row in lead.history] == [("order_received", "import"), ("expired", "import")]


def test_what_was_recorded_without_transfer_never_gets_a_not_closing_delivery(shop: Shop) -> None:
    order_id = shop.order(age_days=30, product="MK250")
    import_all(shop)
    builders.make_product_list(name="Madu Klanceng", product_id="MK250", not_closing_list_id="104")
    lead_service.attach_waiting_leads(utc_now())
    lead_id = messages.lead_of(order_id).id
    for status in (FOLLOW_UP, NOT_CLOSING):
        lead_service.move(lead_id, status, actor="Rina", note=None, now=utc_now())
    expiry_service.check_expired_leads(None, utc_now() + timedelta(days=30))
    assert messages.lead_of(order_id).product_list_id is not None
    assert deliveries(order_id) == {}


def test_a_later_payment_of_a_recorded_order_goes_to_the_closing_list(shop: Shop) -> None:
    order_id = shop.order(age_days=30)
    import_all(shop)
    messages.take_in(messages.payment(order_id, "paid", utc_now()), utc_now())
    assert leads() == {order_id: CLOSING}
    assert deliveries(order_id) == {CLOSING: DeliveryStatus.PENDING}


def test_by_choice_old_unpaid_orders_are_transferred_and_not_followed_up(shop: Shop) -> None:
    order_id = shop.order(age_days=30)
    import_all(shop, transfer_unpaid=True)
    assert leads() == {order_id: NOT_CLOSING}
    assert not messages.lead_of(order_id).no_transfer
    assert deliveries(order_id) == {NOT_CLOSING: DeliveryStatus.PENDING}


def test_a_second_import_can_transfer_what_the_first_one_only_recorded(shop: Shop) -> None:
    order_id, paid = shop.order(age_days=30), shop.order(age_days=30)
    shop.act(paid, "pay", age_days=29)
    import_all(shop)
    assert state(import_all(shop, transfer_unpaid=True)) == (DONE, 2, 1)
    assert deliveries(order_id) == {NOT_CLOSING: DeliveryStatus.PENDING}
    import_all(shop)
    assert deliveries(order_id) == {NOT_CLOSING: DeliveryStatus.PENDING}


def test_an_old_order_that_waits_for_a_person_or_a_courier_is_not_transferred_later_either(shop: Shop) -> None:
    conflict, cod = shop.order(age_days=30), shop.order(age_days=30, method="cod")
    shop.act(conflict, "conflict", age_days=29)
    shop.act(cod, "confirm", age_days=29)
    import_all(shop)
    assert leads() == {conflict: FOLLOW_UP, cod: FOLLOW_UP}
    assert deliveries(conflict) == deliveries(cod) == {}
    created_at = messages.iso(days_ago(30))
    messages.take_in(messages.payment(conflict, "unpaid", utc_now(), created_at=created_at), utc_now())
    expiry_service.check_expired_leads(None, utc_now())
    assert leads()[conflict] is NOT_CLOSING
    assert deliveries(conflict) == {}


def test_a_lead_that_is_known_already_is_left_as_it_is(shop: Shop) -> None:
    order_id = shop.order(age_days=8)
    lookup_service.keep_order(shop.client.get_order(order_id), utc_now())
    before = len(shop.look_ups())
    assert state(import_all(shop)) == (DONE, 1, 0)
    assert len(shop.look_ups()) == before
    assert leads() == {order_id: FOLLOW_UP}
    assert not messages.lead_of(order_id).no_transfer


def test_the_choice_is_kept_with_each_order_that_was_received_and_not_acted_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded, transferred = shop.order(age_days=30), shop.order(age_days=20)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(event_service, "act_on", die)
    for days, until, choice in ((40, 25, False), (25, 10, True)):
        row = begin(days=days, until=until, transfer_unpaid=choice)
        with pytest.raises(KeyboardInterrupt):
            run(shop, row)
        import_service.cancel(row.id, utc_now())
    monkeypatch.undo()
    event_service.process_due(utc_now())
    assert leads() == {recorded: NOT_CLOSING, transferred: NOT_CLOSING}
    assert deliveries(recorded) == {}
    assert deliveries(transferred) == {NOT_CLOSING: DeliveryStatus.PENDING}


# --- the range ---


def test_only_orders_of_the_range_come_in(shop: Shop) -> None:
    _before, inside, _after = (shop.order(age_days=days) for days in (31, 25, 19.9))
    assert state(import_all(shop, days=30, until=20)) == (DONE, 1, 1)
    assert leads() == {inside: NOT_CLOSING}


def test_days_are_days_of_the_configured_zone() -> None:
    begin, end = import_service.day_range(date(2026, 8, 1), date(2026, 8, 2))
    assert begin == datetime(2026, 7, 31, 17, tzinfo=UTC)
    assert end == datetime(2026, 8, 2, 17, tzinfo=UTC)


@pytest.mark.parametrize(("days", "until"), [(1, 2), (-1, -2)])
def test_a_range_in_which_no_order_can_lie_is_refused(shop: Shop, days: float, until: float) -> None:
    with pytest.raises(UserError):
        begin(days=days, until=until)
    with pytest.raises(UserError):
        import_service.plan(shop.client, days_ago(days), days_ago(until), utc_now())


def test_one_import_runs_at_a_time(shop: Shop) -> None:
    row = begin()
    with pytest.raises(UserError, match="running already"):
        begin()
    import_service.cancel(row.id, utc_now())
    begin()
    with pytest.raises(UserError, match="running already"):
        import_service.resume(row.id, utc_now())


# --- the plan ---


def test_the_plan_counts_what_an_import_would_do_and_looks_nothing_up(shop: Shop) -> None:
    shop.orders(3, age_days=30)
    shop.order(age_days=3)
    shop.order(age_days=30, spam=True)
    shop.order(age_days=30, free=True)
    paid = shop.order(age_days=30)
    shop.act(paid, "pay", age_days=29)
    planned = plan_now(shop)
    assert planned == Plan(paid=2, open=1, unpaid=3, spam=1, is_complete=True)
    assert (planned.orders, planned.to_record, planned.to_transfer) == (7, 7, 3)
    assert (shop.look_ups(), leads()) == ([], {})


def test_the_plan_agrees_with_what_the_import_then_does(shop: Shop) -> None:
    shop.orders(40, age_days=1, spread_days=50)
    planned = plan_now(shop)
    row = import_all(shop)
    assert (row.seen, row.recorded) == (planned.orders, planned.to_record) == (40, 40)
    recorded_only = db.session.scalar(select(func.count()).select_from(Lead).where(Lead.no_transfer))
    assert recorded_only == planned.unpaid
    again = plan_now(shop)
    assert again == Plan(known=40, untransferred=planned.unpaid, is_complete=True)
    assert again.to_transfer == planned.unpaid


def test_the_plan_tells_orders_that_have_changed(shop: Shop) -> None:
    order_id = shop.order(age_days=3)
    import_all(shop)
    shop.act(order_id, "pay")
    assert plan_now(shop) == Plan(changed=1, is_complete=True)


def test_a_plan_may_stop_early_and_says_so(shop: Shop) -> None:
    shop.orders(60, age_days=30)
    seen: list[int] = []
    planned = plan_now(shop, max_pages=2, on_page=lambda plan: seen.append(plan.orders))
    assert (planned.orders, planned.is_complete) == (50, False)
    assert seen == [25, 50]


# --- stopping and going on ---


def test_progress_moves_to_its_end(shop: Shop) -> None:
    shop.orders(120, age_days=1, spread_days=58)
    steps: list[Progress] = []
    row = import_service.run(shop.client, begin().id, on_step=steps.append)
    percents = [step.percent for step in steps]
    assert percents == sorted(set(percents))
    assert len(percents) == 4
    assert [step.seen for step in steps] == [25, 50, 75, 100]
    assert all(step.is_running for step in steps)
    assert import_service.progress(row) == Progress(100, 120, 120, row.reached, DONE, None)


def test_the_newest_import_is_the_one_that_was_begun_last(shop: Shop) -> None:
    assert import_service.newest(5) == []
    first, second = import_all(shop), begin()
    assert [row.id for row in import_service.newest(5)] == [second.id, first.id]
    assert [row.id for row in import_service.newest(1)] == [second.id]
    assert import_service.progress(second).percent == 0


def test_a_cancelled_import_stops_after_its_page_and_can_go_on(shop: Shop) -> None:
    order_ids = shop.orders(60, age_days=30)
    row = begin()
    assert import_service.run_step(shop.client, row.id)
    import_service.cancel(row.id, utc_now())
    assert not import_service.run_step(shop.client, row.id)
    assert state(row) == (CANCELLED, 25, 25)
    before = len(shop.look_ups())
    import_service.resume(row.id, utc_now())
    run(shop, row)
    assert state(row) == (DONE, 60, 60)
    assert len(shop.look_ups()) - before == 35
    assert leads() == dict.fromkeys(order_ids, NOT_CLOSING)


def test_an_import_cancelled_in_the_middle_of_a_page_stays_cancelled(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.orders(30, age_days=30)
    row = begin()
    answer = shop.client.get_order

    def cancel_first(order: str) -> dict[str, object]:
        monkeypatch.undo()
        import_service.cancel(row.id, utc_now())
        return answer(order)

    monkeypatch.setattr(shop.client, "get_order", cancel_first)
    run(shop, row)
    assert state(row) == (CANCELLED, 25, 25)


def test_an_import_killed_in_the_middle_of_a_page_goes_on_and_counts_right(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_ids = shop.orders(60, age_days=30)
    row, answer, asked = begin(), shop.client.get_order, []

    def die_in_the_middle(order: str) -> dict[str, object]:
        asked.append(order)
        if len(asked) == 40:
            raise KeyboardInterrupt
        return answer(order)

    monkeypatch.setattr(shop.client, "get_order", die_in_the_middle)
    with pytest.raises(KeyboardInterrupt):
        run(shop, row)
    assert (len(leads()), state(row)) == (39, (RUNNING, 25, 25))
    run(shop, row)
    assert state(row) == (DONE, 60, 60)
    assert len(asked) == 61
    assert leads() == dict.fromkeys(order_ids, NOT_CLOSING)
    imported = select(func.count()).where(WebhookEvent.source == EventSource.IMPORT)
    assert db.session.scalar(imported) == 60


def test_two_workers_at_the_same_page_count_it_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.orders(30, age_days=30)
    row = begin()
    list_orders = shop.client.list_orders

    def be_overtaken(**filters: object) -> object:
        monkeypatch.undo()
        page = list_orders(**filters)  # type: ignore[arg-type]
        import_service.run_step(shop.client, row.id)
        return page

    monkeypatch.setattr(shop.client, "list_orders", be_overtaken)
    run(shop, row)
    assert state(row) == (DONE, 30, 30)


@pytest.mark.parametrize("mode", FAILURES)
def test_while_scalev_cannot_be_asked_an_import_waits_and_then_goes_on(shop: Shop, mode: str) -> None:
    order_ids = shop.orders(30, age_days=30)
    row = begin()
    assert import_service.run_step(shop.client, row.id)
    shop.switch(mode)
    with pytest.raises(VendorError):
        run(shop, row)
    assert state(row) == (RUNNING, 25, 25)
    assert (import_service.progress(import_service.get(row.id)).problem or "").startswith("ScaleV: ")
    shop.clear_switches()
    assert run(shop, row).problem is None
    assert state(row) == (DONE, 30, 30)
    assert leads() == dict.fromkeys(order_ids, NOT_CLOSING)


@pytest.mark.parametrize("mode", FAILURES)
def test_look_ups_that_fail_hold_the_page_back(shop: Shop, mode: str) -> None:
    order_ids = shop.orders(30, age_days=30)
    row = begin()
    shop.switch(mode, endpoint="order:read")
    with pytest.raises(VendorError):
        run(shop, row)
    assert state(row)[:2] == (RUNNING, 0)
    shop.clear_switches()
    assert state(run(shop, row)) == (DONE, 30, 30)
    assert leads() == dict.fromkeys(order_ids, NOT_CLOSING)


def test_one_order_that_scalev_does_not_hand_out_is_recorded_as_the_list_tells_it(shop: Shop) -> None:
    broken, *others = [shop.order(email=BROKEN, age_days=30), *shop.orders(4, age_days=30)]
    shop.switch("server_error", email=BROKEN)
    assert state(import_all(shop)) == (DONE, 5, 5)
    assert leads() == dict.fromkeys([broken, *others], NOT_CLOSING)
    lead = messages.lead_of(broken)
    assert (lead.no_transfer, lead.email, deliveries(broken)) == (True, BROKEN, {})


def test_an_order_that_is_gone_when_it_is_looked_up_is_left_out(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.order(age_days=30)

    def unknown(_order: str) -> dict[str, object]:
        raise VendorNotFound("ScaleV", "not found")

    monkeypatch.setattr(shop.client, "get_order", unknown)
    assert state(import_all(shop)) == (DONE, 1, 0)


def test_a_place_in_the_list_that_scalev_no_longer_takes_fails_the_import_and_a_resume_begins_anew(shop: Shop) -> None:
    shop.orders(60, age_days=30)
    row = begin()
    import_service.run_step(shop.client, row.id)
    with import_service.transaction():
        import_service.get(row.id).cursor = "forgotten"
    run(shop, row)
    assert state(row) == (FAILED, 25, 25)
    assert import_service.progress(import_service.get(row.id)).problem
    import_service.resume(row.id, utc_now())
    assert state(run(shop, row)) == (DONE, 60, 60)


def test_what_is_done_can_neither_be_cancelled_nor_resumed(shop: Shop) -> None:
    row = import_all(shop)
    for act in (import_service.cancel, import_service.resume):
        with pytest.raises(UserError):
            act(row.id, utc_now())
        with pytest.raises(NotFound):
            act(999, utc_now())
    with pytest.raises(NotFound):
        import_service.get(999)


# --- the job and the command ---


def test_the_job_works_running_imports_off(shop: Shop) -> None:
    shop.orders(30, age_days=30)
    assert jobs.run("import").summary == "import: nothing to do"
    row = begin()
    assert jobs.run("import").summary == f"import: {row.id} done, 30 recorded"
    assert state(row) == (DONE, 30, 30)


def test_after_a_trouble_the_scheduler_leaves_scalev_alone_for_a_while(shop: Shop) -> None:
    assert not import_service.is_due(utc_now())
    begin()
    assert import_service.is_due(utc_now())
    shop.switch("refuse")
    jobs.run("import")
    assert not import_service.is_due(utc_now())
    assert import_service.is_due(utc_now() + import_service.RETRY_AFTER)


def test_the_job_tells_why_it_waits(shop: Shop) -> None:
    row = begin()
    shop.switch("refuse")
    assert "API key" in (jobs.run("import").problem or "")
    assert state(row)[0] == RUNNING


def test_the_job_stops_after_a_page_when_it_is_asked_to(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.orders(30, age_days=30)
    row = begin()
    monkeypatch.setattr(jobs.stopping, "is_set", iter([False, True]).__next__)
    jobs.run("import")
    assert state(row) == (RUNNING, 25, 25)


def command(app: Flask, *arguments: str, answer: str = "") -> tuple[int, str]:
    done = app.test_cli_runner().invoke(args=["import-orders", *arguments], input=answer)
    db.session.rollback()
    return done.exit_code, done.output


def day(days: float) -> str:
    return days_ago(days).astimezone(settings_service.zone()).date().isoformat()


def test_the_command_shows_its_plan_asks_and_shows_progress(app: Flask, shop: Shop) -> None:
    shop.orders(30, age_days=30)
    code, output = command(app, "--since", day(40), "--until", day(20), answer="y\n")
    assert code == 0, output
    assert "30 orders: 30 new, 0 changed, 0 known" in output
    assert "old and unpaid: 30, recorded without transfer; --transfer-unpaid would add 30 buyers to lists" in output
    assert " %  25 orders seen, 25 recorded" in output
    assert output.rstrip().endswith("done: 30 orders seen, 30 recorded")
    assert set(leads().values()) == {NOT_CLOSING}


def test_the_command_does_nothing_when_the_answer_is_no(app: Flask, shop: Shop) -> None:
    shop.order(age_days=30)
    code, _ = command(app, "--since", day(40), answer="n\n")
    assert (code, leads(), import_service.newest(1)) == (1, {}, [])


def test_the_command_says_what_a_transfer_means_before_it_asks(app: Flask, shop: Shop) -> None:
    order_id = shop.order(age_days=30)
    code, output = command(app, "--since", day(40), "--transfer-unpaid", "--yes")
    assert code == 0, output
    assert "their buyers (1) are added to lists; every address that bounces costs 30 credits" in output
    assert deliveries(order_id) == {NOT_CLOSING: DeliveryStatus.PENDING}


def test_the_command_resumes_and_cancels(app: Flask, shop: Shop) -> None:
    shop.orders(30, age_days=30)
    row = begin()
    import_service.run_step(shop.client, row.id)
    assert command(app, "--cancel", str(row.id)) == (0, f"import {row.id} is cancelled\n")
    code, output = command(app, "--resume", str(row.id))
    assert code == 0, output
    assert state(row) == (DONE, 30, 30)
    assert command(app, "--resume", str(row.id))[0] == 1


def test_the_command_stopped_by_ctrl_c_says_how_to_go_on(
    app: Flask, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.orders(30, age_days=30)

    def press_ctrl_c(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_service, "run", press_ctrl_c)
    code, output = command(app, "--since", day(40), "--yes")
    (latest,) = import_service.newest(1)
    assert code == 1
    assert f"import-orders --resume {latest.id}" in output
    assert latest.status == RUNNING


def test_where_a_scheduler_is_active_the_command_watches_it(
    app: Flask, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.order(age_days=30)
    lease_service.acquire("another process", utc_now())
    monkeypatch.setattr("cli.time.sleep", lambda _seconds: jobs.run("import"))
    code, output = command(app, "--since", day(40), "--yes")
    assert code == 0, output
    assert "done: 1 orders seen, 1 recorded" in output


@pytest.mark.parametrize("arguments", [[], ["--resume", "1", "--cancel", "1"], ["--since", "yesterday"]])
def test_the_command_refuses_wrong_usage(app: Flask, arguments: list[str]) -> None:
    assert command(app, *arguments)[0] == 2


def test_the_command_tells_in_one_line_what_scalev_refuses(app: Flask, shop: Shop) -> None:
    shop.switch("refuse")
    code, output = command(app, "--since", day(40), "--yes")
    assert code == 1
    assert output.startswith("Error: ScaleV: ")
