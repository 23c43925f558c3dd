"""SIGTERM at an awkward moment: the process ends soon, and nothing is left half done."""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.processes import (
    LIST_FOLLOW_UP,
    MAILKETING_TOKEN,
    SHARED_SECRET,
    VARIANT,
    Program,
    Sandbox,
    email_of,
    order_created,
    running,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")]

SLOW = 2.0
WORKER = ("-m", "flask", "--app", "app", "worker")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    server = Sandbox(tmp_path_factory.mktemp("sandbox") / "log")
    yield server
    server.stop()


@pytest.fixture
def variables(sandbox: Sandbox) -> dict[str, str]:
    return {**sandbox.variables, "SCALEV_WEBHOOK_SECRET": SHARED_SECRET, "MAILKETING_API_KEY": MAILKETING_TOKEN}


@pytest.fixture
def waiting(tmp_path: Path, variables: dict[str, str]) -> tuple[Path, str]:
    """An instance with three deliveries that are due, and the address of the first."""
    with running(tmp_path / "instance", **variables) as program:
        lists = ["--name", "Madu", "--product-id", VARIANT, "--follow-up", LIST_FOLLOW_UP]
        added = program.flask("product-lists", "add", *lists)
        assert added.code == 0, added.err
        orders = [order_created() for _ in range(3)]
        assert [program.send(order).status_code for order in orders] == [200] * 3
    return tmp_path / "instance", email_of(orders[0]["data"]["order_id"])


@pytest.mark.parametrize("arguments", [("app.py",), WORKER], ids=["app.py", "worker"])
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_delivery_under_way_is_settled_before_the_process_ends(
    waiting: tuple[Path, str], sandbox: Sandbox, variables: dict[str, str], arguments: tuple[str, ...], stop: int
) -> None:
    instance, email = waiting
    sandbox.reset()
    sandbox.switch("slow", seconds=SLOW)
    program = Program(instance, arguments, **variables, SCHEDULER_ENABLED="1")
    try:
        sending = "select count(*) from deliveries where status = 'sending'"
        wait_until(lambda: program.rows(sending) == [(1,)], "a delivery under way", log=lambda: program.log)
        begin = time.monotonic()
        program.process.send_signal(stop)
        code = program.wait(15)
        took = time.monotonic() - begin
    finally:
        program.kill()
    assert code == 0, program.log
    assert took < SLOW + 5
    assert "Traceback" not in program.log
    states = dict(program.rows("select status, count(*) from deliveries group by status"))
    assert states.get("sending", 0) == 0, states
    assert sandbox.subscribers(LIST_FOLLOW_UP).get(email, 0) == 1
    assert states["sent"] == len(sandbox.calls()) < 3, "the run goes on after it was asked to stop"
    assert program.rows("select count(*) from leases") == [(0,)]


def test_a_webhook_under_way_is_answered_before_the_process_ends(tmp_path: Path, variables: dict[str, str]) -> None:
    with running(tmp_path / "instance", **variables) as program:
        order = order_created()
        answers: list[Any] = []

        def send() -> None:
            try:
                answers.append(program.send(order).json()["status"])
            except requests.ConnectionError:
                answers.append(None)

        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        program.terminate()
        for thread in threads:
            thread.join()
        assert program.wait(10) == 0
    kept = program.rows("select status from webhook_events")
    if "accepted" in answers or "duplicate" in answers:
        assert len(kept) == 1
    assert answers.count("accepted") <= 1


def test_an_idle_process_ends_at_once(tmp_path: Path, variables: dict[str, str]) -> None:
    with running(tmp_path / "instance", **variables, SCHEDULER_ENABLED="1") as program:
        begin = time.monotonic()
        program.terminate()
        assert program.wait(10) == 0
        assert time.monotonic() - begin < 8  # seconds, on a busy machine
        assert "Traceback" not in program.log
