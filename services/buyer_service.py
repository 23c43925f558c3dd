"""Repairs of a buyer's e-mail and phone: the lead, its history and what was blocked, in one transaction."""

from datetime import datetime

from models import Lead, transaction
from services import delivery_service, lead_service, repairs
from services.contacts import normalise_email, normalise_phone
from services.errors import UserError
from services.lead_service import Cause


def repair_email(lead_id: int, email: str, *, actor: str, now: datetime) -> None:
    """Put another e-mail in place of what ScaleV says, and send what was blocked by or sent to the wrong one.

    Raises:
        NotFound: there is no such lead.
        UserError: the address is unusable or the lead's already, or a delivery is on its way to the old one.
    """
    usable = normalise_email(email)
    if usable is None:
        raise UserError("No mail can be sent to this address.")
    with transaction():
        lead = lead_service.lock_lead(lead_id)
        if lead.email == usable:
            raise UserError("The lead has this address already.")
        _put(lead, repairs.EMAIL, usable, "email_repaired", actor, now)
        lead.email = usable
        delivery_service.readdress(lead, now)


def repair_phone(lead_id: int, phone: str, *, actor: str, now: datetime) -> None:
    """Put another phone number in place of what ScaleV says.

    Raises:
        NotFound: there is no such lead.
        UserError: it is no valid number, or the lead's already.
    """
    usable = normalise_phone(phone)
    if usable is None:
        raise UserError("This is no valid phone number.")
    with transaction():
        lead = lead_service.lock_lead(lead_id)
        if lead.phone == usable:
            raise UserError("The lead has this number already.")
        _put(lead, repairs.PHONE, usable, "phone_repaired", actor, now)
        lead.phone = usable


def _put(lead: Lead, field: str, value: str, reason: str, actor: str, now: datetime) -> None:
    """Remember the repair for later news, and write it into the history."""
    before = getattr(lead, field)
    lead.repairs = repairs.add(lead.repairs, field, before, value)
    stamps = lead.field_stamps
    lead.field_stamps = {**stamps, field: repairs.raise_rank(stamps.get(field, ""))}
    setattr(lead, field, value)
    lead.updated_at = now
    cause = Cause(actor, note=f"{before or '–'} → {value}")
    lead_service.record(lead, lead.status, reason, cause, now)
