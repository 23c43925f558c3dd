"""The jobs by name: plain functions that do all that is due when they start, for the scheduler and for people."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from flask import current_app

from config import Config
from models import Heartbeat, db, transaction
from services import (
    bulk_service,
    catalogue_service,
    delivery_service,
    delivery_worker,
    event_service,
    expiry_service,
    import_service,
    lead_service,
    lookup_service,
    reconcile_service,
    settings_service,
)
from services.clock import utc_now
from services.errors import UserError, VendorError
from services.mailketing_service import MailketingClient
from services.outbox_run import Pace, Run
from services.scalev_service import V3, ScalevClient, shared_pacer

NO_SCALEV_KEY = "The ScaleV API key is missing: save it in Settings."
_HEARTBEAT_LENGTH = 500

# Set when the scheduler is to stop: jobs that may run for hours end after their present page.
stopping = threading.Event()


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did, in one line; `problem` is one line too, when a vendor had to be asked and could not be."""

    summary: str
    problem: str | None = None


def run(name: str) -> Report:
    """Run one job now and leave a sign of life.

    Args:
        name: a key of JOBS.
    """
    started_at = utc_now()
    report = _begin(name, started_at)
    record(name, started_at, report.summary, report.problem)
    return report


def _begin(name: str, now: datetime) -> Report:
    """Run a job on what the database holds now; a read that the caller began earlier would show it as it was then."""
    db.session.rollback()
    return JOBS[name](now)


def record(name: str, started_at: datetime, summary: str | None, problem: str | None) -> None:
    """Write when a job ran and how it ended."""
    now = utc_now()
    with transaction() as session:
        beat = session.merge(Heartbeat(name=name))
        beat.started_at, beat.finished_at = started_at, now
        beat.summary = summary[:_HEARTBEAT_LENGTH] if summary else None
        beat.error = problem[:_HEARTBEAT_LENGTH] if problem else None
        if problem is None:
            beat.succeeded_at = now


def reconcile(now: datetime) -> Report:
    """Read ScaleV's order list for orders and payments whose webhook never came."""
    client = _scalev()
    if client is None:
        return Report("reconcile: no ScaleV key, nothing asked")
    run = reconcile_service.reconcile(client, now, keep_going=_keep_going)
    return Report(f"reconcile: {run.summary()}", run.problem)


def look_up(now: datetime) -> Report:
    """Ask ScaleV for orders that events wait for, and for the handlers of leads."""
    client = _scalev()
    if client is None:
        return Report("look-up: no ScaleV key, nothing asked")
    look_ups = lookup_service.look_up(client, now)
    return Report(f"look-up: {look_ups.summary()}", look_ups.problem)


def import_orders(_now: datetime) -> Report:
    """Work off the imports of past orders that people began."""
    running, client = import_service.running_ids(), _scalev()
    if not running:
        return Report("import: nothing to do")
    if client is None:
        for import_id in running:
            import_service.wait(import_id, NO_SCALEV_KEY)
        return Report("import: waiting", NO_SCALEV_KEY)
    try:
        rows = [import_service.run(client, import_id, keep_going=_keep_going) for import_id in running]
    except VendorError as error:
        return Report("import: waiting for ScaleV", str(error))
    return Report("import: " + ", ".join(f"{row.id} {row.status}, {row.recorded} recorded" for row in rows))


def bulk(now: datetime) -> Report:
    """Go on with what people began to do to many rows and whose page nobody looks at any more."""
    runs = [bulk_service.work_off(run_id, _keep_going) for run_id in bulk_service.abandoned_ids(now)]
    done = ", ".join(f"{run.deed.value} {run.status.value}, {run.done} done" for run in runs)
    return Report(f"bulk: {done or 'nothing to do'}")


def process_events(now: datetime) -> Report:
    """Process events that are left over, and attach leads that wait for a product list that exists by now."""
    counts = event_service.process_due(now, keep_going=_keep_going)
    attached = lead_service.attach_waiting_leads(now)
    done = ", ".join(f"{number} {status}" for status, number in sorted(counts.items())) or "nothing to do"
    return Report(f"process-events: {done}; {attached} leads attached")


