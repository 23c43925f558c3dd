"""The program's exception types, in two families.

`UserError` is for the person at the screen or the command line: its text is a whole sentence, shown as it is.
`VendorError` is what the two HTTP clients raise; its class says what can be done about it.
"""


class UserError(Exception):
    """The request was refused; the message tells the person why and what to do."""


class NotFound(UserError):
    """The row asked for does not exist."""


class Conflict(UserError):
    """The row changed meanwhile; look again and repeat."""


class VendorError(Exception):
    """ScaleV or Mailketing did not do what it was asked. The text never holds a key or a token.

    :param vendor: "ScaleV" or "Mailketing".
    :param retryable: whether the same call may succeed later; without it the class decides.
    :param retry_after: seconds to wait first, when the vendor named them.
    :param status: HTTP status, None when there was no answer.
    """

    retryable: bool = False

    def __init__(
        self,
        vendor: str,
        message: str,
        *,
        retryable: bool | None = None,
        retry_after: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(f"{vendor}: {message}")
        self.vendor = vendor
        self.message = message
        self.retryable = type(self).retryable if retryable is None else retryable
        self.retry_after = retry_after
        self.status = status


class VendorUnreachable(VendorError):
    """No usable answer: network, time-out, redirect, 408, 5xx, or a body that cannot be read."""

    retryable = True


class VendorRateLimited(VendorError):
    """Too many calls (429, or the allowance is used up)."""

    retryable = True


class VendorAuthError(VendorError):
    """The key or token is missing, wrong or expired."""


class VendorForbidden(VendorError):
    """The key is good but lacks a scope; the message names the endpoint."""


class VendorNotFound(VendorError):
    """The vendor does not know this record."""


class VendorRefused(VendorError):
    """Any other refusal, in the vendor's own words."""
