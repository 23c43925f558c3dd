"""How long the dashboard takes over many leads on SQLite: `python bench/dashboard.py [--leads 100000]`.

Prints one table and ends with 1 when the limit is broken. See bench/README.md.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, only bench/ itself would be found

import flask_migrate  # noqa: E402
from flask.testing import FlaskClient  # noqa: E402
from sqlalchemy import insert  # noqa: E402

from app import create_app  # noqa: E402
from config import Config  # noqa: E402
from models import Lead, LeadStatus, db, transaction  # noqa: E402
from services.clock import utc_now  # noqa: E402
from tests import builders  # noqa: E402

LEADS = 100_000
DAYS = 180  # over which they were ordered
BATCH = 5_000
RUNS = 7
LIMIT_MS = 300.0
PERIODS = {"today": "/?days=1", "7 days": "/?days=7", "30 days": "/?days=30", "90 days": "/?days=90"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, default=LEADS)
    leads = parser.parse_args().leads
    with shop(leads) as client:
        return report(leads, {name: measure(client, url) for name, url in PERIODS.items()})


@contextmanager
def shop(leads: int) -> Iterator[FlaskClient]:
    """A program with so many leads, and somebody who is logged in."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Config(instance_path=Path(folder), secret_key="bench"))
        with app.app_context():
            flask_migrate.upgrade()
            fill(leads)
            email = builders.make_user().email
        client = app.test_client()
        log_in(client, email)
        yield client


def fill(leads: int) -> None:
    """Write leads as a shop of half a year has them: of eight CS and thirty products, a third of them paid."""
    product_list = builders.make_product_list()
    rows = made_up(leads, product_list.id, utc_now())
    indexes = Lead.__table__.indexes  # made afterwards: with them in place a million leads take ten times as long
    for index in indexes:
        index.drop(db.engine)
    while batch := list(islice(rows, BATCH)):
        with transaction() as session:
            session.execute(insert(Lead), batch)
    for index in indexes:
        index.create(db.engine)


def made_up(leads: int, product_list_id: int, now: datetime) -> Iterator[dict[str, Any]]:
    chance = random.Random(1)  # noqa: S311 (the same leads in each run)
    for number in range(leads):
        ordered_at = now - chance.random() * timedelta(days=DAYS)
        due_at = ordered_at + timedelta(days=7)
        others = LeadStatus.NOT_CLOSING if due_at < now else LeadStatus.FOLLOW_UP
        status = LeadStatus.CLOSING if chance.random() < 0.35 else others
        paid_at = ordered_at + (now - ordered_at) * chance.random() * 0.1
        ended_at = {LeadStatus.CLOSING: paid_at, LeadStatus.NOT_CLOSING: due_at}.get(status)
        yield {
            **{"order_id": f"order{number}", "product_list_id": product_list_id, "version": 1, "no_transfer": False},
            **{"status": status, "status_changed_at": ended_at or ordered_at, "ended_at": ended_at},
            **{"follow_up_start": ordered_at, "due_at": due_at, "ordered_at": ordered_at},
            **{
                "payment_status": "paid" if status is LeadStatus.CLOSING else "unpaid",
                "payment_method": "bank_transfer",
            },
            **{"gross_revenue": Decimal(chance.randint(50, 500) * 1000), "name": f"Budi {number}"},
            **{"product_name": f"Produk {chance.randint(1, 30)}", "handler_name": f"CS {chance.randint(1, 8)}"},
            **{"email": f"budi{number}@gmail.com", "phone": f"62812{number:08d}", "field_stamps": {}, "news": []},
            **{"created_at": ordered_at, "updated_at": ordered_at},
        }


def log_in(client: FlaskClient, email: str) -> None:
    page = client.get("/login").get_data(as_text=True)
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    answer = client.post("/login", data={"csrf_token": token, "email": email, "password": builders.PASSWORD})
    assert answer.status_code == 302, answer.status


def measure(client: FlaskClient, url: str) -> float:
    """The median time of a whole page in milliseconds, after one that warms up."""
    times = []
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        assert client.get(url).status_code == 200
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times[1:])


def report(leads: int, medians: dict[str, float]) -> int:
    print(f"The dashboard over {leads:,} leads, SQLite; median of {RUNS} whole pages, limit {LIMIT_MS:.0f} ms")
    for name, median in medians.items():
        print(f"  {name:<8} {median:7.0f} ms")
    return int(max(medians.values()) > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
