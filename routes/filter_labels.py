"""What a filter asks for, in words: the small signs over a list, each with the address that takes it off."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from flask import url_for
from flask_babel import gettext

from routes import scalev_words, wording
from routes.filters import full_day
from services.lead_filters import NONE, LeadFilter
from services.lead_queries import Choices


@dataclass(frozen=True, slots=True)
class Label:
    """One thing that a filter asks for."""

    text: str
    url: str  # of the list without it


def of_leads(wanted: LeadFilter, choices: Choices) -> list[Label]:
    """Return what a filter of the leads page asks for beside its tab and its search."""
    blank = LeadFilter()
    return [
        Label(f"{wording.LEAD_FILTER[name]}: {text}", url_for("leads.index", **wanted.args(**{name: blank_value})))
        for name, text in _asked(wanted, choices)
        for blank_value in [getattr(blank, name)]
    ]


def _asked(wanted: LeadFilter, choices: Choices) -> Iterator[tuple[str, str]]:
    for name in wording.LEAD_FILTER:
        value = getattr(wanted, name)
        if value:
            yield name, _in_words(name, value, choices)


def _in_words(name: str, value: object, choices: Choices) -> str:
    if value == NONE:
        return gettext("none")
    if isinstance(value, date):
        return full_day(value)
    if name == "product_list":
        return choices.product_lists.get(str(value), str(value))
    if name == "payment":
        return scalev_words.payment_method(str(value))
    words = wording.FILTER_WORDS.get(name)
    return str(words[value]) if words else str(value)
