"""The jobs: what one run does, what it reports, and the sign of life that it leaves."""

from datetime import timedelta

import pytest
import time_machine

from models import AccountHold, DeliveryStatus, Heartbeat, Lead, LeadStatus, db, transaction
from services import jobs, settings_service
from services.errors import VendorAuthError
from services.jobs import Report
from tests import builders, fakes, messages
from tests.builders import NOW
from tests.fakes import FakeMailketing, FakeScalev
from tests.frozen import clock  # noqa: F401 (a fixture)

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app", "clock")]

HONEY = "variant_Pq8-sLw2Zt5YvB1nKc4Xd_7E"


@pytest.fixture
def mailketing(monkeypatch: pytest.MonkeyPatch) -> FakeMailketing:
    """A Mailketing for which a key is saved, reached without any pace."""
    fake = FakeMailketing()
    settings_service.change({"mailketing_api_key": "0" * 32, "calls_per_second": "20"}, NOW)
    monkeypatch.setattr(jobs, "MailketingClient", lambda *_args: fake)
    monkeypatch.setattr(jobs.Pace, "wait", lambda _self: None)
    return fake


@pytest.fixture
def scalev(monkeypatch: pytest.MonkeyPatch) -> FakeScalev:
    fake = FakeScalev()
    settings_service.change({"scalev_api_key": "sk_1"}, NOW)
    monkeypatch.setattr(jobs, "ScalevClient", lambda *_args, **_options: fake)
    return fake


def due_lead(overdue: timedelta = timedelta(days=1)) -> Lead:
    return builders.make_lead(ordered_at=NOW - timedelta(days=7) - overdue)


def due_delivery(**fields: object) -> builders.Delivery:
    listed = builders.make_product_list().id
    return builders.make_delivery(builders.make_lead(status=LeadStatus.NOT_CLOSING, product_list_id=listed), **fields)


def beat(name: str) -> Heartbeat:
    db.session.expire_all()
    return db.session.get_one(Heartbeat, name)


@pytest.mark.parametrize("name", list(jobs.JOBS))
def test_every_job_runs_on_an_empty_database(name: str) -> None:
    report = jobs.run(name)
    assert report.problem is None
    assert report.summary and "\n" not in report.summary
    assert beat(name).succeeded_at == NOW


def test_a_run_leaves_when_it_began_and_how_it_ended(clock: time_machine.Traveller) -> None:  # noqa: F811
    jobs.JOBS["nap"] = lambda _now: clock.shift(5) or Report("rested", None)  # type: ignore[func-returns-value]
    try:
        jobs.run("nap")
    finally:
        del jobs.JOBS["nap"]
    end = NOW + timedelta(seconds=5)
    row = beat("nap")
    assert (row.started_at, row.finished_at, row.succeeded_at, row.summary) == (NOW, end, end, "rested")


def test_a_problem_keeps_the_last_success_and_is_told() -> None:
    jobs.record("deliver", NOW, "fine", None)
    later = NOW + timedelta(hours=1)
    with time_machine.travel(later, tick=False):
        jobs.record("deliver", later, "x" * 900, "broken " * 200)
    row = beat("deliver")
    assert (row.succeeded_at, row.finished_at) == (NOW, later)
    assert (len(row.summary or ""), len(row.error or "")) == (500, 500)


def test_process_events_does_what_is_left_and_attaches_waiting_leads() -> None:
    for _ in range(2):
        messages.receive(messages.created(messages.new_order_id()))
    messages.take_in(messages.created(messages.new_order_id()))
    builders.make_product_list(product_id=HONEY)
    report = jobs.run("process-events")
    assert report == Report("process-events: 2 processed; 1 leads attached")
    assert jobs.run("process-events").summary == "process-events: nothing to do; 0 leads attached"


def test_the_check_moves_due_leads_without_a_key() -> None:
    due_lead()
    assert jobs.run("check-expired-leads").summary.endswith("1 moved, 0 kept, 0 waiting for ScaleV")


