"""Buyers' names, e-mail addresses and phone numbers: clean, normalise, mask. Pure, no I/O."""

import re
import unicodedata
from functools import lru_cache

import phonenumbers
from email_validator import EmailNotValidError, validate_email

_REGION = "ID"
# One order is read more than once, and each check costs as much as a query.
_CACHED = 256
_PLACEHOLDER_DOMAIN = "scalev.id"

# Suggested in this order when two are equally near.
_COMMON_DOMAINS = (
    "gmail.com",
    "yahoo.com",
    "yahoo.co.id",
    "hotmail.com",
    "outlook.com",
    "icloud.com",
    "ymail.com",
    "rocketmail.com",
)
# Real mail domains that lie within two edits of a common one, or are simply well known: never "corrected".
_REAL_DOMAINS = frozenset(_COMMON_DOMAINS) | frozenset(
    """
    aol.com email.com fastmail.com gmx.com gmx.net googlemail.com hey.com hotmail.ca hotmail.cl hotmail.co.id
    hotmail.co.jp hotmail.co.uk hotmail.de hotmail.es hotmail.fr hotmail.it inbox.com live.com live.co.id mac.com
    mail.com mail.ru me.com msn.com outlook.cl outlook.co.id outlook.de outlook.es outlook.fr outlook.my outlook.sg
    pm.me proton.me protonmail.com qmail.com qq.com tuta.com yahoo.ca yahoo.cn yahoo.co.in yahoo.co.jp yahoo.co.kr
    yahoo.co.nz yahoo.co.th yahoo.co.uk yahoo.com.au yahoo.com.my yahoo.com.ph yahoo.com.sg yahoo.de yahoo.es
    yahoo.fr yahoo.in yahoo.it yandex.com zoho.com
    """.split()
)
# Slips of the finger for ".com" that are no top-level domain at all, so they are wrong behind any name.
# ".co" and ".cm" are real: those are only corrected for the common domains, by edit distance.
_FALSE_ENDING = re.compile(r"\.(?:con|cim|cpm|vom|xom|cmo|ocm|comm|coom|conm|kom)$")

_PHONE_CANDIDATE = re.compile(r"[+(]*\d[\d\s().+\-\u2010-\u2015]*")

_TOKEN_FIELD = re.compile(r"(?i)(api[_-]?token[\"']?\s*[=:]\s*[\"']?|bearer\s+)[^\s&\"'<>\[]+")
_API_KEY = re.compile(r"\b((?:sk|rk|sfpk)_)[A-Za-z0-9_\-]+")
_HEX_TOKEN = re.compile(r"[0-9a-fA-F]{32,}")
_EMAIL = re.compile(r"[^\s@*<>\"'(),;:=&\[\]{}]{1,64}(?:@|%40)[^\s@*<>\"'(),;:=&\[\]{}/?]+")
# A calendar date with dashes is no phone number; logs and vendors' answers are full of them.
_PHONE_RUN = re.compile(r"(?<!\d)\+?(?!\d{4}-\d\d-\d\d(?!\d))\d(?:[ ().\-]{0,2}\d){7,}")


def clean_text(value: object, limit: int) -> str:
    """One line of text that every database and every page can hold.

    Control, zero-width and bidi characters and lone surrogates are dropped, white space is collapsed.
    None, dicts and lists are no text and give "".

    :param limit: most characters to keep.
    """
    if value is None or isinstance(value, dict | list):
        return ""
    text = str(value)
    if text.isascii() and text.isprintable():
        kept = text  # nearly all texts: nothing to drop
    else:
        kept = "".join(char for char in text if char.isspace() or _is_visible(char))
    return " ".join(kept.split())[:limit].rstrip()


