"""The leads: the list, one lead, and moving it by hand."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user

from routes import context, lead_page
from routes.forms import ARCHIVE, MoveForm
from routes.guards import declare, login_required, safe_path
from routes.paging import chosen, flashed_refusal
from services import lead_queries, lead_service
from services.lead_queries import MAX_SEARCH_LENGTH, Tab
from services.statuses import LeadStatus

bp = declare(Blueprint("leads", __name__, url_prefix="/leads"), login_required)


@bp.get("")
def index() -> ResponseReturnValue:
    tab = chosen(Tab)
    search = request.args.get("q", "").strip()[:MAX_SEARCH_LENGTH]
    page = lead_queries.leads(tab, search, request.args.get("cursor"))
    return render_template("leads.html", tab=tab, counts=lead_queries.tab_counts(search), search=search, page=page)


@bp.get("/<row:lead_id>")
def detail(lead_id: int) -> ResponseReturnValue:
    return lead_page.render(lead_id)


@bp.post("/<row:lead_id>/move")
def move(lead_id: int) -> ResponseReturnValue:
    form = MoveForm()
    if not form.validate():
        return lead_page.render(lead_id, move=form)
    with flashed_refusal():
        _move(lead_id, form.to.data, form.note.data)
        flash(gettext("The lead was moved."), "success")
    return redirect(safe_path(request.form.get("next"), url_for(".detail", lead_id=lead_id)))


def _move(lead_id: int, to: str, note: str | None) -> None:
    actor, now = current_user.email, context.now()
    if to == ARCHIVE:
        lead_service.archive(lead_id, actor=actor, note=note, now=now)
    else:
        lead_service.move(lead_id, LeadStatus(to), actor=actor, note=note, now=now)
