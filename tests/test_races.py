"""Two real processes on one database: every lead moves once, every address is sent once, nothing fails."""

import json
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from config import Config
from models import Delivery, DeliveryStatus, EventStatus, Lead, LeadHistory, LeadStatus, WebhookEvent, db, transaction
from services.clock import utc_now
from tests import builders, messages
from tests.builders import NOW

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]

ROOT = Path(__file__).parent.parent
LEADS = 200
NAMES = ("one", "two")


def race(config: Config, task: str) -> dict[str, Any]:
    """Let two processes do the same at the same time; return what each reports."""
    db.session.rollback()
    folder, url = config.instance_path, config.database_url or "-"
    command = [sys.executable, "-m", "tests.race", str(folder), url, task]
    processes = [subprocess.Popen([*command, name], cwd=ROOT, stderr=subprocess.PIPE) for name in NAMES]
    until = time.monotonic() + 30
    while not all((folder / f"{name}.ready").exists() for name in NAMES):
        assert time.monotonic() < until and all(process.poll() is None for process in processes)
        time.sleep(0.01)
    (folder / "start").touch()
    errors = [process.communicate(timeout=60)[1].decode() for process in processes]
    assert errors == ["", ""], errors[0] + errors[1]
    assert [process.returncode for process in processes] == [0, 0]
    db.session.expire_all()
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in NAMES}


def calls(config: Config) -> list[str]:
    """What both asked of Mailketing; one that came too late for any has no file."""
    files = [config.instance_path / f"{name}.calls" for name in NAMES]
    return [line for file in files if file.exists() for line in file.read_text().splitlines()]


def count(query: Any) -> int:
    return db.session.scalar(select(func.count()).select_from(query)) or 0


def make_due_leads(status: LeadStatus = LeadStatus.FOLLOW_UP) -> list[Lead]:
    product_list = builders.make_product_list()
    leads = []
    with transaction():  # one commit for all
        for number in range(LEADS):
            ordered_at = NOW - timedelta(days=400, minutes=number)
            leads.append(
                builders.make_lead(
                    ordered_at=ordered_at,
                    status=status,
                    product_list_id=product_list.id,
                    phone=None,
                    email=f"buyer{number}@gmail.com",
                )  # fmt: skip
            )
        db.session.flush()
    return leads


def test_200_due_leads_give_exactly_200_moves_and_200_deliveries(config: Config) -> None:
    make_due_leads()
    moved = race(config, "expire")
    assert sum(moved.values()) == LEADS
    assert count(select(Lead.id).where(Lead.status == LeadStatus.NOT_CLOSING).subquery()) == LEADS
    assert count(LeadHistory) == LEADS
    assert count(Delivery) == LEADS


def test_200_deliveries_are_sent_exactly_once_each(config: Config) -> None:
    with transaction():
        for lead in make_due_leads(LeadStatus.NOT_CLOSING):
            builders.make_delivery(lead, next_attempt_at=utc_now() - timedelta(hours=1))
    race(config, "deliver")
    assert sorted(calls(config)) == sorted(f"103 buyer{number}@gmail.com" for number in range(LEADS))
    assert count(select(Delivery.id).where(Delivery.status == DeliveryStatus.SENT).subquery()) == LEADS


def test_deliveries_of_one_address_are_sent_once_by_either_process(config: Config) -> None:
    with transaction():
        for _ in range(30):
            lead = builders.make_lead(status=LeadStatus.NOT_CLOSING, email="siti@gmail.com", phone=None)
            db.session.flush()
            builders.make_delivery(lead, next_attempt_at=utc_now() - timedelta(hours=1))
    race(config, "deliver")
    assert len(calls(config)) == 1
    counts = Counter(db.session.scalars(select(Delivery.status)))
    assert counts[DeliveryStatus.SENT] == 1
    assert counts[DeliveryStatus.SENT] + counts[DeliveryStatus.SKIPPED] + counts[DeliveryStatus.PENDING] == 30


def test_the_same_webhooks_at_both_processes_open_each_lead_once(config: Config) -> None:
    """Half of the messages of an order are new to the process that gets them, half are known by the other's work."""
    bodies = config.instance_path / "bodies"
    bodies.mkdir()
    orders = [messages.new_order_id() for _ in range(60)]
    for number, order_id in enumerate(orders):
        paid = messages.payment(order_id, "paid", messages.ORDERED + timedelta(minutes=1))
        again = messages.updated(order_id, messages.ORDERED + timedelta(minutes=2), payment_status="settled")
        for step, body in enumerate((messages.created(order_id), paid, again)):
            (bodies / f"{number:03d}-{step}").write_bytes(body)
    accepted = race(config, "receive")
    assert sum(accepted.values()) == 3 * len(orders)
    statuses = Counter(db.session.scalars(select(WebhookEvent.status)))
    assert statuses[EventStatus.FAILED] + statuses[EventStatus.DEAD] == 0
    assert count(Lead) == len(orders)
    closings = select(LeadHistory.id).where(LeadHistory.to_status == LeadStatus.CLOSING).subquery()
    assert count(closings) <= len(orders)


def test_the_lease_goes_to_one_of_two(config: Config) -> None:
    assert sorted(race(config, "lease").values()) == [False, True]
