"""The process is killed between every two steps of receive, process, expire, claim, send, settle, then started anew."""

import shutil
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from tests import crashing
from tests.processes import (
    LIST_CLOSING,
    LIST_FOLLOW_UP,
    LIST_NOT_CLOSING,
    MAILKETING_TOKEN,
    SHARED_SECRET,
    VARIANT,
    Program,
    Sandbox,
    email_of,
    environment,
    free_port,
    order_created,
    payment,
    rows,
    wait_until,
    write,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
]

AROUND = ("before", "during", "after")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    server = Sandbox(tmp_path_factory.mktemp("sandbox") / "log")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Path:
    """An instance with a product list, to be copied for each test."""
    instance = tmp_path_factory.mktemp("prepared") / "instance"
    lists = ["--follow-up", LIST_FOLLOW_UP, "--closing", LIST_CLOSING, "--not-closing", LIST_NOT_CLOSING]
    instance.mkdir()
    machine = Machine(instance, sandbox)
    assert machine.run("product-lists", "add", "--name", "Madu", "--product-id", VARIANT, *lists) == 0, machine.log
    return instance


@pytest.fixture
def machine(tmp_path: Path, prepared: Path, sandbox: Sandbox) -> "Machine":
    sandbox.reset()
    shutil.copytree(prepared, tmp_path / "instance")
    return Machine(tmp_path / "instance", sandbox)


class Machine:
    """One instance whose processes come and go."""

    def __init__(self, instance: Path, sandbox: Sandbox) -> None:
        self.instance = instance
        self.log_file = instance.with_name("log")
        keys = {"SCALEV_WEBHOOK_SECRET": SHARED_SECRET, "MAILKETING_API_KEY": MAILKETING_TOKEN}
        self.variables = {**sandbox.variables, **keys}

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def run(self, *arguments: str, crash: tuple[str, str] | None = None) -> int:
        """A command from start to end; gives its exit code, -9 when it was killed."""
        process = crashing.start(environment(self.instance, **self.variables), self.log_file, list(arguments), crash)
        process.join(60)
        assert process.exitcode is not None, "the command hangs"
        return process.exitcode

    @contextmanager
    def serving(self, crash: tuple[str, str] | None = None) -> Iterator["Served"]:
        """`python app.py`; ends by itself when it crashes."""
        port = free_port()
        variables = environment(self.instance, **self.variables, PORT=str(port))
        process = crashing.start(variables, self.log_file, ["app.py"], crash)
        try:
            served = Served(f"http://127.0.0.1:{port}")
            wait_until(lambda: served.is_up() or process.exitcode is not None, "the program", log=lambda: self.log)
            yield served
            if crash:
                process.join(20)
                assert process.exitcode == -signal.SIGKILL, f"it was not killed\n{self.log}"
        finally:
            process.terminate()
            process.join(20)

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        return rows(self.instance, query, *values)

    def let_claims_expire(self) -> None:
        """Six minutes pass, as far as the claims are concerned."""
        earlier = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=6)
        write(
            self.instance,
            "update deliveries set claimed_at = ? where claimed_at is not null",
            earlier.strftime("%Y-%m-%d %H:%M:%S.%f"),
        )

    def is_sound(self) -> bool:
        return self.rows("pragma integrity_check") == [("ok",)] and self.rows("pragma foreign_key_check") == []


class Served:
    """The way into a program that may be killed at any moment."""

    def __init__(self, url: str) -> None:
        self.url = url

    def is_up(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=5).ok
        except requests.ConnectionError:
            return False

    def send(self, body: dict[str, object]) -> str | None:
        """The answer's word, None when the sender was left without one."""
        try:
            answer = Program.send(self, body)  # type: ignore[arg-type]  # needs the address only
        except requests.ConnectionError:
            return None
        assert answer.status_code == 200, answer.text
        word: str = answer.json()["status"]
        return word


