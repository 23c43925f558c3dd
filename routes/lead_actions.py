"""What people do about one lead: WhatsApp, notes, snoozes, results, and repairs of the buyer's e-mail and phone."""

from collections.abc import Callable
from datetime import date, timedelta

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user
from flask_wtf import FlaskForm

from models import Lead
from routes import context, lead_page, wording
from routes.chase_forms import ContactDeed, ContactForm, EmailForm, PhoneForm
from routes.filters import weekday_moment
from routes.forms import focus_first_mistake
from routes.guards import declare, login_required, safe_path
from services import buyer_service, contact_service, lead_queries, message_texts
from services.contact_service import JustContacted
from services.errors import NotFound, UserError
from services.statuses import ChaseStep, ContactKind

bp = declare(Blueprint("lead_actions", __name__, url_prefix="/leads/<row:lead_id>"), login_required)

_SEE_OTHER = 303


@bp.post("/whatsapp")
def open_chat(lead_id: int) -> ResponseReturnValue:
    """Log the click and lead on to WhatsApp. By POST, so that no link checker or prefetch counts as a click.

    WhatsApp's own address can't be redirected to from here: the content security policy keeps forms on this site, and
    wa.me itself leads on to addresses that nobody can list.
    """
    step = _chosen_step()
    try:
        contact = contact_service.open_chat(
            lead_id, step, actor=current_user.email, now=context.now(), anyway="anyway" in request.form
        )
    except JustContacted as error:
        people = contact_service.names_of([error.contact.actor])
        lead = lead_queries.lead(lead_id)
        return render_template("chat_warning.html", lead=lead, step=step, chat=error.contact, people=people)
    except NotFound:
        raise
    except UserError as error:
        return render_template("chat_refused.html", lead=lead_queries.lead(lead_id), sentence=wording.refusal(error))
    return redirect(url_for(".chat", lead_id=lead_id, contact_id=contact.id), _SEE_OTHER)


@bp.get("/whatsapp/<row:contact_id>")
def chat(lead_id: int, contact_id: int) -> ResponseReturnValue:
    """Lead on to WhatsApp with the text that was logged; it sends nothing by itself."""
    contact, lead = contact_service.contact(lead_id, contact_id), lead_queries.lead(lead_id)
    if contact is None or contact.kind is not ContactKind.WHATSAPP or lead.phone is None:
        abort(404)
    return render_template("chat.html", lead=lead, url=message_texts.chat_url(lead.phone, contact.text or ""))


@bp.post("/contact")
def contact(lead_id: int) -> ResponseReturnValue:
    form = ContactForm()
    if form.validate():
        try:
            return _DEEDS[form.deed](lead_id, form)
        except NotFound:
            raise
        except UserError as error:
            field = form.day if form.deed in _DAY_DEEDS else form.note
            field.errors = [wording.refusal(error)]
    return _refused(lead_id, form) if "HX-Request" in request.headers else lead_page.render(lead_id, contact=form)


@bp.get("/called-off")
def called_off(lead_id: int) -> ResponseReturnValue:
    """Offer what may follow when the buyer does not want it any more."""
    lead = lead_queries.lead(lead_id)
    return render_template("lead_called_off.html", lead=lead, back=_back(lead_id, request.args.get("next")))


@bp.post("/wake")
def wake(lead_id: int) -> ResponseReturnValue:
    contact_service.wake(lead_id, now=context.now())
    flash(gettext("The lead is in the queue again."), "success")
    return redirect(_back(lead_id, request.form.get("next")))


@bp.post("/email")
def email(lead_id: int) -> ResponseReturnValue:
    return _repair(lead_id, "email", EmailForm(), buyer_service.repair_email)


@bp.post("/phone")
def phone(lead_id: int) -> ResponseReturnValue:
    return _repair(lead_id, "phone", PhoneForm(), buyer_service.repair_phone)


