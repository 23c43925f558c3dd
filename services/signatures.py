"""ScaleV's webhook signature: Base64 of HMAC-SHA256 over the raw body (ScaleV docs). Pure."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

HEADER = "X-Scalev-Hmac-Sha256"


def sign(secret: str, body: bytes) -> str:
    """Return the header's value for a body, as ScaleV makes it."""
    return base64.b64encode(_digest(secret, body)).decode("ascii")


def find_secret(secrets: Mapping[str, str], body: bytes, header: str | None) -> str | None:
    """Return the label of the first secret that signed this body, None when none did.

    Args:
        secrets: label -> secret, in the order to try.
        body: the raw bytes as they came; re-serialised JSON has other spacing and never matches.
        header: the header as it came; a missing, malformed or non-ASCII one matches nothing.
    """
    given = _decode(header)
    if given is None:
        return None
    for label, secret in secrets.items():
        if hmac.compare_digest(_digest(secret, body), given):
            return label
    return None


def _digest(secret: str, body: bytes) -> bytes:
    return hmac.digest(secret.encode(), body, hashlib.sha256)


def _decode(header: str | None) -> bytes | None:
    """Decode to bytes: comparing text would raise on non-ASCII input instead of answering no."""
    try:
        return base64.b64decode((header or "").strip().encode("ascii"), validate=True) or None
    except (UnicodeEncodeError, binascii.Error):
        return None