def _is_visible(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs")


def split_name(full: object) -> tuple[str, str]:
    """First name and the rest; a single name gives an empty last name."""
    first, _, last = clean_text(full, 200).partition(" ")
    return first, last


def normalise_email(text: object) -> str | None:
    """The address trimmed and lower-cased, or None when no mail can be sent to it.

    Checked for form only, no DNS. ScaleV fills missing addresses with placeholders at scalev.id (observed by
    integrators): those count as none. Non-ASCII local parts count as none, a typing accident for our buyers.
    """
    return _usable_email(text) if isinstance(text, str) else None


@lru_cache(_CACHED)
def _usable_email(text: str) -> str | None:
    try:
        checked = validate_email(text.strip().lower(), check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError:
        return None
    email = (checked.ascii_email or checked.normalized).lower()
    return None if _is_placeholder(email) else email


def _is_placeholder(email: str) -> bool:
    domain = email.rpartition("@")[2]
    return domain == _PLACEHOLDER_DOMAIN or domain.endswith("." + _PLACEHOLDER_DOMAIN)


def suggest_email(email: str) -> str | None:
    """The address that was probably meant, or None when there is nothing to suggest.

    Only a hint for a person: a domain that looks like a slip may be real.
    """
    local, at, domain = email.strip().lower().rpartition("@")
    if not at or domain in _REAL_DOMAINS:
        return None
    repaired = _FALSE_ENDING.sub(".com", domain)
    meant = repaired if repaired in _REAL_DOMAINS else _nearest_common_domain(repaired) or repaired
    return None if meant == domain else normalise_email(f"{local}@{meant}")


def _nearest_common_domain(domain: str) -> str | None:
    if domain.startswith("gmail."):  # unlike Yahoo and the others, Gmail has no country endings
        return "gmail.com"
    distances = [(_edit_distance(domain, common), rank) for rank, common in enumerate(_COMMON_DOMAINS)]
    distance, rank = min(distances)
    nearest = _COMMON_DOMAINS[rank]
    # Two edits turn many honest short names into gmail.com; people rarely miss the first letter as well.
    return nearest if distance == 1 or (distance == 2 and domain[:1] == nearest[0]) else None


def _edit_distance(left: str, right: str) -> int:
    """Edits (insert, delete, replace, swap neighbours) that turn one word into the other; 3 stands for more than 2."""
    if abs(len(left) - len(right)) > 2:
        return 3
    before_last: list[int] = []
    last = list(range(len(right) + 1))
    for i, char in enumerate(left, 1):
        row = [i]
        for j, other in enumerate(right, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (char != other))
            if i > 1 and j > 1 and char == right[j - 2] and left[i - 2] == other:
                best = min(best, before_last[j - 2] + 1)
            row.append(best)
        before_last, last = last, row
    return min(last[-1], 3)


def normalise_phone(text: object) -> str | None:
    """The number in E.164 digits without the plus, or None when it is no valid number.

    Numbers without a country code are Indonesian. Buyers write 0812…, +62 812-…, 62812…, 812… and 0062…;
    only the first number in the text counts.
    """
    return _usable_phone(clean_text(text, 100))


@lru_cache(_CACHED)
def _usable_phone(text: str) -> str | None:
    found = _PHONE_CANDIDATE.search(text)
    number = _parse_phone(found.group()) if found else None
    if number is None or not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).lstrip("+")


def _parse_phone(written: str) -> phonenumbers.PhoneNumber | None:
    digits = "".join(str(int(char)) for char in written if char.isdecimal())
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    elif "+" in written and not digits.startswith("0"):
        digits = "+" + digits
    try:
        return phonenumbers.parse(digits, _REGION)
    except phonenumbers.NumberParseException:
        return None


def is_mobile(digits: str) -> bool:
    """Whether E.164 digits (as `normalise_phone` gives them) can be a mobile number, so worth a WhatsApp button."""
    number = _parse_phone("+" + digits)
    return number is not None and phonenumbers.number_type(number) in (
        phonenumbers.PhoneNumberType.MOBILE,
        phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
    )


def redact(text: str, secret: str = "") -> str:
    """Text fit for logs and stored answers: addresses, phone-like digits, tokens and keys are masked.

    Errs on the side of masking too much.

    :param secret: a token that must not show even if it has no known shape.
    """
    if secret:
        text = text.replace(secret, "[token]")
    text = _TOKEN_FIELD.sub(r"\1[token]", text)
    text = _API_KEY.sub(r"\1[key]", text)
    text = _HEX_TOKEN.sub("[token]", text)
    text = _EMAIL.sub(lambda found: mask_email(found.group().replace("%40", "@")), text)
    return _PHONE_RUN.sub(lambda found: mask_phone(found.group()), text)


def mask_email(email: str) -> str:
    """`b***@gmail.com`; anything without an @ becomes `***`."""
    local, at, domain = email.rpartition("@")
    return f"{local[:1]}***@{domain}" if at else "***"


def mask_phone(phone: str) -> str:
    """`***789`; short numbers vanish altogether."""
    digits = "".join(char for char in phone if char.isdecimal())
    return "***" + (digits[-3:] if len(digits) >= 8 else "")
