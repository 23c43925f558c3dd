"""One lead's page, as both the list's area and the lead's actions show it; a form that was refused comes back in it."""

from flask import render_template
from flask_login import current_user
from flask_wtf import FlaskForm

from routes import context
from routes.chase_forms import ContactForm, EmailForm, PhoneForm
from routes.forms import MoveForm, focus_first_mistake
from services import (
    catalogue_service,
    chase_plan,
    chase_service,
    contact_service,
    contacts,
    delivery_service,
    lead_queries,
    same_buyer,
    timeline,
)
from services.statuses import ChaseStep, LeadStatus


def render(lead_id: int, **refused: FlaskForm) -> str:
    """Render a lead's page. `refused` holds the form that was sent, by its name on the page."""
    for form in refused.values():
        focus_first_mistake(form)
    lead, now = lead_queries.lead(lead_id), context.now()
    entries = timeline.entries(lead)
    chats = contact_service.last_chats([lead_id])
    is_open = lead.status is LeadStatus.FOLLOW_UP and not lead.is_archived
    forms = {
        "move": MoveForm(formdata=None),
        "contact": ContactForm(formdata=None),
        "email": EmailForm(formdata=None, email=contacts.clean_text(lead.email_given, 254)),
        "phone": PhoneForm(formdata=None, phone=contacts.clean_text(lead.phone_given, 60)),
    }
    return render_template(
        "lead_detail.html",
        lead=lead,
        now=now,
        forms=forms | refused,
        hold=lead_queries.hold_reason(lead) or lead_queries.unread_reason(lead),
        account_hold=delivery_service.hold(),
        list_names=catalogue_service.list_names(),
        entries=entries,
        chat=chats.get(lead_id),
        people=contact_service.names_of({entry.row.actor for entry in entries if hasattr(entry.row, "actor")}),
        others=same_buyer.others(lead),
        paid_lead_id=same_buyer.paid_lead_id(lead) if is_open else None,
        suggestion=contacts.suggest_email(lead.email or lead.email_given or ""),
        step=chase_plan.fitting_step(chase_service.chase_of(lead), now),
        texts={step: contact_service.compose(lead, step, current_user.email, now) for step in ChaseStep},
        tomorrow=context.tomorrow(),
    )
