"""What people do about leads: WhatsApp, notes, snoozes and results. The only writer of contacts."""

from collections.abc import Collection
from datetime import date, datetime, time, timedelta

from sqlalchemy import ColumnElement, func, select

from models import Lead, db, transaction
from models_catalogue import CatalogueSalesPerson
from models_contact import Contact
from services import chase_plan, chase_service, lead_service, message_texts, same_buyer, settings_service
from services.contacts import clean_text, is_mobile
from services.errors import UserError
from services.statuses import ChaseStep, ContactKind, LeadStatus

NOTE_LENGTH = 1000
RECENT = timedelta(hours=4)  # so long a colleague's WhatsApp is worth a question
_SAME_TAP = timedelta(minutes=1)  # a button that was pressed twice
_MORNING = time(8)
MAX_SNOOZE_DAYS = 365
_ORDER = list(ChaseStep)


class JustContacted(UserError):
    """A colleague wrote to this buyer a short while ago; `contact` tells who and when."""

    def __init__(self, contact: Contact) -> None:
        super().__init__("A colleague wrote to this buyer a short while ago.")
        self.contact = contact


def open_chat(lead_id: int, step: ChaseStep | None, *, actor: str, now: datetime, anyway: bool = False) -> Contact:
    """Log that a person opens WhatsApp with a step's text, and plan the next chase.

    Args:
        lead_id: whose buyer is written to.
        step: which text; None for the one that fits now.
        actor: the person's e-mail.
        now: the operation's one clock reading.
        anyway: the person knows that a colleague wrote already.

    Raises:
        NotFound: there is no such lead.
        JustContacted: a colleague wrote a short while ago; nothing was logged.
        UserError: this buyer is not to be chased, or has no WhatsApp.
    """
    with transaction() as session:
        lead = lead_service.lock_lead(lead_id)
        _refuse_chase(lead)
        last = last_chats([lead_id]).get(lead_id)
        if last is not None and last.actor == actor and now - last.at < _SAME_TAP and step in (None, last.step):
            return last
        if last is not None and last.actor != actor and now - last.at < RECENT and not anyway:
            raise JustContacted(last)
        step = step or chase_plan.fitting_step(chase_service.chase_of(lead), now)
        contact = _log(lead, ContactKind.WHATSAPP, actor, now, step=step, text=compose(lead, step, actor, now))
        _note_step(lead, step, now)
        session.flush()
    return contact


def add_note(lead_id: int, text: str, *, actor: str, now: datetime) -> None:
    """Write a note on a lead.

    Raises:
        NotFound: there is no such lead.
        UserError: the note is empty.
    """
    note = clean_text(text, NOTE_LENGTH)
    if not note:
        raise UserError("Write something first.")
    with transaction():
        _log(lead_service.lock_lead(lead_id), ContactKind.NOTE, actor, now, text=note)


def snooze(
    lead_id: int,
    day: date,
    *,
    actor: str,
    now: datetime,
    kind: ContactKind = ContactKind.SNOOZE,
    note: str | None = None,
) -> Lead:
    """Hide a lead from the queue until the morning of a day; the days until not_closing go on.

    Args:
        lead_id: which lead.
        day: in the configured zone; from tomorrow on.
        actor: the person's e-mail.
        now: the operation's one clock reading.
        kind: why: a plain snooze, a promise to pay, or nobody answered.
        note: what the person adds to it.

    Raises:
        NotFound: there is no such lead.
        UserError: the day is not in the coming year, or the lead is not in follow up.
    """
    zone = settings_service.zone()
    today = now.astimezone(zone).date()
    if not today < day <= today + timedelta(days=MAX_SNOOZE_DAYS):
        raise UserError("Choose a day from tomorrow on, within a year.")
    until = datetime.combine(day, _MORNING, zone)
    with transaction():
        lead = lead_service.lock_lead(lead_id)
        _refuse_closed(lead)
        _log(lead, kind, actor, now, until=until, text=clean_text(note, NOTE_LENGTH) or None)
        lead.snoozed_until = until
        chase_service.plan_chase(lead)
    return lead


def wake(lead_id: int, *, now: datetime) -> None:
    """Put a snoozed lead back into the queue.

    Raises:
        NotFound: there is no such lead.
    """
    with transaction():
        lead = lead_service.lock_lead(lead_id)
        if lead.snoozed_until is not None and lead.snoozed_until > now:
            lead.snoozed_until = None
            chase_service.plan_chase(lead)


def note_no_answer(lead_id: int, *, actor: str, now: datetime, note: str | None = None) -> Lead:
    """Log that the buyer did not answer: the lead comes back tomorrow. Raises what `snooze` raises."""
    tomorrow = now.astimezone(settings_service.zone()).date() + timedelta(days=1)
    return snooze(lead_id, tomorrow, actor=actor, now=now, kind=ContactKind.NO_ANSWER, note=note)


