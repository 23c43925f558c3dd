"""What list pages have in common: the rows that were ticked, and refusals that are told on the next page."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import flash, request

from routes import wording
from services.errors import NotFound, UserError


def ticked_ids() -> list[int]:
    """Return the rows that were ticked in a list."""
    numbers = (text for text in request.values.getlist("id") if text.isascii() and text.isdecimal())
    return list(dict.fromkeys(int(text) for text in numbers if len(text) < 10))


@contextmanager
def flashed_refusal() -> Iterator[None]:
    """Tell a service's refusal on the next page instead of failing; what does not exist stays a 404."""
    try:
        yield
    except NotFound:
        raise
    except UserError as error:
        flash(wording.refusal(error), "danger")
