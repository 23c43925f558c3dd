"""The contract's command line: every command, its exit codes, its output; the commonest ones as real processes."""

import csv
import io
import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from config import Config
from models import ArchiveReason, DeliveryStatus, EventStatus, LeadStatus, Lease, User, WebhookEvent, db, transaction
from services import settings_service, user_service
from services.clock import utc_now
from services.errors import UserError
from tests import builders
from tests.processes import ROOT, SHARED_SECRET, Output, environment, order_created, run_flask

LEAD_COLUMNS = "order_id,status,name,email,phone,product,total,created_at,due_at,archived".split(",")
DELIVERY_COLUMNS = "order_id,role,list_id,email,status,reason,attempts".split(",")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(instance_path=tmp_path / "instance", secret_key="tests", scalev_webhook_secret=SHARED_SECRET)


@pytest.fixture
def run(app: Flask) -> Any:
    """Run a command in this process; whatever it ends with, it says it in the way of the contract."""

    def run(*arguments: str, stdin: str = "") -> Output:
        done = app.test_cli_runner().invoke(args=arguments, input=stdin)
        db.session.rollback()
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        check_manners(Output(done.exit_code, done.stdout, done.stderr))
        return Output(done.exit_code, done.stdout, done.stderr)

    return run


def check_manners(done: Output) -> None:
    """0 says nothing on standard error, 1 says one line there, 2 explains the usage."""
    assert done.code in {0, 1, 2}, done
    assert "Traceback" not in done.out + done.err
    if done.code == 0:
        assert done.err == ""
    if done.code == 1:
        assert len(done.err.strip().splitlines()) == 1, done.err
    if done.code == 2:
        assert "Usage:" in done.err


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


# --- Usage ------------------------------------------------------------------------------------------------------------

WRONG_USAGE = [
    "users create",
    "users create a@example.com",
    "users create a@example.com --role boss",
    "users nonsense",
    "users reset-password",
    "settings set",
    "settings set timezone",
    "settings set a b c",
    "settings show more",
    "product-lists add",
    "product-lists add --name A",
    "product-lists add --product-id A",
    "product-lists add --name A --product-id B --days soon",
    "product-lists list --format xml",
    "leads export --status open",
    "leads export --format xls",
    "leads export more",
    "jobs run",
    "jobs run nonsense",
    "jobs run deliver all",
    "events replay",
    "events replay first",
    "events list --status new",
    "deliveries retry",
    "deliveries retry 1 --all-failed",
    "deliveries retry one",
    "deliveries list --status open",
    "worker --nonsense",
]


@pytest.mark.parametrize("arguments", WRONG_USAGE)
def test_wrong_usage_ends_with_2(run: Any, arguments: str) -> None:
    assert run(*arguments.split()).code == 2


REFUSED = [
    ("users reset-password nobody@example.com", "kopi susu gula aren"),
    ("users create not-an-address --role cs", "kopi susu gula aren"),
    ("users create a@example.com --role cs", "short"),
    ("users create a@example.com --role cs", ""),
    ("users create a@example.com --role cs", "x" * 300),
    ("settings set nonsense 1", ""),
    ("settings set previous_webhook_secret abc", ""),
    ("settings set follow_up_days 0", ""),
    ("settings set follow_up_days 366", ""),
    ("settings set follow_up_days seven", ""),
    ("settings set follow_up_days -", "1e2"),
    ("settings set check_interval_minutes 0", ""),
    ("settings set timezone Asia/Atlantis", ""),
    ("settings set timezone ../../etc/passwd", ""),
    ("settings set canceled_policy forget", ""),
    ("settings set calls_per_second NaN", ""),
    ("settings set scalev_api_key -", "a\x07b"),
    ("settings set scalev_webhook_secret sk_demo_foo", ""),
    ("product-lists add --name A --product-id B --days 0", ""),
    ("product-lists add --name A --product-id B --not-closing 1/../2", ""),
    ("events replay 4711", ""),
    ("deliveries retry 4711", ""),
]


@pytest.mark.parametrize(("arguments", "stdin"), REFUSED)
def test_what_is_refused_ends_with_1_and_one_line(run: Any, arguments: str, stdin: str) -> None:
    done = run(*arguments.split(), stdin=stdin)
    assert done.code == 1
    assert done.out == ""


@pytest.mark.parametrize("options", ["--name= --product-id=B", "--name=A --product-id="])
def test_a_product_list_needs_its_name_and_id(run: Any, options: str) -> None:
    assert run("product-lists", "add", *options.split()).code == 1


