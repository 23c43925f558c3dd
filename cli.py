"""The `flask --app app …` commands: thin over the services. Exit 0 done, 1 refused with one line, 2 wrong usage."""

import csv
import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

import click
from flask import Flask, current_app
from flask.cli import AppGroup
from sqlalchemy.exc import SQLAlchemyError

import demo
from models import db
from services import (
    delivery_service,
    event_service,
    exports,
    import_service,
    jobs,
    lead_service,
    lease_service,
    product_list_service,
    schema,
    settings_service,
    user_service,
)
from services.clock import utc_now
from services.errors import UserError, VendorError
from services.import_plan import CREDITS_PER_BOUNCE, Plan
from services.import_service import Progress
from services.product_list_service import Fields
from services.scheduler import Scheduler, wait_for_stop
from services.spreadsheets import safe_cell
from services.statuses import DeliveryStatus, EventStatus, LeadStatus, UserRole

CLI = "command line"
_DAY = click.DateTime(["%Y-%m-%d"])
_SHOW_EVERY = 1000
_FORMAT = click.option("--format", "style", type=click.Choice(["csv", "json"]), default="csv", show_default=True)


class _Guarded(click.Command):
    """Finds a database that fits; refusals are one line on standard error."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            _prepare_database()
            return super().invoke(ctx)
        except (UserError, VendorError) as error:
            raise click.ClickException(str(error)) from error
        except SQLAlchemyError as error:
            raise click.ClickException(f"The database fails: {type(error).__name__}") from error


class Commands(_Guarded, AppGroup):
    """A group of such commands."""


def _prepare_database() -> None:
    """Make the database when there is none; refuse one that another version made."""
    schema.connect().close()
    if schema.is_empty():
        schema.upgrade()
    schema.check()


users = Commands("users", help="Accounts.")
settings = Commands("settings", help="What the Settings page shows.")
product_lists = Commands("product-lists", help="Which product goes to which Mailketing lists.")
leads = Commands("leads", help="Leads.")
job_group = Commands("jobs", help="Jobs, one run now.")
events = Commands("events", help="The inbox.")
deliveries = Commands("deliveries", help="The outbox.")
GROUPS = (users, settings, product_lists, leads, job_group, events, deliveries)


def set_up(app: Flask) -> None:
    """Put the commands into the application."""
    for group in GROUPS:
        app.cli.add_command(group)
    app.cli.add_command(import_orders)
    app.cli.add_command(worker)
    app.cli.add_command(demo_command)


@users.command("create")
@click.argument("email")
@click.option("--role", type=click.Choice([role.value for role in UserRole]), required=True)
def create_user(email: str, role: str) -> None:
    """Make an account; the password comes from standard input or a prompt."""
    user = user_service.create(email, _read_password(), UserRole(role), utc_now())
    click.echo(f"{user.email} {user.role.value}")


@users.command("list")
def list_users() -> None:
    """Show the accounts."""
    for user in user_service.listing():
        click.echo(f"{user.email} {user.role.value}")


@users.command("reset-password")
@click.argument("email")
def reset_password(email: str) -> None:
    """Set a new password, from standard input or a prompt; ends the account's sessions."""
    user_service.reset_password(email, _read_password())
    click.echo(f"{email} has a new password")


@settings.command("show")
def show_settings() -> None:
    """Show all settings; of secrets the last 4 characters."""
    for name in settings_service.SETTINGS:
        click.echo(f"{name}={_shown(name)}")


@settings.command("set")
@click.argument("name")
@click.argument("value")
def set_setting(name: str, value: str) -> None:
    """Change a setting; the value `-` is read from standard input."""
    now = utc_now()
    value = sys.stdin.readline().strip() if value == "-" else value
    settings_service.check(name, value)  # which also refuses an empty key
    settings_service.change({name: value}, now)
    touched = f" ({lead_service.recompute_due(now)} open leads reckoned anew)" if name == "follow_up_days" else ""
    doubt = (
        " (does not look like one: perhaps it is another key)" if settings_service.looks_swapped(name, value) else ""
    )
    click.echo(f"{name}={settings_service.shown(name)}{touched}{doubt}")


@settings.command("end-rotation")
def end_rotation() -> None:
    """Refuse the previous signing secret from now on."""
    settings_service.end_rotation(utc_now())
    click.echo("the previous signing secret is no longer accepted")