def check_expired_leads(now: datetime) -> Report:
    """Move leads that are due to not_closing, after a look-up at ScaleV where a key is saved."""
    check = expiry_service.check_expired_leads(_scalev(), now, keep_going=_keep_going)
    return Report(f"check-expired-leads: {check.summary()}", check.problem)


def deliver(now: datetime) -> Report:
    """Send what is due in the outbox, at the set pace."""
    delivery_worker.release_stuck(now)
    client = _mailketing()
    if client is None:
        missing = "The Mailketing API key is missing: save it in Settings." if delivery_worker.has_due(now) else None
        return Report("deliver: nothing sent", missing)
    if not delivery_worker.ends_hold(client, now):
        hold = delivery_service.hold()
        return Report("deliver: on hold", f"Mailketing refuses the account: {hold.reason if hold else 'unknown'}")
    outbox = Run(now, Pace(settings_service.decimal("calls_per_second")), keep_going=_keep_going)
    _send_in_threads(client, outbox, settings_service.number("delivery_workers"))
    return Report(f"deliver: {outbox.summary()}", outbox.trouble())


def refresh_catalogue(now: datetime) -> Report:
    """List anew what the vendors' accounts hold, as far as keys are saved."""
    refresh = catalogue_service.refresh(_scalev(), _mailketing(), now)
    return Report(f"{catalogue_service.JOB}: {refresh.summary()}", refresh.problem)


def catalogue_is_due(now: datetime) -> bool:
    """Whether the scheduler should run `refresh-catalogue` now."""
    parts = [*catalogue_service.SCALEV_PARTS] if settings_service.text("scalev_api_key") else []
    if settings_service.text("mailketing_api_key"):
        parts.append(catalogue_service.Part.LISTS)
    return catalogue_service.is_due(parts, now)


def run_all(_now: datetime) -> Report:
    """Run every job once, in the order in which an order passes through them; each starts at its own moment."""
    reports = [_begin(name, utc_now()) for name in _ALL]
    problems = [report.problem for report in reports if report.problem]
    return Report("; ".join(report.summary for report in reports), " ".join(problems) or None)


_ALL = ("reconcile", "process-events", "look-up", "import", "bulk", "check-expired-leads", "deliver")
JOBS: dict[str, Callable[[datetime], Report]] = {
    "reconcile": reconcile,
    "process-events": process_events,
    "look-up": look_up,
    "import": import_orders,
    "bulk": bulk,
    "check-expired-leads": check_expired_leads,
    "deliver": deliver,
    catalogue_service.JOB: refresh_catalogue,
    "all": run_all,
}


def _send_in_threads(client: MailketingClient, outbox: Run, workers: int) -> None:
    db.session.rollback()
    if workers == 1:
        delivery_worker.send_due(client, outbox)
        return
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def work(_number: int) -> None:
        with app.app_context():
            delivery_worker.send_due(client, outbox)

    with ThreadPoolExecutor(workers, "deliver") as pool:
        list(pool.map(work, range(workers)))


def _keep_going() -> bool:
    return not stopping.is_set()


def scalev() -> ScalevClient:
    """Return a client for what a person asks of ScaleV.

    Raises:
        UserError: no key is saved.
    """
    client = _scalev()
    if client is None:
        raise UserError(NO_SCALEV_KEY)
    return client


def _scalev() -> ScalevClient | None:
    key = settings_service.text("scalev_api_key")
    if not key:
        return None
    url, version = _config().scalev_api_url, settings_service.text("scalev_api_version") or V3
    return ScalevClient(url, key, version=version, pacer=shared_pacer(url, key, version))


def _mailketing() -> MailketingClient | None:
    key = settings_service.text("mailketing_api_key")
    return MailketingClient(_config().mailketing_api_url, key) if key else None


def _config() -> Config:
    config: Config = current_app.extensions["config"]
    return config