def note_called_off(lead_id: int, *, actor: str, now: datetime, note: str | None = None) -> None:
    """Log that the buyer does not want it any more; the lead stays where it is until a person moves it.

    Raises:
        NotFound: there is no such lead.
    """
    with transaction():
        lead = lead_service.lock_lead(lead_id)
        _log(lead, ContactKind.CALLED_OFF, actor, now, text=clean_text(note, NOTE_LENGTH) or None)


def compose(lead: Lead, step: ChaseStep, writer: str, now: datetime) -> str:
    """Return a step's text for a lead, as one person (by e-mail) would send it now."""
    return fill_in(lead, settings_service.chase_text(step), settings_service.greeting(), writer, now)


def fill_in(lead: Lead, text: str, greeting: str, writer: str, now: datetime) -> str:
    """Return any text filled in for a lead."""
    due_at = lead.due_at.astimezone(settings_service.zone()) if lead.due_at > now else None
    values = message_texts.make_values(
        name=lead.name,
        product=lead.product_name,
        total=lead.gross_revenue,
        bank=lead.bank_name,
        account_number=lead.account_number,
        account_holder=lead.account_holder,
        due_at=due_at,
        cs_name=names_of([writer]).get(writer) or _plain_handler(lead),
        greeting=greeting,
    )
    return message_texts.render(text, values)


def contact(lead_id: int, contact_id: int) -> Contact | None:
    """Return one contact of a lead."""
    row = db.session.get(Contact, contact_id)
    return row if row is not None and row.lead_id == lead_id else None


def contacts(lead_id: int) -> list[Contact]:
    """Return everything that people did about a lead, the newest first."""
    return list(db.session.scalars(select(Contact).where(Contact.lead_id == lead_id).order_by(Contact.id.desc())))


def last_chats(lead_ids: Collection[int]) -> dict[int, Contact]:
    """Return lead id -> the last time that somebody opened WhatsApp for it."""
    return _newest(lead_ids, Contact.kind == ContactKind.WHATSAPP)


def last_notes(lead_ids: Collection[int]) -> dict[int, Contact]:
    """Return lead id -> what somebody last noted about it: everything but WhatsApp."""
    return _newest(lead_ids, Contact.kind != ContactKind.WHATSAPP)


def names_of(emails: Collection[str]) -> dict[str, str]:
    """Return e-mail -> name of those users whom ScaleV lists as sales people."""
    wanted = {email.lower(): email for email in emails}
    query = select(CatalogueSalesPerson.email, CatalogueSalesPerson.name).where(
        func.lower(CatalogueSalesPerson.email).in_(wanted)
    )
    return {wanted[str(email).lower()]: name for email, name in db.session.execute(query)}


def _newest(lead_ids: Collection[int], kind: ColumnElement[bool]) -> dict[int, Contact]:
    ids = select(func.max(Contact.id)).where(Contact.lead_id.in_(lead_ids), kind).group_by(Contact.lead_id)
    return {row.lead_id: row for row in db.session.scalars(select(Contact).where(Contact.id.in_(ids)))}


def _refuse_closed(lead: Lead) -> None:
    if lead.is_archived or lead.status is not LeadStatus.FOLLOW_UP:
        raise UserError("This lead is not in Follow Up any more, so there is nothing to chase.")


def _refuse_chase(lead: Lead) -> None:
    _refuse_closed(lead)
    if same_buyer.paid_elsewhere(lead):
        raise UserError("This buyer paid for the same product in another order.")
    if lead.phone is None or not is_mobile(lead.phone):
        raise UserError("This buyer left no number that can have WhatsApp.")


def _log(
    lead: Lead,
    kind: ContactKind,
    actor: str,
    now: datetime,
    *,
    step: ChaseStep | None = None,
    until: datetime | None = None,
    text: str | None = None,
) -> Contact:
    row = Contact(lead_id=lead.id, at=now, actor=actor, kind=kind, step=step, until=until, text=text)
    db.session.add(row)
    return row


def _note_step(lead: Lead, step: ChaseStep, now: datetime) -> None:
    """Remember the furthest text of this window; a snooze that is over has done its work."""
    is_later = lead.chased_step is None or _ORDER.index(step) > _ORDER.index(lead.chased_step)
    if is_later or not chase_service.chase_of(lead).is_begun:
        lead.chased_step = step
    lead.chased_at = now
    if lead.snoozed_until is not None and lead.snoozed_until <= now:
        lead.snoozed_until = None
    chase_service.plan_chase(lead)


def _plain_handler(lead: Lead) -> str | None:
    """The CS whom ScaleV assigned, unless it names them by e-mail only (observed)."""
    return lead.handler_name if lead.handler_name and "@" not in lead.handler_name else None