@product_lists.command("add")
@click.option("--name", required=True, help="The product's name, by which an order is matched last.")
@click.option("--product-id", required=True, help="A variant's unique_id, a product's id or uuid, or a SKU.")
@click.option("--not-closing", "not_closing_list_id")
@click.option("--follow-up", "follow_up_list_id")
@click.option("--closing", "closing_list_id")
@click.option("--days", "follow_up_days", type=int)
def add_product_list(**values: Any) -> None:
    """Save a product list and attach the leads that waited for it."""
    row, attached = product_list_service.add(Fields(**values), utc_now())
    click.echo(f"{row.id} {row.name}: {attached} waiting leads attached")


@product_lists.command("list")
@_FORMAT
def list_product_lists(style: str) -> None:
    """Show the product lists."""
    _write_rows(exports.PRODUCT_LIST_COLUMNS, exports.product_list_rows(), style)


@leads.command("export")
@click.option("--status", type=click.Choice([status.value for status in LeadStatus]))
@_FORMAT
def export_leads(status: str | None, style: str) -> None:
    """Write the leads to standard output."""
    _write_rows(exports.LEAD_COLUMNS, exports.lead_rows(LeadStatus(status) if status else None), style)


@job_group.command("run")
@click.argument("name", type=click.Choice(list(jobs.JOBS)))
def run_job(name: str) -> None:
    """Do all that is due now, whoever holds the scheduler's lease."""
    report = jobs.run(name)
    click.echo(report.summary)
    if report.problem:
        raise click.ClickException(report.problem)


@events.command("list")
@click.option("--status", type=click.Choice([status.value for status in EventStatus]))
@_FORMAT
def list_events(status: str | None, style: str) -> None:
    """Show the inbox, newest first."""
    _write_rows(exports.EVENT_COLUMNS, exports.event_rows(EventStatus(status) if status else None), style)


@events.command("replay")
@click.argument("event_id", type=int)
def replay_event(event_id: int) -> None:
    """Process an event again."""
    with _silent(event_service.__name__):  # what failed is told below, in one line
        event = event_service.replay(event_id, utc_now())
    click.echo(f"{event.id} {event.status.value} {event.reason or ''}".strip())
    if event.error:
        raise click.ClickException(event.error)


@deliveries.command("list")
@click.option("--status", type=click.Choice([status.value for status in DeliveryStatus]))
@_FORMAT
def list_deliveries(status: str | None, style: str) -> None:
    """Show the outbox, newest first."""
    _write_rows(exports.DELIVERY_COLUMNS, exports.delivery_rows(DeliveryStatus(status) if status else None), style)


@deliveries.command("retry")
@click.argument("delivery_id", type=int, required=False)
@click.option("--all-failed", is_flag=True)
def retry_delivery(delivery_id: int | None, all_failed: bool) -> None:
    """Make one delivery, or all that failed, due now with their tries counted from 0."""
    if all_failed == (delivery_id is not None):
        raise click.UsageError("Give either a delivery's ID or --all-failed.")
    if delivery_id is None:
        click.echo(f"{delivery_service.retry_all_failed(utc_now())} deliveries are due now")
    else:
        delivery_service.retry(delivery_id, utc_now())
        click.echo(f"delivery {delivery_id} is due now")


@click.command("import-orders", cls=_Guarded)
@click.option("--since", type=_DAY, help="First day of the orders, e.g. 2026-01-31.")
@click.option("--until", type=_DAY, help="Last day; today when left out.")
@click.option("--transfer-unpaid", is_flag=True, help="Also add the buyers of old unpaid orders to their lists.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--resume", "resumed_id", type=int, metavar="ID", help="Let a stopped import go on.")
@click.option("--cancel", "cancelled_id", type=int, metavar="ID", help="Stop an import.")
def import_orders(
    since: datetime | None,
    until: datetime | None,
    transfer_unpaid: bool,
    yes: bool,
    resumed_id: int | None,
    cancelled_id: int | None,
) -> None:
    """Import past orders: says what it would do, asks, and shows how far it is. Ctrl-C leaves it resumable."""
    if sum(value is not None for value in (since, resumed_id, cancelled_id)) != 1:
        raise click.UsageError("Give either --since, --resume or --cancel.")
    if cancelled_id is not None:
        import_service.cancel(cancelled_id, utc_now())
        click.echo(f"import {cancelled_id} is cancelled")
        return
    if resumed_id is not None:
        row_id = import_service.resume(resumed_id, utc_now()).id
    else:
        row_id = _plan_import(cast(datetime, since), until, transfer_unpaid, yes)
    _follow_import(row_id)


