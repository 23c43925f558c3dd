"""What list pages have in common: the chosen status, and refusals that are told on the next page."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TypeVar

from flask import flash, request

from routes import wording
from services.errors import NotFound, UserError

Status = TypeVar("Status", bound=StrEnum)


def chosen(statuses: type[Status]) -> Status | None:
    """Return the status in the address, None when there is none or it is no such status."""
    try:
        return statuses(request.args.get("status", ""))
    except ValueError:
        return None


@contextmanager
def flashed_refusal() -> Iterator[None]:
    """Tell a service's refusal on the next page instead of failing; what does not exist stays a 404."""
    try:
        yield
    except NotFound:
        raise
    except UserError as error:
        flash(wording.refusal(error), "danger")