@pytest.mark.parametrize("step", ["receive", "process"])
@pytest.mark.parametrize("when", AROUND)
def test_an_order_survives_a_crash_while_it_is_received(
    machine: Machine, sandbox: Sandbox, when: str, step: str
) -> None:
    order = order_created(days_ago=8)
    with machine.serving(crash=(when, step)) as dying:
        assert dying.send(order) is None
    kept = (step, when) not in {("receive", "before"), ("receive", "during")}
    assert machine.rows("select count(*) from webhook_events") == [(int(kept),)]
    with machine.serving() as revived:
        # The sender had no answer, so it sends again; what was kept already must be known.
        assert revived.send(order) == ("duplicate" if kept else "accepted")
    assert machine.run("jobs", "run", "all") == 0
    assert machine.run("jobs", "run", "all") == 0
    assert machine.rows("select status from webhook_events") == [("processed",)]
    assert machine.rows("select status from leads") == [("not_closing",)]
    assert sandbox.subscribers(LIST_NOT_CLOSING) == {email_of(order["data"]["order_id"]): 1}
    assert sandbox.subscribers(LIST_FOLLOW_UP) == {}
    assert machine.is_sound()


@pytest.mark.parametrize("step", ["receive together", "process together"])
@pytest.mark.parametrize("when", AROUND)
def test_orders_that_come_at_the_same_moment_survive_a_crash(
    machine: Machine, sandbox: Sandbox, when: str, step: str
) -> None:
    orders = [order_created(days_ago=8) for _ in range(6)]
    with machine.serving(crash=(when, step)) as dying, ThreadPoolExecutor(len(orders)) as senders:
        assert not any(senders.map(dying.send, orders))
    with machine.serving() as revived:
        kept = machine.rows("select count(*) from webhook_events")[0][0]
        answers = [revived.send(order) for order in orders]
    assert answers.count("duplicate") == kept and answers.count("accepted") == len(orders) - kept
    assert machine.run("jobs", "run", "all") == 0
    assert machine.run("jobs", "run", "all") == 0
    assert machine.rows("select distinct status from webhook_events") == [("processed",)]
    assert machine.rows("select status, count(*) from leads group by status") == [("not_closing", len(orders))]
    assert sandbox.subscribers(LIST_NOT_CLOSING) == {email_of(order["data"]["order_id"]): 1 for order in orders}
    assert machine.is_sound()


@pytest.mark.parametrize("step", ["process", "process what waited"])
@pytest.mark.parametrize("when", AROUND)
def test_a_payment_that_waited_for_its_order_survives_a_crash(
    machine: Machine, sandbox: Sandbox, when: str, step: str
) -> None:
    order = order_created(days_ago=8)
    order_id = order["data"]["order_id"]
    with machine.serving() as program:
        assert program.send(payment(order_id, days_ago=7)) == "accepted"
    with machine.serving(crash=(when, step)) as dying:
        assert dying.send(order) is None
    assert machine.run("jobs", "run", "all") == 0
    assert machine.rows("select status from leads") == [("closing",)]
    assert sandbox.subscribers(LIST_CLOSING) == {email_of(order_id): 1}
    assert sandbox.subscribers(LIST_NOT_CLOSING) == {}
    assert machine.rows("select distinct status from webhook_events") == [("processed",)]


@pytest.mark.parametrize("when", AROUND)
def test_a_lead_survives_a_crash_while_it_expires(machine: Machine, sandbox: Sandbox, when: str) -> None:
    order = order_created(days_ago=8)
    with machine.serving() as program:
        assert program.send(order) == "accepted"
    assert machine.run("jobs", "run", "check-expired-leads", crash=(when, "expire")) == -signal.SIGKILL
    moved = machine.rows("select count(*) from lead_history where to_status = 'not_closing'")[0][0]
    queued = machine.rows("select count(*) from deliveries where role = 'not_closing'")[0][0]
    assert moved == queued == int(when == "after"), "status, history and delivery change together or not at all"
    assert machine.run("jobs", "run", "all") == 0
    assert machine.rows("select count(*) from lead_history where to_status = 'not_closing'") == [(1,)]
    assert sandbox.subscribers(LIST_NOT_CLOSING) == {email_of(order["data"]["order_id"]): 1}