def _plan_import(since: datetime, until: datetime | None, transfer_unpaid: bool, yes: bool) -> int:
    """Show what an import would do, ask, and begin it."""
    now = utc_now()
    last_day = until.date() if until else now.astimezone(settings_service.zone()).date()
    begin, end = import_service.day_range(since.date(), last_day)
    planned = import_service.plan(jobs.scalev(), begin, end, now, on_page=_show_counting)
    for line in _describe_plan(planned, transfer_unpaid):
        click.echo(line)
    if not yes:
        click.confirm("Begin?", abort=True)
    row = import_service.start(begin, end, transfer_unpaid=transfer_unpaid, actor=CLI, now=utc_now())
    return row.id


def _show_counting(plan: Plan) -> None:
    if plan.orders and plan.orders % _SHOW_EVERY == 0:
        click.echo(f"{plan.orders} orders counted")


def _describe_plan(plan: Plan, transfer_unpaid: bool) -> list[str]:
    price = f"every address that bounces costs {CREDITS_PER_BOUNCE} credits"
    choice = f"their buyers ({plan.to_transfer}) are added to lists; {price}"
    if not transfer_unpaid:
        choice = f"recorded without transfer; --transfer-unpaid would add {plan.to_transfer} buyers to lists"
    return [
        f"{plan.orders} orders: {plan.to_record} new, {plan.changed} changed, {plan.known} known",
        f"  paid: {plan.paid}, added to their closing list",
        f"  within their follow-up days: {plan.open}, added to their follow-up list",
        f"  spam: {plan.spam}, archived",
        f"  old and unpaid: {plan.unpaid}, {choice}",
    ]


def _follow_import(import_id: int) -> None:
    """Show an import's progress; the import is worked off here, or by the scheduler where one is active."""
    click.echo(f"import {import_id} is running")
    try:
        if lease_service.is_held(utc_now()):
            _watch_import(import_id)
        else:
            import_service.run(jobs.scalev(), import_id, on_step=_show_progress)
    except (KeyboardInterrupt, VendorError) as error:
        reason = str(error) or "Stopped."
        again = f"flask --app app import-orders --resume {import_id}"
        raise click.ClickException(f"{reason} The import can go on: {again}") from error
    row = import_service.get(import_id)
    click.echo(f"import {import_id} {row.status}: {row.seen} orders seen, {row.recorded} recorded")
    if row.problem:
        raise click.ClickException(row.problem)


def _watch_import(import_id: int) -> None:
    """Show what the scheduler does, until it has ended."""
    shown = None
    try:
        while (progress := import_service.progress(import_service.get(import_id))).is_running:
            if progress != shown:
                _show_progress(progress)
            shown = progress
            db.session.rollback()  # the next look shall see what was written meanwhile
            time.sleep(1)
    except KeyboardInterrupt as stop:
        cancel = f"flask --app app import-orders --cancel {import_id}"
        raise click.ClickException(f"The import goes on in the background; to stop it: {cancel}") from stop


def _show_progress(progress: Progress) -> None:
    trouble = f" ({progress.problem})" if progress.problem else ""
    click.echo(f"{progress.percent:3d} %  {progress.seen} orders seen, {progress.recorded} recorded{trouble}")


@click.command("worker", cls=_Guarded)
def worker() -> None:
    """Run the scheduled jobs without the web server, until stopped."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    scheduler = Scheduler(app)
    scheduler.start()
    click.echo("worker started; stop it with Ctrl-C")
    wait_for_stop()
    scheduler.stop()


@click.command("demo")
def demo_command() -> None:
    """Serve the program with stand-ins for ScaleV and Mailketing and sample data; no keys needed."""
    demo.run(current_app.extensions["create_app"])


def _shown(name: str) -> str:
    """One key that can't be read any more must not hide the other settings."""
    try:
        return settings_service.shown(name)
    except UserError as error:
        return f"({error})"


def _read_password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


@contextmanager
def _silent(logger_name: str) -> Iterator[None]:
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _write_rows(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], style: str) -> None:
    _WRITERS[style](columns, rows)


def _write_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: safe_cell(value) for name, value in row.items()})


def _write_json(_columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """One object a line inside one array, so that a million leads need no memory."""
    sys.stdout.write("[")
    for number, row in enumerate(rows):
        sys.stdout.write(("," if number else "") + "\n" + json.dumps(row, ensure_ascii=False))
    sys.stdout.write("\n]\n")


_WRITERS: dict[str, Callable[[Sequence[str], Iterable[Mapping[str, Any]]], None]] = {
    "csv": _write_csv,
    "json": _write_json,
}