def _repair(lead_id: int, name: str, form: FlaskForm, repair: Callable[..., None]) -> ResponseReturnValue:
    if form.validate():
        try:
            repair(lead_id, form[name].data, actor=current_user.email, now=context.now())
        except NotFound:
            raise
        except UserError as error:
            form[name].errors = [wording.refusal(error)]
        else:
            flash(gettext("Repaired. What waited for it goes on now."), "success")
            return redirect(_back(lead_id, request.form.get("next")))
    return lead_page.render(lead_id, **{name: form})


def _refused(lead_id: int, form: ContactForm) -> ResponseReturnValue:
    """Return the form alone, for htmx to put it back where its button was pressed, be it on the queue's card."""
    focus_first_mistake(form)
    back, tomorrow = _back(lead_id, form.next.data), context.tomorrow()
    lead, place = lead_queries.lead(lead_id), f"#contact-{lead_id}"
    html = render_template("_contact_form.html", lead=lead, back=back, tomorrow=tomorrow, form=form)
    return html, {"HX-Retarget": place, "HX-Reselect": place, "HX-Reswap": "outerHTML"}


def _note(lead_id: int, form: ContactForm) -> ResponseReturnValue:
    contact_service.add_note(lead_id, form.note.data or "", actor=current_user.email, now=context.now())
    flash(gettext("Noted."), "success")
    return redirect(_back(lead_id, form.next.data))


def _snooze(lead_id: int, form: ContactForm) -> ResponseReturnValue:
    kind = ContactKind.PROMISED if form.deed is ContactDeed.PROMISED else ContactKind.SNOOZE
    day = form.day.data if form.deed in _DAY_DEEDS else _day_in(_DAYS[form.deed])
    if day is None:
        raise UserError("Choose a day from tomorrow on, within a year.")
    lead = contact_service.snooze(
        lead_id, day, actor=current_user.email, now=context.now(), kind=kind, note=form.note.data
    )
    _tell_snoozed(lead)
    return redirect(_back(lead_id, form.next.data))


def _no_answer(lead_id: int, form: ContactForm) -> ResponseReturnValue:
    lead = contact_service.note_no_answer(lead_id, actor=current_user.email, now=context.now(), note=form.note.data)
    _tell_snoozed(lead)
    return redirect(_back(lead_id, form.next.data))


def _call_off(lead_id: int, form: ContactForm) -> ResponseReturnValue:
    contact_service.note_called_off(lead_id, actor=current_user.email, now=context.now(), note=form.note.data)
    return redirect(url_for(".called_off", lead_id=lead_id, next=_back(lead_id, form.next.data)))


_DAYS = {ContactDeed.TOMORROW: 1, ContactDeed.THREE_DAYS: 3}
_DAY_DEEDS = (ContactDeed.DAY, ContactDeed.PROMISED)
_DEEDS: dict[ContactDeed, Callable[[int, ContactForm], ResponseReturnValue]] = {
    ContactDeed.NOTE: _note,
    ContactDeed.TOMORROW: _snooze,
    ContactDeed.THREE_DAYS: _snooze,
    ContactDeed.DAY: _snooze,
    ContactDeed.PROMISED: _snooze,
    ContactDeed.NO_ANSWER: _no_answer,
    ContactDeed.CALLED_OFF: _call_off,
}


def _day_in(days: int) -> date:
    return context.now().astimezone(context.zone()).date() + timedelta(days=days)


def _tell_snoozed(lead: Lead) -> None:
    """A snooze does not stop the clock: say so when the lead moves on before it ends."""
    until = weekday_moment(lead.snoozed_until)
    flash(gettext("Put off until %(moment)s.", moment=until), "success")
    if lead.due_at < lead.snoozed_until:
        message = gettext("But it moves to Not closing before that: %(moment)s.", moment=weekday_moment(lead.due_at))
        flash(message, "warning")


def _chosen_step() -> ChaseStep | None:
    """Return the text that was asked for, None for the one that fits."""
    try:
        return ChaseStep(request.form["step"]) if "step" in request.form else None
    except ValueError:
        abort(400)


def _back(lead_id: int, wanted: str | None) -> str:
    """Return the page whose button was pressed."""
    return safe_path(wanted, url_for("leads.detail", lead_id=lead_id))