# --- Accounts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_an_account_gets_the_password_of_standard_input_without_its_line_end(run: Any, app: Flask, ending: str) -> None:
    assert run("users", "create", "Siti@Example.com", "--role", "cs", stdin=f" kopi susu {ending}").code == 0
    user = user_service.authenticate("siti@example.com", " kopi susu ", "127.0.0.1", utc_now())
    assert user.role.value == "cs"
    with pytest.raises(UserError):
        user_service.authenticate("siti@example.com", "kopi susu", "127.0.0.1", utc_now())


def test_an_account_is_made_once(run: Any) -> None:
    create = ("users", "create", "a@example.com", "--role", "admin")
    assert run(*create, stdin="kopi susu gula").code == 0
    assert run("users", "create", "A@example.com", "--role", "cs", stdin="kopi susu gula").code == 1
    assert run("users", "list").out.strip() == "a@example.com admin"


def test_a_new_password_replaces_the_old_one_and_ends_sessions(run: Any, app: Flask) -> None:
    user = builders.make_user("a@example.com")
    session_id = user.get_id()
    assert run("users", "reset-password", "a@example.com", stdin="a new password\n").code == 0
    assert user_service.for_session(session_id) is None
    assert user_service.authenticate("a@example.com", "a new password", "127.0.0.1", utc_now())
    assert db.session.scalars(db.select(User)).one().password_hash.startswith("scrypt:")


# --- Settings ---------------------------------------------------------------------------------------------------------


def test_settings_are_shown_by_name_and_secrets_by_their_last_four(run: Any) -> None:
    run("settings", "set", "scalev_api_key", "sk_live_0123456789abcdef")
    shown = run("settings", "show").out
    names = [line.partition("=")[0] for line in shown.splitlines()]
    assert {
        "scalev_api_key",
        "scalev_webhook_secret",
        "mailketing_api_key",
        "follow_up_days",
        "check_interval_minutes",
        "timezone",
        "canceled_policy",
    } <= set(names)
    assert "sk_live_0123456789" not in shown
    assert SHARED_SECRET not in shown
    assert re.search(r"^scalev_api_key=\W*cdef$", shown, re.MULTILINE)
    assert "follow_up_days=7" in shown.splitlines()
    assert "timezone=Asia/Jakarta" in shown.splitlines()


def test_a_short_secret_is_not_shown_at_all(run: Any) -> None:
    run("settings", "set", "scalev_api_key", "sk_def")
    assert "_def" not in run("settings", "show").out


def test_a_key_that_looks_like_another_is_saved_and_doubted(run: Any) -> None:
    assert run("settings", "set", "scalev_api_key", "sk_def").out == "scalev_api_key=••••\n"
    done = run("settings", "set", "scalev_api_key", "abcdef")
    assert (done.code, settings_service.text("scalev_api_key")) == (0, "abcdef")
    assert "perhaps it is another key" in done.out


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("follow_up_days", "14"),
        ("check_interval_minutes", "5"),
        ("timezone", "Asia/Makassar"),
        ("canceled_policy", "archive"),
        ("calls_per_second", "0.5"),
    ],
)
def test_a_setting_stays_as_it_was_set(run: Any, name: str, value: str) -> None:
    assert run("settings", "set", name, value).out.startswith(f"{name}={value}")
    assert f"{name}={value}" in run("settings", "show").out.splitlines()
    assert run("settings", "set", name, "-", stdin=f"{value}\n").code == 0


def test_a_secret_comes_from_standard_input_and_never_goes_out_again(run: Any, app: Flask) -> None:
    done = run("settings", "set", "scalev_webhook_secret", "-", stdin="a brand new secret\n")
    assert (done.code, "brand new" in done.out) == (0, False)
    assert settings_service.webhook_secrets(utc_now())["current"] == "a brand new secret"


def test_a_new_signing_secret_keeps_the_old_one_for_72_hours_or_until_told(run: Any, app: Flask) -> None:
    run("settings", "set", "scalev_webhook_secret", "second secret")
    soon, later = utc_now() + timedelta(hours=71), utc_now() + timedelta(hours=73)
    assert settings_service.webhook_secrets(soon) == {"current": "second secret", "previous": SHARED_SECRET}
    assert settings_service.webhook_secrets(later) == {"current": "second secret"}
    assert run("settings", "end-rotation").code == 0
    assert settings_service.webhook_secrets(utc_now()) == {"current": "second secret"}


def test_new_follow_up_days_are_counted_for_open_leads(run: Any, app: Flask) -> None:
    lead = builders.make_lead()
    assert "1 open leads" in run("settings", "set", "follow_up_days", "3").out
    assert lead.due_at - lead.follow_up_start == timedelta(days=3)


