"""The leads: the list with its filters, saved views and files; one lead, and moving it by hand."""

import tempfile

from flask import Blueprint, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user

from routes import context, filter_labels, lead_files, lead_page
from routes.forms import ARCHIVE, MoveForm
from routes.guards import declare, login_required, only_admins, safe_path
from routes.paging import flashed_refusal, ticked_ids
from services import exports, lead_filters, lead_queries, lead_service, spreadsheets, view_service
from services.statuses import LeadStatus

bp = declare(Blueprint("leads", __name__, url_prefix="/leads"), login_required)

CSV, XLSX = "csv", "xlsx"
_WRITERS = {CSV: spreadsheets.write_csv, XLSX: spreadsheets.write_xlsx}
_MIMETYPES = {CSV: "text/csv", XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}


@bp.get("")
def index() -> ResponseReturnValue:
    wanted, now, zone = lead_queries.find_few(lead_filters.read(request.args)), context.now(), context.zone()
    choices = lead_queries.choices(wanted)
    return render_template(
        "leads.html",
        wanted=wanted,
        page=lead_queries.leads(wanted, request.args.get("cursor"), now, zone),
        counts=lead_queries.tab_counts(wanted, now, zone),
        max_count=lead_queries.MAX_COUNT,
        choices=choices,
        labels=filter_labels.of_leads(wanted, choices),
        hold_of=lead_queries.hold_reason,
        views=view_service.views_of(current_user.id),
    )


@bp.get("/export")
def export() -> ResponseReturnValue:
    """Send the leads that the filters let through, or those that were ticked, as a file; a shop's whole address book
    is for admins."""
    only_admins()
    now, zone = context.now(), context.zone()
    query = lead_queries.all_leads(lead_filters.read(request.args), now, zone, only=ticked_ids())
    style = XLSX if request.args.get("format") == XLSX else CSV
    file = tempfile.TemporaryFile()  # whole before it is sent: half a file would look like all of it
    _WRITERS[style](file, lead_files.heading(), lead_files.rows(exports.leads(query)), zone)
    file.seek(0)
    name = f"leads-{now.astimezone(zone):%Y-%m-%d-%H%M}.{style}"
    answer = send_file(file, _MIMETYPES[style], as_attachment=True, download_name=name)
    answer.headers["Cache-Control"] = "no-store"
    answer.call_on_close(file.close)
    return answer


@bp.post("/views")
def save_view() -> ResponseReturnValue:
    wanted = lead_filters.read(request.form)
    with flashed_refusal():
        view_service.save(current_user.id, request.form.get("name", ""), wanted.args(), context.now())
        flash(gettext("The view was saved."), "success")
    return redirect(url_for(".index", **wanted.args()))


@bp.post("/views/<row:view_id>/delete")
def delete_view(view_id: int) -> ResponseReturnValue:
    view_service.delete_view(current_user.id, view_id)
    flash(gettext("The view was deleted."), "success")
    return redirect(safe_path(request.form.get("next"), url_for(".index")))


@bp.get("/<row:lead_id>")
def detail(lead_id: int) -> ResponseReturnValue:
    return lead_page.render(lead_id)


@bp.post("/<row:lead_id>/move")
def move(lead_id: int) -> ResponseReturnValue:
    form = MoveForm()
    if not form.validate():
        return lead_page.render(lead_id, move=form)
    with flashed_refusal():
        flash(_move(lead_id, form.to.data, form.note.data), "success")
    return redirect(safe_path(request.form.get("next"), url_for(".detail", lead_id=lead_id)))


def _move(lead_id: int, to: str, note: str | None) -> str:
    """Move or archive a lead; return the sentence for what was done."""
    actor, now = current_user.email, context.now()
    if to == ARCHIVE:
        lead_service.archive(lead_id, actor=actor, note=note, now=now)
        return gettext("The lead was archived.")
    lead_service.move(lead_id, LeadStatus(to), actor=actor, note=note, now=now)
    return gettext("The lead was moved.")
