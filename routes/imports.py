"""The import of past orders: says what it would do, asks, shows how far it is, can be stopped and go on."""

from dataclasses import asdict
from datetime import datetime, timedelta

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString
from flask_login import current_user
from flask_wtf import FlaskForm
from itsdangerous import BadSignature, URLSafeSerializer
from wtforms import BooleanField, DateField
from wtforms.validators import InputRequired

from models_people import OrderImport
from routes import context, wording
from routes.guards import admin_required, declare
from routes.paging import flashed_refusal
from services import import_service, jobs, lease_service
from services.errors import UserError, VendorError
from services.import_plan import Plan
from services.import_service import Progress

bp = declare(Blueprint("imports", __name__, url_prefix="/imports"), admin_required)

# A person waits for the answer, so that the count of a long range goes on in steps of 100 orders.
_PAGES_COUNTED = 4
_SHOWN = 10
_RANGES = {7: lazy_gettext("7 days"), 30: lazy_gettext("30 days"), 90: lazy_gettext("90 days")}
_REQUIRED = InputRequired(lazy_gettext("Choose a day."))
_STATUS: dict[str, tuple[LazyString, tuple[str, str]]] = {
    import_service.RUNNING: (lazy_gettext("Running"), ("azure", "clock")),
    import_service.DONE: (lazy_gettext("Done"), ("green", "check")),
    import_service.CANCELLED: (lazy_gettext("Stopped"), ("secondary", "power")),
    import_service.FAILED: (lazy_gettext("Failed"), ("red", "alert")),
}


class ImportForm(FlaskForm):
    since = DateField(lazy_gettext("From"), [_REQUIRED])
    until = DateField(lazy_gettext("To"), [_REQUIRED])
    transfer_unpaid = BooleanField(lazy_gettext("Also add the buyers of old unpaid orders to their lists"))


@bp.get("")
def index() -> ResponseReturnValue:
    today = context.now().astimezone(context.zone()).date()
    days = request.args.get("days", "")
    length = int(days) if days.isdigit() and int(days) in _RANGES else 30
    return _page(ImportForm(formdata=None, since=today - timedelta(days=length - 1), until=today))


@bp.get("/progress")
def progress() -> ResponseReturnValue:
    """The list alone, which htmx fetches while an import runs."""
    return render_template(
        "_imports.html", imports=_newest(), statuses=_STATUS, is_worked_off=lease_service.is_held(context.now())
    )


@bp.post("")
def begin() -> ResponseReturnValue:
    """Count first, and begin only what was shown and confirmed."""
    form = ImportForm()
    if not form.validate():
        return _page(form)
    since, until = import_service.day_range(form.since.data, form.until.data)
    if "confirmed" not in request.form:
        return _count(form, since, until)
    transfer = form.transfer_unpaid.data
    try:
        import_service.start(since, until, transfer_unpaid=transfer, actor=current_user.email, now=context.now())
    except UserError as error:
        return _page(form, problem=wording.refusal(error))
    flash(gettext("The import has begun. It goes on when you leave this page."), "success")
    return redirect(url_for(".index"))


@bp.post("/<row:import_id>/cancel")
def cancel(import_id: int) -> ResponseReturnValue:
    with flashed_refusal():
        import_service.cancel(import_id, context.now())
        flash(gettext("The import was stopped. What it brought stays, and it can go on."), "success")
    return redirect(url_for(".index"))


@bp.post("/<row:import_id>/resume")
def resume(import_id: int) -> ResponseReturnValue:
    with flashed_refusal():
        import_service.resume(import_id, context.now())
        flash(gettext("The import goes on."), "success")
    return redirect(url_for(".index"))


def _count(form: ImportForm, since: datetime, until: datetime) -> str:
    """Count on from where the page before stopped; what was counted is kept when ScaleV can't be asked."""
    begun = _counted()
    try:
        plan = import_service.plan(jobs.scalev(), since, until, context.now(), begun=begun, max_pages=_PAGES_COUNTED)
    except UserError as error:
        return _page(form, problem=wording.refusal(error))
    except VendorError as error:
        return _page(form, begun, problem=wording.problem(str(error)))
    return _page(form, plan)


def _counted() -> Plan | None:
    """Return the count that the form carries, None when it carries none of ours."""
    try:
        return Plan(**_signer().loads(request.form.get("counted", "")))
    except BadSignature:
        return None


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(str(current_app.secret_key), "import-plan")


def _newest() -> list[tuple[OrderImport, Progress]]:
    return [(row, import_service.progress(row)) for row in import_service.newest(_SHOWN)]


def _page(form: ImportForm, plan: Plan | None = None, problem: str = "") -> str:
    return render_template(
        "imports.html",
        form=form,
        plan=plan,
        counted=_signer().dumps(asdict(plan)) if plan else "",
        problem=problem,
        imports=_newest(),
        statuses=_STATUS,
        ranges=_RANGES,
        is_worked_off=lease_service.is_held(context.now()),
    )