# --- Product lists ----------------------------------------------------------------------------------------------------


def test_a_product_list_is_added_once_and_listed(run: Any) -> None:
    options = "--name Madu --product-id V1 --not-closing 103 --follow-up 101 --closing 102 --days 5".split()
    assert run("product-lists", "add", *options).code == 0
    assert run("product-lists", "add", *options).code == 1
    row = table(run("product-lists", "list").out)[0]
    assert (row["name"], row["product_id"], row["follow_up"], row["closing"], row["not_closing"], row["days"]) == (
        "Madu",
        "V1",
        "101",
        "102",
        "103",
        "5",
    )
    assert json.loads(run("product-lists", "list", "--format", "json").out)[0]["product_id"] == "V1"


# --- Leads ------------------------------------------------------------------------------------------------------------


def test_leads_have_the_contract_s_columns_first_in_both_formats(run: Any) -> None:
    lead = builders.make_lead(product_name='Kopi, "Gayo"\n200 g', name="Siti, S.Kom.")
    text = run("leads", "export").out
    assert text.splitlines()[0].split(",")[:10] == LEAD_COLUMNS
    row = table(text)[0]
    assert (row["order_id"], row["status"], row["name"]) == (lead.order_id, "follow_up", "Siti, S.Kom.")
    assert (row["product"], row["total"], row["archived"]) == ('Kopi, "Gayo"\n200 g', "149724.00", "")
    assert row["phone"].isdigit()
    document = json.loads(run("leads", "export", "--format", "json").out)
    assert list(document[0])[:10] == LEAD_COLUMNS
    assert document[0]["created_at"] == row["created_at"]


def test_leads_are_chosen_by_status_and_archived_ones_carry_their_reason(run: Any) -> None:
    builders.make_lead(status=LeadStatus.CLOSING)
    spam = builders.make_lead(archived_at=builders.NOW, archive_reason=ArchiveReason.SPAM)
    assert len(table(run("leads", "export").out)) == 2
    only = table(run("leads", "export", "--status", "follow_up").out)
    assert [(row["order_id"], row["archived"]) for row in only] == [(spam.order_id, "spam")]
    assert table(run("leads", "export", "--status", "not_closing").out) == []


def test_events_that_wait_for_their_order_are_no_leads(run: Any) -> None:
    builders.make_event(status=EventStatus.WAITING)
    assert table(run("leads", "export").out) == []
    assert json.loads(run("leads", "export", "--format", "json").out) == []


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\n"])
def test_no_cell_of_a_csv_is_a_formula_and_json_is_left_alone(run: Any, start: str) -> None:
    hostile = f"{start}cmd|' /C calc'!A0"
    lead = builders.make_lead(name=hostile, product_name=hostile, store_name=hostile, handler_name=hostile)
    builders.make_delivery(lead, message=hostile)
    for command in ("leads export", "deliveries list"):
        cells = [cell for row in table(run(*command.split()).out) for cell in row.values()]
        assert f"'{hostile}" in cells
        assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\n"))] == []
    assert json.loads(run("leads", "export", "--format", "json").out)[0]["name"] == hostile


# --- Jobs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["check-expired-leads", "deliver", "process-events", "all"])
def test_a_job_with_nothing_to_do_says_so_in_one_line(run: Any, name: str) -> None:
    done = run("jobs", "run", name)
    assert done.code == 0
    assert len(done.out.splitlines()) == 1


def test_a_job_does_all_that_is_due_whoever_holds_the_lease(run: Any, app: Flask) -> None:
    with transaction() as session:
        session.add(Lease(name="scheduler", owner="another", until=utc_now() + timedelta(hours=1)))
    leads = [builders.make_lead(due_at=utc_now() - timedelta(minutes=1)) for _ in range(30)]
    assert "30 moved" in run("jobs", "run", "check-expired-leads").out
    assert {lead.status for lead in leads} == {LeadStatus.NOT_CLOSING}


# --- Inbox and outbox -------------------------------------------------------------------------------------------------


def test_events_are_listed_without_bodies_and_replayed_by_number(run: Any, app: Flask) -> None:
    event = builders.make_event(status=EventStatus.DEAD, tries=7, body=json.dumps(order_created("261122X")).encode())
    builders.make_event()
    assert [row["id"] for row in table(run("events", "list", "--status", "dead").out)] == [str(event.id)]
    assert len(json.loads(run("events", "list", "--format", "json").out)) == 2
    assert "pembeli261122X" not in run("events", "list").out
    assert run("events", "replay", str(event.id)).code == 0
    assert db.session.get_one(WebhookEvent, event.id).status is EventStatus.PROCESSED


