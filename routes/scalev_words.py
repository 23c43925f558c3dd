"""What ScaleV's own codes are called on a page. A code that is not known here is shown as words."""

from collections.abc import Mapping

from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString

PAYMENT_STATUS = {
    "unpaid": lazy_gettext("Not paid"),
    "paid": lazy_gettext("Paid"),
    "settled": lazy_gettext("Paid, and paid out to you"),
    "conflict": lazy_gettext("Does not match: check the payment"),
}
ORDER_STATUS = {
    "draft": lazy_gettext("Draft"),
    "pending": lazy_gettext("Pending"),
    "confirmed": lazy_gettext("Confirmed"),
    "in_process": lazy_gettext("In process"),
    "ready": lazy_gettext("Ready to ship"),
    "shipped": lazy_gettext("Shipped"),
    "completed": lazy_gettext("Completed"),
    "shipped_rts": lazy_gettext("On its way back"),
    "rts": lazy_gettext("Returned to the sender"),
    "canceled": lazy_gettext("Canceled"),
    "closed": lazy_gettext("Closed after shipping"),
}
PAYMENT_METHOD = {
    "bank_transfer": lazy_gettext("Bank transfer"),
    "card": lazy_gettext("Card"),
    "cod": lazy_gettext("COD"),
    "marketplace": lazy_gettext("Marketplace"),
    "no_payment": lazy_gettext("Nothing to pay"),
    "payment_link": lazy_gettext("Payment link"),
    "va": lazy_gettext("Virtual account"),
}
_BRANDS = {
    name.lower(): name for name in ("Alfamart", "DANA", "GoPay", "Indomaret", "LinkAja", "OVO", "QRIS", "ShopeePay")
}
_VIRTUAL_ACCOUNT = "va_"
_LONGEST_SHORT_NAME = 4  # of a bank that is called by its letters: BCA, CIMB


def payment_status(code: str | None) -> str:
    return _word(PAYMENT_STATUS, code)


def order_status(code: str | None) -> str:
    return _word(ORDER_STATUS, code)


def payment_method(code: str | None) -> str:
    """Return how the buyer pays; `va_bca` is the virtual account of a bank."""
    if code in _BRANDS:
        return _BRANDS[code]
    if code and code.startswith(_VIRTUAL_ACCOUNT):
        return gettext("Virtual account %(bank)s", bank=_bank(code.removeprefix(_VIRTUAL_ACCOUNT)))
    return _word(PAYMENT_METHOD, code)


def payment_methods(codes: list[str]) -> dict[str, str]:
    """Return payment methods as a filter offers them."""
    return {code: payment_method(code) for code in codes}


def _bank(code: str) -> str:
    return code.upper() if len(code) <= _LONGEST_SHORT_NAME else code.replace("_", " ").title()


def _word(words: Mapping[str, LazyString], code: str | None) -> str:
    return str(words.get(code, code.replace("_", " "))) if code else ""
