"""What a person put in place of an e-mail or phone that ScaleV says: "for this order read that as this". Pure.

Kept as pairs of what ScaleV says and what it is read as, not as a newest value: news that repeats the old address
changes nothing then, whenever it comes, and news that names another one is believed as ever.
"""

from collections.abc import Mapping
from typing import Any

from services.contacts import normalise_email, normalise_phone

EMAIL, PHONE = "email_given", "phone_given"
_NORMALISE = {EMAIL: normalise_email, PHONE: normalise_phone}
_BEST_RANK = "5"  # of order_snapshot's: the order's own address, usable


def read(known: Mapping[str, Any] | None, field: str, value: Any) -> Any:
    """Return what a field's value from ScaleV is read as."""
    if not known or field not in known:
        return value
    return known[field].get(_key(field, value), value)


def add(known: Mapping[str, Any] | None, field: str, old: str | None, new: str) -> dict[str, Any]:
    """Return the repairs with one more; `old` may itself be what an earlier repair put there."""
    pairs: dict[str, str] = dict((known or {}).get(field, {}))
    if old is not None:
        pairs = {said: new if _key(field, put) == _key(field, old) else put for said, put in pairs.items()}
        pairs[_key(field, old)] = new
    pairs.pop(_key(field, new), None)
    return {**(known or {}), field: pairs}


def raise_rank(stamp: str) -> str:
    """Return a field stamp as one of the best source has it, so that an unusable address does not come back."""
    return f"{_BEST_RANK}|{stamp.partition('|')[2]}"


def _key(field: str, value: str) -> str:
    """Sources write one address or number in different ways."""
    return _NORMALISE[field](value) or value.casefold()
