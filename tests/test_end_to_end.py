"""The whole job over real sockets: ScaleV's order comes in, the clock runs out or money comes, the buyer is listed.

First with the program as a process; then each way in which a vendor can misbehave, with the commands run in this
process because they are many.
"""

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

from config import DATABASE_FILE, Config
from models import Delivery, DeliveryAttempt, DeliveryStatus, Lead, LeadStatus, WebhookEvent, db, transaction
from services.clock import utc_now
from tests import builders
from tests.processes import (
    EMAIL,
    LIST_CLOSING,
    LIST_FOLLOW_UP,
    LIST_NOT_CLOSING,
    MAILKETING_TOKEN,
    PASSWORD,
    SCALEV_KEY,
    SHARED_SECRET,
    VARIANT,
    Browser,
    Output,
    Program,
    Sandbox,
    email_of,
    order_created,
    phone_of,
    running,
    sign,
    wait_until,
)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    server = Sandbox(tmp_path_factory.mktemp("sandbox") / "log")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shared_program(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Iterator[Program]:
    """One program for the module: every test has its own order, and leaves nothing that is due."""
    keys = {
        "SCALEV_WEBHOOK_SECRET": SHARED_SECRET,
        "SCALEV_API_KEY": SCALEV_KEY,
        "MAILKETING_API_KEY": MAILKETING_TOKEN,
    }
    with running(tmp_path_factory.mktemp("shared") / "instance", **sandbox.variables, **keys) as program:
        lists = ["--follow-up", LIST_FOLLOW_UP, "--closing", LIST_CLOSING, "--not-closing", LIST_NOT_CLOSING]
        added = program.flask("product-lists", "add", "--name", "Madu Hutan 500 ml", "--product-id", VARIANT, *lists)
        assert added.code == 0, added.err
        yield program


@pytest.fixture
def program(shared_program: Program, sandbox: Sandbox) -> Program:
    sandbox.reset()
    sandbox.connect(shared_program)
    return shared_program


def place(sandbox: Sandbox, name: str, **wish: object) -> tuple[str, str]:
    """A buyer of this name orders; gives order id and address."""
    email = email_of(name)
    return sandbox.order(name=name.title(), email=email, phone=phone_of(name), **wish), email


def run_job(program: Program, name: str) -> Output:
    done = program.flask("jobs", "run", name)
    assert done.code == 0, done.err
    return done


def lists_of(sandbox: Sandbox, email: str) -> dict[str, int]:
    """The lists that an address was added to, and how often."""
    everywhere = {
        list_id: sandbox.subscribers(list_id).get(email, 0)
        for list_id in (LIST_FOLLOW_UP, LIST_CLOSING, LIST_NOT_CLOSING)
    }
    return {list_id: times for list_id, times in everywhere.items() if times}


def status_of(program: Program, order_id: str) -> str:
    status: str = program.rows("select status from leads where order_id = ?", order_id)[0][0]
    return status


@pytest.mark.slow
def test_an_unpaid_order_of_eight_days_ends_on_the_not_closing_list_once(program: Program, sandbox: Sandbox) -> None:
    order_id, email = place(sandbox, "siti", age_days=8)
    run_job(program, "check-expired-leads")
    run_job(program, "deliver")
    run_job(program, "all")
    assert status_of(program, order_id) == "not_closing"
    assert lists_of(sandbox, email) == {LIST_NOT_CLOSING: 1}
    scalev_id = program.rows("select scalev_id from leads where order_id = ?", order_id)[0][0]
    assert len(sandbox.calls(f"orders/{scalev_id}")) == 1, "ScaleV was not asked before the lead was moved"


@pytest.mark.slow
def test_an_order_paid_in_between_ends_on_the_closing_list_and_never_on_the_other(
    program: Program, sandbox: Sandbox
) -> None:
    order_id, email = place(sandbox, "ratna", age_days=8)
    sandbox.act(order_id, "pay")
    run_job(program, "check-expired-leads")
    run_job(program, "deliver")
    run_job(program, "all")
    assert status_of(program, order_id) == "closing"
    assert lists_of(sandbox, email) == {LIST_CLOSING: 1}


@pytest.mark.slow
def test_a_payment_whose_webhook_was_lost_is_found_before_the_lead_expires(program: Program, sandbox: Sandbox) -> None:
    order_id, email = place(sandbox, "lina", age_days=8)
    sandbox.connect(program, secret="another secret")  # so that the payment's webhook is refused
    sandbox.act(order_id, "pay")
    run_job(program, "check-expired-leads")
    run_job(program, "deliver")
    assert status_of(program, order_id) == "closing"
    assert lists_of(sandbox, email) == {LIST_CLOSING: 1}


@pytest.mark.slow
def test_a_payment_after_the_transfer_brings_the_buyer_to_the_closing_list(program: Program, sandbox: Sandbox) -> None:
    order_id, email = place(sandbox, "dewi", age_days=9)
    run_job(program, "all")
    sandbox.act(order_id, "pay")
    run_job(program, "deliver")
    assert status_of(program, order_id) == "closing"
    assert lists_of(sandbox, email) == {LIST_NOT_CLOSING: 1, LIST_CLOSING: 1}


@pytest.mark.slow
def test_a_cod_order_on_its_way_is_not_chased_and_closes_when_completed(program: Program, sandbox: Sandbox) -> None:
    order_id, email = place(sandbox, "ayu", age_days=8, method="cod")
    sandbox.act(order_id, "confirm", "process", "ready", "ship")
    run_job(program, "check-expired-leads")
    assert status_of(program, order_id) == "follow_up"
    sandbox.act(order_id, "complete")
    run_job(program, "deliver")
    assert status_of(program, order_id) == "closing"
    assert lists_of(sandbox, email) == {LIST_CLOSING: 1}


@pytest.mark.slow
def test_an_answer_that_comes_while_the_database_is_locked_is_not_asked_for_again(
    program: Program, sandbox: Sandbox
) -> None:
    order_id, email = place(sandbox, "yuni", age_days=8)
    run_job(program, "check-expired-leads")
    sandbox.switch("slow", seconds=1.5, times=1, endpoint="addsubtolist")
    with ThreadPoolExecutor(1) as pool, closing(sqlite3.connect(program.instance / DATABASE_FILE)) as other:
        outbox = pool.submit(program.flask, "jobs", "run", "deliver")
        wait_until(lambda: program.rows("select 1 from deliveries where status = 'sending'"), "the call")
        other.execute("BEGIN IMMEDIATE")
        time.sleep(9)  # the call's rest, and more than SQLite waits for a lock
        other.rollback()
        assert outbox.result().code == 0, outbox.result().err
    assert "the database fails" in outbox.result().err
    program.write("update deliveries set claimed_at = '2020-01-01 00:00:00.000000' where status = 'sending'")
    run_job(program, "deliver")
    assert lists_of(sandbox, email) == {LIST_NOT_CLOSING: 1}
    assert len(sandbox.calls()) == 1
    sent = "select d.status from deliveries d join leads l on l.id = d.lead_id where order_id = ? and role = ?"
    assert program.rows(sent, order_id, "not_closing") == [("sent",)]


@pytest.mark.slow
def test_events_sent_again_change_nothing(program: Program, sandbox: Sandbox) -> None:
    order_id, email = place(sandbox, "wulan", age_days=1)
    sandbox.act(order_id, "pay")
    before = program.rows("select * from lead_history join leads on leads.id = lead_id where order_id = ?", order_id)
    sandbox.replay(order_id=order_id, count=5)
    event_id = program.rows("select min(id) from webhook_events where order_id = ?", order_id)[0][0]
    assert program.flask("events", "replay", str(event_id)).code == 0
    run_job(program, "all")
    after = program.rows("select * from lead_history join leads on leads.id = lead_id where order_id = ?", order_id)
    duplicates = program.rows("select sum(duplicates) from webhook_events where order_id = ?", order_id)[0][0]
    assert duplicates >= 2
    assert len(after) == len(before)
    assert lists_of(sandbox, email) == {LIST_CLOSING: 1}


@pytest.mark.slow
def test_an_order_of_an_unmapped_product_waits_until_its_product_list_is_added(
    program: Program, sandbox: Sandbox
) -> None:
    _, email = place(sandbox, "maya", age_days=8, product="MK250")
    run_job(program, "all")
    assert lists_of(sandbox, email) == {}
    added = program.flask(
        "product-lists", "add", "--name", "Klanceng", "--product-id", "MK250", "--not-closing", LIST_NOT_CLOSING
    )
    assert (added.code, added.err) == (0, "")
    run_job(program, "deliver")
    assert lists_of(sandbox, email) == {LIST_NOT_CLOSING: 1}


@pytest.mark.slow
def test_a_wrong_token_holds_all_deliveries_until_a_good_one_is_saved(program: Program, sandbox: Sandbox) -> None:
    order_id, email = place(sandbox, "putri", age_days=1)
    saved = program.flask("settings", "set", "mailketing_api_key", "-", stdin="f" * 32 + "\n")
    assert saved.code == 0, saved.err
    held = program.flask("jobs", "run", "deliver")
    assert held.code == 1
    assert "Wrong API Token" in held.err
    assert len(held.err.strip().splitlines()) == 1
    assert program.health()[0] == 503
    waiting = "select deliveries.status, tries from deliveries join leads on leads.id = lead_id where order_id = ?"
    assert program.rows(waiting, order_id) == [("pending", 0)]
    program.flask("settings", "set", "mailketing_api_key", "-", stdin=MAILKETING_TOKEN)
    run_job(program, "deliver")
    assert program.health()[0] == 200
    assert lists_of(sandbox, email) == {LIST_FOLLOW_UP: 1}


@pytest.mark.slow
def test_the_program_alone_does_the_whole_job_by_its_clock(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.reset()
    variables = {
        **sandbox.variables,
        "SCALEV_WEBHOOK_SECRET": SHARED_SECRET,
        "MAILKETING_API_KEY": MAILKETING_TOKEN,
        "ADMIN_EMAIL": EMAIL,
        "ADMIN_PASSWORD": PASSWORD,
    }
    with running(tmp_path / "instance", **variables) as program:
        sandbox.connect(program)
        program.flask(
            "product-lists", "add", "--name", "Madu", "--product-id", "MH500", "--not-closing", LIST_NOT_CLOSING
        )
        _, email = place(sandbox, "indah", age_days=8)
    with running(tmp_path / "instance", **variables, SCHEDULER_ENABLED="1") as program:
        wait_until(lambda: lists_of(sandbox, email), "the clock to do it", 30, lambda: program.log)
        health = program.health()[1]
    assert lists_of(sandbox, email) == {LIST_NOT_CLOSING: 1}
    assert health["scheduler"]["last_run"] is not None
    assert health["scheduler"]["late"] is False


@pytest.mark.slow
def test_the_console_s_token_makes_the_first_admin_in_the_browser(tmp_path: Path) -> None:
    with running(tmp_path / "instance") as program, Browser(program.url) as browser, Browser(program.url) as other:
        found = re.search(rf"http://localhost:{program.port}(/setup\?token=\S+)", program.log)
        assert found, program.log
        assert browser.send("/setup", email=EMAIL, password=PASSWORD, token="guessed").status_code == 200
        assert program.rows("select count(*) from users") == [(0,)]
        made = browser.send("/setup", found[1], email=EMAIL, password=PASSWORD, token=found[1].partition("=")[2])
        assert (made.status_code, urlsplit(made.headers["Location"]).path) == (302, "/")
        assert browser.get("/").status_code == 200
        again = other.get(found[1])
        assert (again.status_code, again.headers["Location"]) == (302, "/login")
        assert other.log_in().status_code == 302
        assert other.get("/").status_code == 200
        assert requests.get(f"{program.url}/", allow_redirects=False, timeout=10).status_code == 302


# --- Vendors that misbehave ----------------------------------------------------------------------------------------


@pytest.fixture
def vendors(sandbox: Sandbox) -> Sandbox:
    sandbox.reset()
    return sandbox


@pytest.fixture
def config(tmp_path: Path, vendors: Sandbox) -> Config:
    urls = {name.lower(): url for name, url in vendors.variables.items()}
    return Config(
        instance_path=tmp_path / "instance",
        secret_key="tests",
        scalev_webhook_secret=SHARED_SECRET,
        mailketing_api_key=MAILKETING_TOKEN,
        **urls,
    )


@pytest.fixture
def delivery(app: Flask, client: FlaskClient) -> Delivery:
    """A buyer who is about to be added to the follow-up list."""
    builders.make_product_list(
        product_id=VARIANT, follow_up_list_id=LIST_FOLLOW_UP, not_closing_list_id=LIST_NOT_CLOSING
    )
    receive(client, order_created())
    return db.session.scalars(db.select(Delivery)).one()


def receive(client: FlaskClient, body: dict[str, object]) -> None:
    raw = json.dumps(body).encode()
    answer = client.post("/webhook/scalev", data=raw, headers={"X-Scalev-Hmac-Sha256": sign(raw)})
    assert answer.json == {"status": "accepted"}


def run(app: Flask, name: str = "deliver") -> Output:
    done = app.test_cli_runner().invoke(args=["jobs", "run", name])
    db.session.rollback()
    return Output(done.exit_code, done.stdout, done.stderr)


def make_due(delivery: Delivery) -> None:
    with transaction():
        delivery.next_attempt_at = utc_now()


MAILKETING_FAILURES = {
    # mode: (status, reason, tries, exit code of the run, kind of the attempt)
    "refuse": ("pending", "retry", 1, 1, "retry"),
    "wrong_token": ("pending", "hold", 0, 1, "hold"),
    "failed": ("pending", "unknown", 1, 0, "unknown"),
    "no_credits": ("pending", "hold", 0, 1, "hold"),
    "html": ("pending", "retry", 1, 1, "retry"),
    "redirect": ("pending", "retry", 1, 1, "retry"),
    "rate_limit": ("pending", "retry", 1, 1, "retry"),
    "server_error": ("pending", "retry", 1, 1, "retry"),
    "drop": ("pending", "retry", 1, 1, "retry"),
    "drop_after": ("pending", "retry", 1, 1, "retry"),
    "slow": ("sent", None, 1, 0, "ok"),
}


@pytest.mark.parametrize("mode", MAILKETING_FAILURES)
def test_each_failure_of_mailketing_has_its_status_and_its_exit_code(
    app: Flask, vendors: Sandbox, delivery: Delivery, mode: str
) -> None:
    vendors.switch(mode, seconds=0.5)
    done = run(app)
    attempt = db.session.scalars(db.select(DeliveryAttempt)).one()
    found = (delivery.status.value, delivery.reason, delivery.tries, done.code, attempt.kind)
    assert found == MAILKETING_FAILURES[mode]
    assert len(done.out.strip().splitlines()) == 1
    assert len(done.err.strip().splitlines()) == done.code
    assert MAILKETING_TOKEN not in done.out + done.err + (attempt.answer or "") + (delivery.message or "")


@pytest.mark.parametrize("mode", [mode for mode, expected in MAILKETING_FAILURES.items() if expected[0] == "pending"])
def test_after_any_failure_the_buyer_is_added_once_the_vendor_works_again(
    app: Flask, vendors: Sandbox, delivery: Delivery, mode: str
) -> None:
    vendors.switch(mode)
    run(app)
    assert delivery.status is DeliveryStatus.PENDING
    vendors.clear_switches()
    make_due(delivery)
    assert run(app).code == 0
    assert delivery.status is DeliveryStatus.SENT
    assert list(vendors.subscribers(LIST_FOLLOW_UP)) == [delivery.email]
    run(app, "all")
    assert len(vendors.calls(email=str(delivery.email))) == 2


def test_a_mailketing_that_cannot_be_reached_is_told_by_the_exit_code_after_five_silences(
    app: Flask, client: FlaskClient, vendors: Sandbox, delivery: Delivery
) -> None:
    for _ in range(7):
        receive(client, order_created())
    vendors.switch("drop")
    done = run(app)
    assert done.code == 1
    assert len(done.err.strip().splitlines()) == 1
    assert "does not answer" in done.err
    assert sorted(row.tries for row in db.session.scalars(db.select(Delivery))) == [0] * 3 + [1] * 5


def test_retry_after_is_honoured(app: Flask, vendors: Sandbox, delivery: Delivery) -> None:
    vendors.switch("rate_limit", retry_after=7200)
    before = utc_now()
    run(app)
    assert delivery.next_attempt_at is not None
    assert 7190 <= (delivery.next_attempt_at - before).total_seconds() <= 7300
    vendors.clear_switches()
    run(app)
    assert len(vendors.calls()) == 1, "it was tried before Mailketing wanted it"


def test_an_unknown_refusal_is_tried_three_times_and_kept_word_for_word(
    app: Flask, vendors: Sandbox, delivery: Delivery
) -> None:
    vendors.switch("failed", reason="Kuota Grup Penuh")
    for _ in range(4):
        make_due(delivery)
        run(app)
        if delivery.status is DeliveryStatus.FAILED:
            break
    assert (delivery.status, delivery.reason, delivery.tries) == (DeliveryStatus.FAILED, "gave_up", 3)
    assert delivery.message == "Kuota Grup Penuh"


def test_a_blacklisted_address_fails_for_good_and_is_suppressed(
    app: Flask, client: FlaskClient, vendors: Sandbox, delivery: Delivery
) -> None:
    vendors.switch("failed", reason="Recipient is Blacklisted", times=1)
    assert run(app).code == 0
    assert (delivery.status, delivery.reason) == (DeliveryStatus.FAILED, "refused_address")
    body = order_created()
    data = body["data"]
    data["destination_address"]["email"] = delivery.email
    receive(client, body)
    run(app)
    other = db.session.scalars(db.select(Delivery).where(Delivery.id != delivery.id)).one()
    assert (other.status, other.reason) == (DeliveryStatus.SKIPPED, "suppressed")
    assert len(vendors.calls()) == 1


def test_a_list_that_mailketing_does_not_have_needs_a_person(app: Flask, vendors: Sandbox, delivery: Delivery) -> None:
    assert delivery.lead.product_list is not None
    with transaction():
        delivery.list_id = delivery.lead.product_list.follow_up_list_id = "99999"
    run(app)
    assert (delivery.status, delivery.reason) == (DeliveryStatus.FAILED, "refused_list")


def test_an_address_that_is_on_the_list_already_counts_as_sent(
    app: Flask, vendors: Sandbox, delivery: Delivery
) -> None:
    vendors.switch("drop_after", times=1)
    run(app)
    vendors.switch("already_exists")
    make_due(delivery)
    run(app)
    assert (delivery.status, delivery.reason) == (DeliveryStatus.SENT, "already_on_list")


def test_one_answer_among_silences_is_no_problem_of_the_run(
    app: Flask, client: FlaskClient, vendors: Sandbox, delivery: Delivery
) -> None:
    receive(client, order_created())
    vendors.switch("server_error", times=1)
    done = run(app)
    assert (done.code, done.out) == (0, "deliver: 1 sent, 0 skipped, 1 retry, 0 failed\n")


def test_no_mailketing_key_is_a_problem_only_when_something_waits(app: Flask, delivery: Delivery) -> None:
    with transaction() as session:
        session.execute(db.delete(Delivery))
    app.extensions["config"] = Config(instance_path=app.extensions["config"].instance_path)
    assert run(app).code == 0
    builders.make_delivery(next_attempt_at=utc_now())
    done = run(app)
    assert done.code == 1
    assert "key is missing" in done.err


SCALEV_FAILURES = ("refuse", "wrong_token", "html", "redirect", "rate_limit", "server_error", "drop")


@pytest.fixture
def due_lead(app: Flask, client: FlaskClient) -> Lead:
    """A lead that is due since an hour, while ScaleV is asked before it moves."""
    config = app.extensions["config"]
    app.extensions["config"] = Config(
        instance_path=config.instance_path,
        scalev_webhook_secret=SHARED_SECRET,
        scalev_api_key=SCALEV_KEY,
        scalev_api_url=config.scalev_api_url,
    )
    receive(client, order_created(days_ago=7 + 1 / 24))
    return db.session.scalars(db.select(Lead)).one()


@pytest.mark.parametrize("mode", SCALEV_FAILURES)
def test_a_lead_waits_while_scalev_cannot_be_asked(app: Flask, vendors: Sandbox, due_lead: Lead, mode: str) -> None:
    vendors.switch(mode, vendor="scalev", retry_after=1)
    done = run(app, "check-expired-leads")
    assert (due_lead.status, done.code) == (LeadStatus.FOLLOW_UP, 1)
    assert len(done.out.strip().splitlines()) == len(done.err.strip().splitlines()) == 1
    assert SCALEV_KEY not in done.out + done.err


@pytest.mark.parametrize("mode", SCALEV_FAILURES)
def test_a_lead_moves_a_day_later_though_scalev_cannot_be_asked(
    app: Flask, vendors: Sandbox, due_lead: Lead, mode: str
) -> None:
    with transaction():
        due_lead.due_at = utc_now() - timedelta(hours=25)
    vendors.switch(mode, vendor="scalev", retry_after=1)
    run(app, "check-expired-leads")
    assert due_lead.status is LeadStatus.NOT_CLOSING
    assert due_lead.history[-1].note == "not verified"


def test_an_order_that_scalev_does_not_know_moves_with_a_note(app: Flask, vendors: Sandbox, due_lead: Lead) -> None:
    done = run(app, "check-expired-leads")
    assert (due_lead.status, done.code) == (LeadStatus.NOT_CLOSING, 0)
    assert due_lead.history[-1].note == "not known at ScaleV"
    assert db.session.scalars(db.select(WebhookEvent)).one().order_id == due_lead.order_id
