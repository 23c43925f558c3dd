"""One deed on many rows: says how many first, asks, works them off piece by piece and tells what became of them."""

import time
from collections.abc import Callable
from dataclasses import replace

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user

from models import DeliveryStatus
from models_people import BulkRun
from routes import context, wording
from routes.guards import declare, login_required, only_admins, safe_path
from routes.paging import flashed_refusal, ticked_ids
from services import bulk_service, lead_filters, lead_queries
from services.bulk_service import MAX_ROWS
from services.errors import NotFound, UserError
from services.log_queries import INBOX, OUTBOX
from services.statuses import BulkDeed

bp = declare(Blueprint("bulk", __name__, url_prefix="/bulk"), login_required)

ALL, EXPORT = "all", "export"
_ADMIN_DEEDS = (BulkDeed.REPLAY_EVENTS,)
_AREAS = {
    **dict.fromkeys(wording.LEAD_DEED, "leads.index"),
    BulkDeed.RETRY_DELIVERIES: "deliveries.index",
    BulkDeed.REPLAY_EVENTS: "events.index",
}
_STEP_SECONDS = 1.0  # how long a person may wait for the next sign of progress
_NOT_CARRIED = {"csrf_token", "count", "note"}


@bp.get("/new")
def new() -> ResponseReturnValue:
    """Show what would be done, and to how many."""
    if request.args.get("do") == EXPORT:
        only_admins()
        return _preview_export()
    return _preview(_deed())


@bp.post("")
def begin() -> ResponseReturnValue:
    """Do what was shown; show it again when it would be something else by now."""
    deed = _deed()
    ids = _ids(deed)
    if request.form.get("count") != str(len(ids)):
        flash(gettext("Meanwhile it is another number. Please look again."), "warning")
        return _preview(deed)
    try:
        run = bulk_service.start(deed, ids, actor=current_user.email, note=request.form.get("note"), now=context.now())
    except UserError as error:
        flash(wording.refusal(error), "danger")
        return redirect(_back(_AREAS[deed]))
    bulk_service.work_off(run.id, _for_a_moment())
    return redirect(url_for(".show", run_id=run.id))


@bp.get("/<row:run_id>")
def show(run_id: int) -> ResponseReturnValue:
    return _report(_own_run(run_id), "bulk_run.html")


@bp.post("/<row:run_id>/step")
def step(run_id: int) -> ResponseReturnValue:
    """Go on for a moment."""
    _own_run(run_id)
    run = bulk_service.work_off(run_id, _for_a_moment())
    if "HX-Request" in request.headers:
        return _report(run, "_bulk_run.html")
    return redirect(url_for(".show", run_id=run_id))


@bp.post("/<row:run_id>/stop")
def stop(run_id: int) -> ResponseReturnValue:
    _own_run(run_id)
    with flashed_refusal():
        bulk_service.stop(run_id, context.now())
    return redirect(url_for(".show", run_id=run_id))


def _deed() -> BulkDeed:
    try:
        deed = BulkDeed(request.values.get("do", ""))
    except ValueError:
        abort(400)
    if deed in _ADMIN_DEEDS:
        only_admins()
    return deed


def _ids(deed: BulkDeed) -> list[int]:
    """Return the rows that are meant: those that were ticked, or all that the filters let through."""
    if _means_all():
        return _FINDERS.get(deed, _lead_ids)(deed)
    return ticked_ids()[:MAX_ROWS]


def _means_all() -> bool:
    return request.values.get("scope") == ALL


def _lead_ids(deed: BulkDeed) -> list[int]:
    wanted = lead_filters.read(request.values)
    if deed is BulkDeed.RETRY_LEADS:
        wanted = replace(wanted, delivery=DeliveryStatus.FAILED)
    return lead_queries.lead_ids(wanted, MAX_ROWS, context.now(), context.zone())


_FINDERS: dict[BulkDeed, Callable[[BulkDeed], list[int]]] = {
    BulkDeed.RETRY_DELIVERIES: lambda deed: OUTBOX.ids(OUTBOX.read(request.values), MAX_ROWS),
    BulkDeed.REPLAY_EVENTS: lambda deed: INBOX.ids(INBOX.read(request.values), MAX_ROWS),
}


def _preview(deed: BulkDeed) -> ResponseReturnValue:
    ids = _ids(deed)
    if not ids:
        return _nothing_chosen(_AREAS[deed])
    tabs = lead_queries.tabs_of(ids) if deed in wording.LEAD_DEED else {}
    return render_template(
        "bulk_new.html", deed=deed, ids=ids, tabs=tabs, carried=_carried(), max_rows=MAX_ROWS, back=_back(_AREAS[deed])
    )


def _preview_export() -> ResponseReturnValue:
    wanted, ids = lead_filters.read(request.args), [] if _means_all() else ticked_ids()[:MAX_ROWS]
    if not ids and not _means_all():
        return _nothing_chosen("leads.index")
    return render_template(
        "bulk_export.html",
        count=len(ids) or lead_queries.count(wanted, context.now(), context.zone()),
        args=wanted.args() | ({"id": ids} if ids else {}),
        back=_back("leads.index"),
    )


def _nothing_chosen(area: str) -> ResponseReturnValue:
    flash(gettext("Nothing is chosen."), "warning")
    return redirect(_back(area))


def _carried() -> list[tuple[str, str]]:
    """Return what the confirming form sends again, so that it means the same rows."""
    return [(name, text) for name, text in request.values.items(multi=True) if name not in _NOT_CARRIED]


def _for_a_moment() -> Callable[[], bool]:
    end = time.monotonic() + _STEP_SECONDS
    return lambda: time.monotonic() < end


def _own_run(run_id: int) -> BulkRun:
    """Return a run to the person who began it, and to admins."""
    run = bulk_service.get(run_id)
    if run.actor != current_user.email and not current_user.is_admin:
        raise NotFound("There is no such run.")
    return run


def _report(run: BulkRun, template: str) -> str:
    return render_template(template, run=run, leads=bulk_service.lead_ids(run), back=url_for(_AREAS[run.deed]))


def _back(area: str) -> str:
    """Return the list whose button was pressed."""
    return safe_path(request.values.get("next"), url_for(area))
