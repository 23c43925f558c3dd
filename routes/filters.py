"""How values look on a page: money, moments, phones and the buyer's own words."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

import phonenumbers
from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_currency, format_decimal, format_percent
from flask import Flask
from markupsafe import Markup

from routes import context, scalev_words
from services import contacts, mailketing_service
from services.lead_filters import NONE

NOTHING = "–"
_TIME_FORMATS = {"id": "HH.mm", "en": "HH:mm"}
_CLOCK_FORMATS = {language: f"d MMM y {time}" for language, time in _TIME_FORMATS.items()}


def set_up(app: Flask) -> None:
    for filter_ in (
        money,
        number,
        moment,
        weekday_moment,
        day,
        last_day,
        calendar_day,
        full_day,
        short_day,
        clock_time,
        percent,
        duration,
        ago,
        phone,
        whatsapp,
        initials,
        shown,
        decoded,
        time_tag,
        named,
        scalev_words.payment_method,
        scalev_words.payment_methods,
        scalev_words.payment_status,
        scalev_words.order_status,
    ):
        app.add_template_filter(filter_)
    app.add_template_test(mailketing_service.is_about_credits, "about_credits")


def money(amount: Decimal | None) -> str:
    """Return rupiah as everybody in Indonesia writes them, in both languages: Rp149.724."""
    if amount is None:
        return NOTHING
    return format_currency(amount, "IDR", format="¤#,##0", currency_digits=False, locale="id_ID")


def number(amount: int) -> str:
    return format_decimal(amount, locale=context.language())


def moment(at: datetime | None) -> str:
    """Return a moment in the configured zone with the zone's short name: 22 Nov 2026 11.05 WIB."""
    return NOTHING if at is None else _format(at, _CLOCK_FORMATS[context.language()])


def weekday_moment(at: datetime) -> str:
    """Return a moment with its weekday, for what is still to come."""
    return _format(at, f"EEE, {_CLOCK_FORMATS[context.language()]}")


def day(at: datetime | None) -> str:
    """Return the day of a moment in the configured zone."""
    if at is None:
        return NOTHING
    return format_date(at.astimezone(context.zone()), "d MMM y", locale=context.language())


def last_day(end: datetime) -> str:
    """Return the last day of a range by its end, which is the first moment that lies outside."""
    return day(end - timedelta(microseconds=1))


def full_day(value: date) -> str:
    """Return a day with its year: 22 Nov 2026."""
    return format_date(value, "d MMM y", locale=context.language())


def calendar_day(value: date) -> str:
    """Return a day that is one already, with its weekday."""
    return format_date(value, "EEE, d MMM", locale=context.language())


def short_day(value: date) -> str:
    """Return a day for the axis of a chart: 22 Nov."""
    return format_date(value, "d MMM", locale=context.language())


def clock_time(at: datetime) -> str:
    """Return the time of day in the configured zone: 14.00."""
    return format_datetime(at.astimezone(context.zone()), _TIME_FORMATS[context.language()])


def percent(share: float) -> str:
    """Return a share of 1 as whole percent."""
    return format_percent(share, "#,##0%", locale=context.language())


def duration(length: timedelta) -> str:
    """Return a length of time in its largest unit: 3 jam."""
    return format_timedelta(length, locale=context.language())


def ago(at: datetime) -> str:
    """Return how far a moment is from now, in the past or in the future."""
    return format_timedelta(at - context.now(), add_direction=True, locale=context.language())


def time_tag(at: datetime | None) -> str | Markup:
    """Return a moment as HTML that tells how long ago on the page and the exact time on top of it."""
    if at is None:
        return NOTHING
    return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(), moment(at), ago(at))


def phone(digits: str | None) -> str:
    """Return E.164 digits in groups: +62 812-3456-789."""
    if not digits:
        return NOTHING
    try:
        parsed = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return digits
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def whatsapp(digits: str | None) -> str | None:
    """Return the address that opens a WhatsApp chat, None for a number that can't have WhatsApp."""
    return f"https://wa.me/{quote(digits)}" if digits and contacts.is_mobile(digits) else None


def initials(name: str | None) -> str:
    """Return up to two initials of a name."""
    return "".join(word[0] for word in contacts.clean_text(name, 80).split()[:2]).upper() or "?"


def shown(text: object, limit: int = 120) -> str:
    """Return somebody else's text fit for a page: one line, no invisible characters, at most `limit` long."""
    cleaned = contacts.clean_text(text, limit + 1)
    return f"{cleaned[: limit - 1].rstrip()}…" if len(cleaned) > limit else cleaned


def named(names: list[str], nobody: str) -> dict[str, str]:
    """Return the options of a filter by names; `nobody` is the word for rows without one."""
    return {NONE: nobody} | {name: name for name in names}


def decoded(body: bytes, limit: int = 64_000) -> str:
    """Return a stored body's beginning as text."""
    return body[:limit].decode(errors="replace")


def _format(at: datetime, pattern: str) -> str:
    local = at.astimezone(context.zone())
    name = local.tzname() or ""
    label = name if name.isalpha() else f"UTC{name}"
    return f"{format_datetime(local, pattern, locale=context.language())} {label}"
