"""The program was down while ScaleV went on: it ends with exactly the right leads, without one webhook."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import (
    LIST_CLOSING,
    LIST_FOLLOW_UP,
    LIST_NOT_CLOSING,
    MAILKETING_TOKEN,
    ROOT,
    SCALEV_KEY,
    SHARED_SECRET,
    Sandbox,
    environment,
    rows,
    run_flask,
    running,
    wait_until,
    write,
)

pytestmark = pytest.mark.slow

PRODUCT = "Madu Hutan 500 ml"
# ScaleV allows 100 calls in 10 seconds: 500 orders can't be looked up in less than a minute.
A_WHILE = 180.0


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    server = Sandbox(tmp_path_factory.mktemp("sandbox") / "log")
    yield server
    server.stop()


@pytest.fixture
def variables(sandbox: Sandbox) -> dict[str, str]:
    sandbox.reset()
    keys = {"SCALEV_WEBHOOK_SECRET": SHARED_SECRET, "SCALEV_API_KEY": SCALEV_KEY}
    return {**sandbox.variables, **keys}


@pytest.fixture
def instance(tmp_path: Path, variables: dict[str, str]) -> Path:
    """An instance with a product list, and no process."""
    instance = tmp_path / "instance"
    instance.mkdir()
    lists = ["--follow-up", LIST_FOLLOW_UP, "--closing", LIST_CLOSING, "--not-closing", LIST_NOT_CLOSING]
    added = run_flask(instance, "product-lists", "add", "--name", PRODUCT, "--product-id", "madu", *lists, **variables)
    assert added.code == 0, added.err
    return instance


def create(sandbox: Sandbox, count: int, **wish: object) -> list[str]:
    """Orders come in at ScaleV, and no webhook is sent."""
    order_ids: list[str] = sandbox._call("POST", "orders/bulk", {"count": count, **wish})["order_ids"]
    return order_ids


def act(sandbox: Sandbox, order_ids: list[str], action: str) -> None:
    for order_id in order_ids:
        sandbox._call("POST", f"orders/{order_id}/{action}", {"emit": False})


def statuses(instance: Path) -> dict[str, str]:
    return dict(rows(instance, "select order_id, status from leads"))


def has_reconciled(instance: Path) -> bool:
    mark = "select succeeded_at from heartbeats where name = 'reconcile-mark'"
    return rows(instance, f"{mark} and succeeded_at > datetime('now', '-1 hour')") != []


def pretend_a_day_off(instance: Path) -> None:
    """The last good run was a day ago."""
    moved = "update heartbeats set succeeded_at = strftime('%Y-%m-%d %H:%M:%f000', 'now', '-1 day')"
    write(instance, f"{moved} where name = 'reconcile-mark'")
    assert not has_reconciled(instance)


def test_500_orders_created_and_paid_while_the_program_was_down(
    instance: Path, sandbox: Sandbox, variables: dict[str, str]
) -> None:
    known = create(sandbox, 2, age_days=2)
    with running(instance, **variables, SCHEDULER_ENABLED="1") as program:
        wait_until(lambda: has_reconciled(instance), "the first reconcile", log=lambda: program.log)
    assert statuses(instance) == dict.fromkeys(known, "follow_up")
    pretend_a_day_off(instance)

    orders = create(sandbox, 500, spread_days=0.5, email="pembeli{n}@gmail.com")
    paid, spam = [*orders[:490], known[0]], orders[490:492]
    act(sandbox, paid, "pay")
    act(sandbox, spam, "spam")
    with running(instance, **variables, SCHEDULER_ENABLED="1") as program:
        wait_until(lambda: has_reconciled(instance), "the reconcile", A_WHILE, log=lambda: program.log)

    expected = {**dict.fromkeys([*known, *orders], "follow_up"), **dict.fromkeys(paid, "closing")}
    assert statuses(instance) == expected
    archived = rows(instance, "select order_id from leads where archive_reason = 'spam'")
    assert {order_id for (order_id,) in archived} == set(spam)
    assert rows(instance, "select distinct source, status from webhook_events") == [("reconcile", "processed")]
    complete = "select count(*) from leads where email is not null and product_list_id is not null"
    assert rows(instance, f"{complete} and handler_name is not null") == [(502,)]
    queued = rows(instance, "select count(*) from deliveries where role = 'closing' and status = 'pending'")
    assert queued == [(len(paid),)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_reconcile_that_is_killed_in_the_middle_is_completed_by_the_next(
    instance: Path, sandbox: Sandbox, variables: dict[str, str]
) -> None:
    orders = create(sandbox, 80)
    act(sandbox, orders[:40], "pay")
    killed = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "app", "jobs", "run", "reconcile"],
        cwd=ROOT,
        env=environment(instance, **variables),
    )
    wait_until(lambda: len(statuses(instance)) >= 10, "the first leads")
    killed.kill()
    killed.wait()
    assert len(statuses(instance)) < 80
    assert not has_reconciled(instance)

    done = run_flask(instance, "jobs", "run", "reconcile", **variables)
    assert done.code == 0, done.err
    assert statuses(instance) == {
        **dict.fromkeys(orders[:40], "closing"),
        **dict.fromkeys(orders[40:], "follow_up"),
    }
    assert rows(instance, "select count(*) from lead_history where from_status is null") == [(80,)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_an_import_that_is_killed_in_the_middle_is_finished_by_the_job(
    instance: Path, sandbox: Sandbox, variables: dict[str, str]
) -> None:
    orders = create(sandbox, 80, age_days=30, spread_days=10)
    arguments = ["import-orders", "--since", "2020-01-01", "--yes"]
    killed = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "app", *arguments],
        cwd=ROOT,
        env=environment(instance, **variables),
        stdout=subprocess.DEVNULL,
    )
    wait_until(lambda: len(statuses(instance)) >= 30, "the first leads")
    killed.kill()
    killed.wait()
    assert rows(instance, "select status from order_imports") == [("running",)]

    for job in ("import", "process-events"):  # an order that was stored when the kill came is the inbox's to finish
        done = run_flask(instance, "jobs", "run", job, **variables)
        assert done.code == 0, done.err
    assert rows(instance, "select status, seen, recorded from order_imports") == [("done", 80, 80)]
    assert statuses(instance) == dict.fromkeys(orders, "not_closing")
    assert rows(instance, "select count(*) from deliveries") == [(0,)]


def test_with_a_mailketing_key_nobody_is_added_twice(
    instance: Path, sandbox: Sandbox, variables: dict[str, str]
) -> None:
    """Webhook and reconcile tell of the same orders."""
    variables = {**variables, "MAILKETING_API_KEY": MAILKETING_TOKEN}
    with running(instance, **variables) as program:
        sandbox.connect(program)
        order_ids = [sandbox.order(email=f"pembeli{number}@gmail.com") for number in range(5)]
        act(sandbox, order_ids, "pay")
        for _ in range(2):
            done = program.flask("jobs", "run", "all")
            assert done.code == 0, done.err
    assert statuses(instance) == dict.fromkeys(order_ids, "closing")
    assert sandbox.subscribers(LIST_CLOSING) == {f"pembeli{number}@gmail.com": 1 for number in range(5)}
    assert sandbox.subscribers(LIST_FOLLOW_UP) == sandbox.subscribers(LIST_NOT_CLOSING) == {}