@pytest.mark.parametrize(
    ("when", "step", "calls"),
    [
        # How often Mailketing is called in all: after a crash between send and settle nobody knows whether the first
        # call arrived, so the same address is added once more, which Mailketing counts as one subscriber.
        ("before", "claim", 1),
        ("during", "claim", 1),
        ("after", "claim", 1),
        ("before", "send", 1),
        ("after", "send", 2),
        ("before", "settle", 2),
        ("during", "settle", 2),
        ("after", "settle", 1),
    ],
)
def test_a_delivery_survives_a_crash_at_every_step(
    machine: Machine, sandbox: Sandbox, when: str, step: str, calls: int
) -> None:
    order = order_created()
    with machine.serving() as program:
        assert program.send(order) == "accepted"
    assert machine.run("jobs", "run", "deliver", crash=(when, step)) == -signal.SIGKILL
    assert machine.run("jobs", "run", "deliver") == 0
    machine.let_claims_expire()
    assert machine.run("jobs", "run", "deliver") == 0
    assert machine.run("jobs", "run", "deliver") == 0
    assert machine.rows("select status, tries, claimed_by from deliveries") == [("sent", 1, None)]
    assert list(sandbox.subscribers(LIST_FOLLOW_UP)) == [email_of(order["data"]["order_id"])]
    assert len(sandbox.calls()) == calls
    kinds = [kind for (kind,) in machine.rows("select kind from delivery_attempts order by id")]
    committed_claim = (when, step) not in {("before", "claim"), ("during", "claim"), ("after", "settle")}
    assert kinds == (["interrupted", "ok"] if committed_claim else ["ok"])
    assert machine.is_sound()


def test_a_fresh_claim_of_a_dead_process_is_not_sent_by_another_one_too_soon(
    machine: Machine, sandbox: Sandbox
) -> None:
    with machine.serving() as program:
        assert program.send(order_created()) == "accepted"
    assert machine.run("jobs", "run", "deliver", crash=("before", "send")) == -signal.SIGKILL
    assert machine.run("jobs", "run", "deliver") == 0
    assert machine.rows("select status from deliveries") == [("sending",)]
    assert sandbox.calls() == []


def test_the_second_of_two_orders_of_one_buyer_is_not_stuck_behind_the_crash_of_the_first(
    machine: Machine, sandbox: Sandbox
) -> None:
    first, second = order_created(), order_created()
    second["data"]["destination_address"] = first["data"]["destination_address"]
    with machine.serving() as program:
        assert [program.send(first), program.send(second)] == ["accepted", "accepted"]
    assert machine.run("jobs", "run", "deliver", crash=("before", "send")) == -signal.SIGKILL
    machine.let_claims_expire()
    for _ in range(2):
        assert machine.run("jobs", "run", "deliver") == 0
        write(machine.instance, "update deliveries set next_attempt_at = created_at where status = 'pending'")
    outcomes = machine.rows("select status, reason from deliveries order by status")
    assert outcomes == [("sent", None), ("skipped", "already_on_list")]
    assert list(sandbox.subscribers(LIST_FOLLOW_UP).values()) == [1]


@pytest.mark.parametrize("when", AROUND)
def test_a_crash_while_the_database_is_made_is_mended_by_the_next_start(
    tmp_path: Path, sandbox: Sandbox, when: str
) -> None:
    (tmp_path / "instance").mkdir()
    machine = Machine(tmp_path / "instance", sandbox)
    assert machine.run("settings", "show", crash=(when, "migrate")) == -signal.SIGKILL
    with machine.serving() as program:
        assert program.send(order_created()) == "accepted"
    assert machine.is_sound()
