"""Leads as rows of a file for people: columns and states in the person's language."""

from collections.abc import Callable, Iterable, Iterator

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from models import Lead
from routes import wording
from services.spreadsheets import Cell


def heading() -> list[str]:
    """Return the columns' names."""
    return [str(name) for name, _cell in _COLUMNS]


def rows(leads: Iterable[Lead]) -> Iterator[list[Cell]]:
    """Yield a row for each lead."""
    for lead in leads:
        yield [cell(lead) for _name, cell in _COLUMNS]


def _status(lead: Lead) -> str:
    return str(wording.LEAD_TAB["archived"] if lead.is_archived else wording.LEAD_STATUS[lead.status])


def _archive_reason(lead: Lead) -> str | None:
    return str(wording.ARCHIVE_REASON[lead.archive_reason]) if lead.archive_reason else None


_COLUMNS: list[tuple[LazyString, Callable[[Lead], Cell]]] = [
    (lazy_gettext("Order id"), lambda lead: lead.order_id),
    (lazy_gettext("Status"), _status),
    (lazy_gettext("Name"), lambda lead: lead.name),
    (lazy_gettext("E-mail"), lambda lead: lead.email),
    (lazy_gettext("Phone number"), lambda lead: lead.phone),
    (lazy_gettext("Product"), lambda lead: lead.product_name),
    (lazy_gettext("Total"), lambda lead: lead.gross_revenue),
    (lazy_gettext("Ordered"), lambda lead: lead.ordered_at),
    (lazy_gettext("Deadline"), lambda lead: lead.due_at),
    (lazy_gettext("Closed or expired"), lambda lead: lead.ended_at),
    (lazy_gettext("Archived because"), _archive_reason),
    (lazy_gettext("Payment method"), lambda lead: lead.payment_method),
    (lazy_gettext("Payment at ScaleV"), lambda lead: lead.payment_status),
    (lazy_gettext("Order at ScaleV"), lambda lead: lead.order_status),
    (lazy_gettext("Store"), lambda lead: lead.store_name),
    (lazy_gettext("CS"), lambda lead: lead.handler_name),
    (lazy_gettext("Product list"), lambda lead: lead.product_list.name if lead.product_list else None),
]