def test_the_check_tells_when_scalev_could_not_be_asked(scalev: FakeScalev) -> None:
    due_lead(timedelta(hours=1))
    scalev.error = VendorAuthError("ScaleV", "Invalid API key")
    report = jobs.run("check-expired-leads")
    assert report.problem == "ScaleV: Invalid API key"
    assert report.summary.endswith("0 moved, 0 kept, 1 waiting for ScaleV")


def test_deliver_sends_all_that_is_due(mailketing: FakeMailketing) -> None:
    rows = [due_delivery() for _ in range(5)]
    assert jobs.run("deliver") == Report("deliver: 5 sent, 0 skipped, 0 retry, 0 failed")
    db.session.expire_all()
    assert {row.status for row in rows} == {DeliveryStatus.SENT}
    assert len(mailketing.members["103"]) == 5


def test_deliver_with_several_workers_sends_each_once(mailketing: FakeMailketing) -> None:
    settings_service.change({"delivery_workers": "4"}, NOW)
    for _ in range(25):
        due_delivery()
    assert jobs.run("deliver").summary.startswith("deliver: 25 sent")
    assert (len(mailketing.calls), mailketing.doubles()) == (25, [])


def test_deliver_without_a_key_complains_only_when_something_is_due() -> None:
    assert jobs.run("deliver") == Report("deliver: nothing sent", None)
    due_delivery()
    assert jobs.run("deliver").problem == "The Mailketing API key is missing: save it in Settings."


def test_deliver_gives_stuck_claims_back_first(mailketing: FakeMailketing) -> None:
    due_delivery(status=DeliveryStatus.SENDING, claimed_at=NOW - timedelta(minutes=6), claimed_by="dead")
    assert jobs.run("deliver").summary.startswith("deliver: 1 sent")


def test_deliver_pauses_while_the_account_is_refused(
    mailketing: FakeMailketing,
    clock: time_machine.Traveller,  # noqa: F811
) -> None:
    for _ in range(3):
        due_delivery()
    mailketing.always, mailketing.balance = fakes.NO_CREDITS, 0
    assert jobs.run("deliver").problem == "Mailketing refuses the account: No Credits, Please Top Up"
    report = jobs.run("deliver")
    assert report == Report("deliver: on hold", "Mailketing refuses the account: No Credits, Please Top Up")
    assert len(mailketing.calls) == 1
    mailketing.always, mailketing.balance = None, 100
    clock.shift(60)
    assert jobs.run("deliver").summary.startswith("deliver: 3 sent")


def test_a_new_key_lets_deliveries_go_on_without_asking_for_credits(mailketing: FakeMailketing) -> None:
    due_delivery()
    with transaction() as session:
        session.add(AccountHold(reason="wrong token", since=NOW, checked_at=NOW))
    settings_service.change({"mailketing_api_key": "1" * 32}, NOW)
    assert jobs.run("deliver").summary.startswith("deliver: 1 sent")
    assert mailketing.credit_calls == 0


def test_all_takes_an_order_from_the_inbox_to_the_list_in_one_run(
    mailketing: FakeMailketing, scalev: FakeScalev
) -> None:
    builders.make_product_list(product_id=HONEY)
    order_id = messages.new_order_id()
    data = messages.full_order(order_id, NOW - timedelta(days=8)) | {
        "created_at": messages.iso(NOW - timedelta(days=8))
    }
    messages.receive(messages.envelope("order.created", data))
    scalev.orders[data["id"]] = data
    report = jobs.run("all")
    assert report.problem is None
    assert mailketing.members == {"103": ["siti.rahmawati@example.com"]}
    assert messages.lead_of(order_id).status is LeadStatus.NOT_CLOSING


def test_all_goes_on_after_a_vendor_that_cannot_be_asked(mailketing: FakeMailketing, scalev: FakeScalev) -> None:
    due_lead(timedelta(hours=1))
    due_delivery()
    scalev.error = VendorAuthError("ScaleV", "Invalid API key")
    report = jobs.run("all")
    assert report.problem is not None
    assert "ScaleV: Invalid API key" in report.problem
    assert "1 sent" in report.summary


def test_no_transaction_stays_open_after_a_run(mailketing: FakeMailketing) -> None:
    due_delivery()
    for name in jobs.JOBS:
        jobs.run(name)
        assert not db.session().in_transaction(), name
