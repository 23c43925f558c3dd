"""What people did about leads: WhatsApp opened, notes, snoozes and what came of it. Rows are added, never changed."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from database import Model, words
from services.statuses import ChaseStep, ContactKind


class Contact(Model):
    """One thing that a person did about a lead, so that two people do not chase one buyer."""

    __tablename__ = "contacts"
    __table_args__ = (Index("ix_contacts_lead_id_at", "lead_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(254))  # the user's e-mail, as in lead_history
    kind: Mapped[ContactKind] = mapped_column(words(ContactKind))
    step: Mapped[ChaseStep | None] = mapped_column(words(ChaseStep))  # which text was opened in WhatsApp
    until: Mapped[datetime | None]  # until when it was snoozed
    text: Mapped[str | None] = mapped_column(Text)  # the WhatsApp text as it was opened, or the note