def test_an_event_that_fails_again_is_a_refusal(run: Any, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    event = builders.make_event(body=json.dumps(order_created()).encode())
    monkeypatch.setattr("services.lead_service.apply_order", lambda *_: 1 / 0)
    done = run("events", "replay", str(event.id))
    assert done.code == 1
    assert "ZeroDivisionError" in done.err


def test_a_real_replay_that_fails_says_one_line(app: Flask, config: Config) -> None:
    order = order_created()
    lead = builders.make_lead(order_id=order["data"]["order_id"])
    event = builders.make_event(body=json.dumps(order).encode())
    with transaction():
        lead.news = ["no news at all"]
    done = run_flask(config.instance_path, "events", "replay", str(event.id))
    check_manners(done)
    assert (done.code, "TypeError" in done.err or "AttributeError" in done.err) == (1, True)


def test_deliveries_have_the_contract_s_columns_first_in_both_formats(run: Any) -> None:
    delivery = builders.make_delivery(tries=2)
    text = run("deliveries", "list").out
    assert text.splitlines()[0].split(",")[:7] == DELIVERY_COLUMNS
    row = table(text)[0]
    assert [row[name] for name in DELIVERY_COLUMNS] == [
        delivery.lead.order_id,
        "not_closing",
        "103",
        delivery.email,
        "pending",
        "",
        "2",
    ]
    assert list(json.loads(run("deliveries", "list", "--format", "json").out)[0])[:7] == DELIVERY_COLUMNS
    assert table(run("deliveries", "list", "--status", "failed").out) == []


@pytest.mark.parametrize("status", [DeliveryStatus.FAILED, DeliveryStatus.PENDING, DeliveryStatus.SKIPPED])
def test_a_retry_makes_a_delivery_due_now_with_its_tries_at_0(run: Any, status: DeliveryStatus) -> None:
    tomorrow = utc_now() + timedelta(days=1)
    delivery = builders.make_delivery(status=status, tries=5, next_attempt_at=tomorrow, reason="retry")
    assert run("deliveries", "retry", str(delivery.id)).code == 0
    assert (delivery.status, delivery.tries) == (DeliveryStatus.PENDING, 0)
    assert delivery.next_attempt_at is not None
    assert delivery.next_attempt_at <= utc_now()


@pytest.mark.parametrize(
    "status", [DeliveryStatus.SENT, DeliveryStatus.SENDING, DeliveryStatus.CANCELLED, DeliveryStatus.BLOCKED]
)
def test_a_retry_of_what_can_t_be_retried_is_refused(run: Any, status: DeliveryStatus) -> None:
    delivery = builders.make_delivery(status=status)
    assert run("deliveries", "retry", str(delivery.id)).code == 1
    assert delivery.status is status


def test_all_failed_ones_are_retried_and_no_others(run: Any) -> None:
    failed = [builders.make_delivery(status=DeliveryStatus.FAILED, next_attempt_at=None) for _ in range(3)]
    skipped = builders.make_delivery(status=DeliveryStatus.SKIPPED)
    assert run("deliveries", "retry", "--all-failed").code == 0
    assert [row.status for row in (*failed, skipped)] == [DeliveryStatus.PENDING] * 3 + [DeliveryStatus.SKIPPED]


# --- As real processes ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_commands_keep_their_manners_as_processes(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    made = run_flask(instance, "db", "upgrade")
    assert made.code == 0
    assert "Traceback" not in made.err
    expected = {
        ("users", "create", "a@example.com", "--role", "admin"): 0,
        ("users", "reset-password", "b@example.com"): 1,
        ("jobs", "run", "nonsense"): 2,
        ("leads", "export"): 0,
    }
    for arguments, code in expected.items():
        done = run_flask(instance, *arguments, stdin="kopi susu gula aren\n")
        check_manners(done)
        assert done.code == code, done


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"this is no database, whatever its name says" * 100, None])
def test_a_database_that_can_t_be_used_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "instance" / "scalevxmailketing.db"
    file.parent.mkdir()
    file.mkdir() if content is None else file.write_bytes(content)
    done = run_flask(tmp_path / "instance", "users", "list")
    assert done.code == 1
    check_manners(done)


@pytest.mark.slow
def test_an_export_into_a_pipe_that_closes_is_no_trouble(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    command = [sys.executable, "-m", "flask", "--app", "app", "leads", "export"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(instance), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.slow
def test_migrating_a_database_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = run_flask(tmp_path / "instance", "db", "upgrade", DATABASE_URL="postgres://user@127.0.0.1:1/leads")
    assert done.code == 1
    check_manners(done)
