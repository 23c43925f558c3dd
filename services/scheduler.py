"""The clock that starts the jobs; the only module that knows APScheduler. It never starts by being imported."""

import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask

from services import catalogue_service, import_service, jobs, lease_service, settings_service
from services.clock import utc_now
from services.health_service import SCHEDULER
from services.jobs import Report

logger = logging.getLogger(__name__)

LEASE_SECONDS = 20
DELIVER_SECONDS = 10
PROCESS_SECONDS = 10
IMPORT_SECONDS = 2
LOOK_UP_SECONDS = 60
BULK_SECONDS = 30
RECONCILE_SECONDS = 30 * 60
CATALOGUE_SECONDS = 10

# APScheduler's own defaults skip a run that starts a second late, silently.
_JOB_DEFAULTS = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}


class _News:
    """The last word on each job; a log that repeats it every ten seconds hides what is new."""

    def __init__(self) -> None:
        self._words: dict[str, str | None] = {}

    def is_new(self, name: str, word: str | None) -> bool:
        """Whether the word on a job is another than the last time; None, that all is well, is where each begins."""
        last, self._words[name] = self._words.get(name), word
        return word != last


class Scheduler:
    """Runs the jobs in background threads of this process while it holds the lease."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._owner = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._active = threading.Event()
        self._failures, self._problems = _News(), _News()
        self._threads = ThreadPoolExecutor()
        executors = {"default": self._threads}
        self._clock = BackgroundScheduler(timezone=UTC, job_defaults=_JOB_DEFAULTS, executors=executors)

    def start(self) -> None:
        """Start the clock; every job runs at once and then at its interval."""
        self._renew()
        self._clock.start()
        self._add("lease", self._renew, LEASE_SECONDS)
        self._add("reconcile", self._job("reconcile"), RECONCILE_SECONDS)
        self._add("process-events", self._job("process-events"), PROCESS_SECONDS)
        self._add("look-up", self._job("look-up"), LOOK_UP_SECONDS)
        self._add("bulk", self._job("bulk"), BULK_SECONDS)
        self._add("import", self._import, IMPORT_SECONDS)
        self._add("check-expired-leads", self._job("check-expired-leads"), self._check_seconds())
        self._add("deliver", self._job("deliver"), DELIVER_SECONDS)
        self._add(catalogue_service.JOB, self._refresh_catalogue, CATALOGUE_SECONDS)

    def stop(self) -> None:
        """Let running jobs end, then give the lease back."""
        jobs.stopping.set()
        # The clock waits for its jobs with its lock in hand; one that asks it for something then would wait forever.
        self._clock.pause()
        self._threads.shutdown(wait=True)
        self._clock.shutdown(wait=True)
        jobs.stopping.clear()
        with self._app.app_context():
            lease_service.release(self._owner)

    def _add(self, name: str, function: Callable[[], None], seconds: int) -> None:
        self._clock.add_job(function, "interval", seconds=seconds, id=name, next_run_time=utc_now())

    def _job(self, name: str) -> Callable[[], None]:
        def run() -> None:
            if self._active.is_set():
                self._guarded(lambda: jobs.run(name), name)

        return run

    def _import(self) -> None:
        """Looked at often, because the person who began an import watches its bar."""
        if self._active.is_set():
            self._guarded(_import_if_begun, "import")

    def _refresh_catalogue(self) -> None:
        """Looked at often and run seldom: every six hours, or when somebody asks or an order names unknown goods."""
        if self._active.is_set():
            self._guarded(_refresh_catalogue_if_due, catalogue_service.JOB)

    def _renew(self) -> None:
        """Renew the lease, show a sign of life and follow a changed interval."""
        self._guarded(self._renew_lease, SCHEDULER)

    def _renew_lease(self) -> None:
        now = utc_now()
        if lease_service.acquire(self._owner, now):
            if not self._active.is_set():
                self._active.set()
                self._run_rare_jobs_now()
            jobs.record(SCHEDULER, now, None, None)
        else:
            self._active.clear()
        self._follow_interval()

    def _run_rare_jobs_now(self) -> None:
        """A process that takes over from one that died must not wait half an hour for its first reconcile."""
        for name in ("reconcile", "check-expired-leads"):
            if job := self._clock.get_job(name):
                job.modify(next_run_time=utc_now())

    def _follow_interval(self) -> None:
        job = self._clock.get_job("check-expired-leads")
        if job is not None and job.trigger.interval.total_seconds() != self._check_seconds():
            job.reschedule("interval", seconds=self._check_seconds())

    def _check_seconds(self) -> int:
        with self._app.app_context():
            return settings_service.number("check_interval_minutes") * 60

    def _guarded(self, function: Callable[[], Report | None], name: str) -> None:
        started_at = utc_now()
        with self._app.app_context():
            try:
                report = function()
            except Exception as error:  # the edge of a job: recorded, shown on the dashboard, tried again next time
                self._log_failure(name, error)
                self._record_failure(name, started_at, error)
                return
        if self._failures.is_new(name, None):
            logger.info("job works again", extra={"job": name})
        if report is not None:
            self._log_report(name, report)

    def _log_failure(self, name: str, error: Exception) -> None:
        first_line = str(error).partition("\n")[0]  # below it the database's errors have values that differ each time
        is_new = self._failures.is_new(name, f"{type(error).__name__}: {first_line}")
        logger.log(logging.ERROR if is_new else logging.DEBUG, "job failed", exc_info=is_new, extra={"job": name})

    def _log_report(self, name: str, report: Report) -> None:
        level = logging.DEBUG
        if self._problems.is_new(name, report.problem):
            level = logging.WARNING if report.problem else logging.INFO
        logger.log(level, "job done", extra={"job": name, "summary": report.summary, "problem": report.problem})

    def _record_failure(self, name: str, started_at: datetime, error: Exception) -> None:
        try:
            jobs.record(name, started_at, None, f"{type(error).__name__}: {error}")
        except Exception:  # the database itself fails: the log line above is all there can be
            logger.exception("failure not recorded", extra={"job": name})


def _import_if_begun() -> Report | None:
    return jobs.run("import") if import_service.is_due(utc_now()) else None


def _refresh_catalogue_if_due() -> Report | None:
    return jobs.run(catalogue_service.JOB) if jobs.catalogue_is_due(utc_now()) else None


def wait_for_stop() -> None:
    """Block until the process is asked to stop, by Ctrl-C or SIGTERM."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    while not stopped.wait(1):  # with a time-out, because on Windows a bare wait can't be interrupted
        pass
