"""The clock that starts the jobs: at once, while it holds the lease, and never by being imported."""

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

from models import Heartbeat, Lease, db
from services import jobs, lease_service, scheduler, settings_service
from services.clock import utc_now
from services.jobs import Report
from services.scheduler import Scheduler

ROOT = Path(__file__).parent.parent
NAMES = {"process-events", "check-expired-leads", "deliver"}


class Calls:
    """Which jobs ran."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._changed = threading.Condition()

    def add(self, name: str) -> Report:
        with self._changed:
            self.names.append(name)
            self._changed.notify_all()
        return Report(name)

    def wait_for(self, names: set[str]) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: names <= set(self.names), timeout=10)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    made = Calls()
    monkeypatch.setattr(jobs, "run", made.add)
    return made


@pytest.fixture
def running(app: Flask, calls: Calls) -> Iterator[Scheduler]:
    one = Scheduler(app)
    one.start()
    yield one
    one.stop()


def test_every_job_runs_at_once(running: Scheduler, calls: Calls) -> None:
    assert calls.wait_for(NAMES)


def test_jobs_neither_pile_up_nor_are_skipped_for_being_late(running: Scheduler) -> None:
    for job in running._clock.get_jobs():
        assert (job.misfire_grace_time, job.coalesce, job.max_instances) == (None, True, 1)


def test_it_shows_signs_of_life_and_holds_the_lease(running: Scheduler, calls: Calls) -> None:
    calls.wait_for(NAMES)
    db.session.rollback()
    assert db.session.get_one(Heartbeat, "scheduler").succeeded_at is not None
    assert db.session.get_one(Lease, lease_service.NAME).owner == running._owner


def test_the_lease_is_given_back_at_the_end(app: Flask, calls: Calls) -> None:
    one = Scheduler(app)
    one.start()
    one.stop()
    db.session.rollback()
    assert db.session.get(Lease, lease_service.NAME) is None


def test_without_the_lease_no_job_runs(app: Flask, calls: Calls) -> None:
    lease_service.acquire("another", utc_now())
    one = Scheduler(app)
    one._renew()
    one._job("deliver")()
    assert calls.names == []
    lease_service.release("another")
    one._renew()
    one._job("deliver")()
    assert calls.names == ["deliver"]
    lease_service.acquire(one._owner, utc_now() - timedelta(hours=1))
    lease_service.acquire("another", utc_now())
    one._renew()
    one._job("deliver")()
    assert calls.names == ["deliver"]


def test_a_job_that_raises_is_recorded_and_runs_again(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_name: str) -> Report:
        raise ZeroDivisionError("boom")

    one = Scheduler(app)
    one._renew()
    monkeypatch.setattr(jobs, "run", fail)
    for _ in range(2):
        one._job("deliver")()
    db.session.rollback()
    row = db.session.get_one(Heartbeat, "deliver")
    assert (row.error, row.succeeded_at) == ("ZeroDivisionError: boom", None)


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Level and text of what the scheduler said in a log of the usual level."""
    ours = [record for record in caplog.records if record.name == scheduler.__name__]
    return [(record.levelname, record.getMessage()) for record in ours if record.levelno >= logging.INFO]


def test_a_problem_is_logged_when_it_begins_changes_and_ends(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    problems = [None, "no credits", "no credits", "no credits", "wrong token", "wrong token", None, None]
    told = iter(problems)
    monkeypatch.setattr(jobs, "run", lambda name: Report(name, next(told)))
    one = Scheduler(app)
    one._renew()
    with caplog.at_level(logging.DEBUG):
        for _ in problems:
            one._job("deliver")()
    assert logged(caplog) == [("WARNING", "job done"), ("WARNING", "job done"), ("INFO", "job done")]
    assert [record.__dict__["problem"] for record in caplog.records if record.levelno == logging.WARNING] == [
        "no credits",
        "wrong token",
    ]


def test_a_failure_is_logged_when_it_begins_and_ends(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [True, True, True, False, False]
    states = iter(broken)

    def run(name: str) -> Report:
        if next(states):
            raise ZeroDivisionError("boom")
        return Report(name)

    monkeypatch.setattr(jobs, "run", run)
    one = Scheduler(app)
    one._renew()
    with caplog.at_level(logging.DEBUG):
        for _ in broken:
            one._job("deliver")()
    assert logged(caplog) == [("ERROR", "job failed"), ("INFO", "job works again")]


def test_a_job_that_has_nothing_to_do_does_not_end_its_problem(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reports = iter([Report("import", "ScaleV is silent"), None, Report("import", "ScaleV is silent")])
    monkeypatch.setattr(scheduler, "_import_if_begun", lambda: next(reports))
    one = Scheduler(app)
    one._renew()
    for _ in range(3):
        one._import()
    assert logged(caplog) == [("WARNING", "job done")]


def test_a_changed_interval_is_followed(running: Scheduler, app: Flask) -> None:
    settings_service.change({"check_interval_minutes": "5"}, utc_now())
    running._renew()
    job = running._clock.get_job("check-expired-leads")
    assert job.trigger.interval == timedelta(minutes=5)


def test_importing_it_starts_nothing() -> None:
    code = "import threading, app, services.scheduler; print(threading.active_count())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_a_sign_of_life_comes_more_often_than_the_lease_runs_out() -> None:
    assert timedelta(seconds=2 * scheduler.LEASE_SECONDS) < lease_service.LIFE
