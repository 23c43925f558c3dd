"""Webhooks are checked, kept and acted on; those that come at the same moment together.

Each waits for this process's turn to write; whoever gets it serves all that wait by then. They share two commits, one
look at the settings and most statements, so that under load one webhook takes a fraction of the work that it takes
alone.
"""

import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from database import turn
from services import event_service, inbound, settings_service, signatures
from services.errors import Conflict
from services.event_service import Receipt
from services.inbound import Arrival, Inbound
from services.statuses import EventSource

logger = logging.getLogger(__name__)

# Where several came together, more are on their way: a wait for them costs less than another round does. One that
# comes alone waits for nobody.
GATHER_SECONDS = 0.001


class WrongSignature(Exception):
    """A body is signed by none of our secrets."""


class NoSecret(Exception):
    """There is no secret yet that could sign a body."""


@dataclass(frozen=True, slots=True, repr=False)
class _Signed:
    """A webhook that waits to be served; it shows neither its secret nor its buyer."""

    body: bytes
    secret: str
    received_at: datetime
    receipt: Future[Receipt] = field(default_factory=Future)


@dataclass(slots=True, repr=False)
class _Intake:
    """What an application's webhooks share."""

    waiting: deque[_Signed] = field(default_factory=deque)
    served: int = 0  # how many the last one served together
    secrets: Mapping[str, str] = field(default_factory=dict)  # label -> secret, as last read


def accept(body: bytes, header: str | None, now: datetime) -> Receipt:
    """Check a webhook's signature, keep it and act on it at once.

    Args:
        body: the raw bytes as they came.
        header: the signature as it came.
        now: when it came.

    Raises:
        NoSecret: no signing secret is configured.
        SQLAlchemyError: the database can't store it now.
        UserError: a saved secret can't be read any more.
        WrongSignature: its signature is missing, malformed or not by one of our secrets.
    """
    intake: _Intake = current_app.extensions.setdefault("intake", _Intake())
    webhook = _Signed(body, _find_secret(intake, body, header, now), now)
    intake.waiting.append(webhook)
    with turn():
        if not webhook.receipt.done():
            _serve(intake)
    return webhook.receipt.result()  # waits where turns are not taken and another thread has this one in hand


def _find_secret(intake: _Intake, body: bytes, header: str | None, now: datetime) -> str:
    """Return the secret that signed a body: one of those last read, which spares most webhooks a look at the settings,
    or of those saved now. Whoever serves the webhook looks whether it still may sign."""
    secrets = intake.secrets
    label = signatures.find_secret(secrets, body, header)
    if label is None:
        secrets = settings_service.webhook_secrets(now)
        label = signatures.find_secret(secrets, body, header)
    if label is None:
        raise _refusal(secrets)
    return secrets[label]


def _refusal(secrets: Mapping[str, str]) -> Exception:
    return WrongSignature() if secrets else NoSecret()


def _serve(intake: _Intake) -> None:
    """Whoever waits gets a receipt or the error, whatever happens."""
    if intake.served > 1:
        time.sleep(GATHER_SECONDS)
    webhooks = list(_take(intake.waiting))
    if not webhooks:  # another thread has all of them in hand
        return
    intake.served = len(webhooks)
    try:
        accepted = list(_read(intake, webhooks))
        results = _keep_and_act([arrival for _, arrival in accepted])
    except BaseException as error:
        for webhook in webhooks:
            if not webhook.receipt.done():
                webhook.receipt.set_exception(error)
    else:
        for (webhook, _), result in zip(accepted, results, strict=True):
            webhook.receipt.set_result(result)


def _take(waiting: deque[_Signed]) -> Iterator[_Signed]:
    with suppress(IndexError):  # none is left
        while True:
            yield waiting.popleft()


def _read(intake: _Intake, webhooks: Sequence[_Signed]) -> Iterator[tuple[_Signed, Arrival]]:
    """Read what the webhooks hold, and refuse those whose secret was taken back since it was last read."""
    settings_service.forget_rows()
    intake.secrets = settings_service.webhook_secrets(max(webhook.received_at for webhook in webhooks))
    labels = {secret: label for label, secret in reversed(intake.secrets.items())}
    for webhook in webhooks:
        if webhook.secret in labels:
            label, at = labels[webhook.secret], webhook.received_at
            yield webhook, inbound.read(webhook.body, label, EventSource.WEBHOOK, at)
        else:
            webhook.receipt.set_exception(_refusal(intake.secrets))


def _keep_and_act(arrivals: list[Arrival]) -> list[Receipt]:
    results = event_service.receive_all(arrivals)
    fresh = [event for event, problem in results if event is not None and problem is None]
    if fresh:
        _act_on(fresh)
    return results


def _act_on(events: Sequence[Inbound]) -> None:
    """What is kept is ours, and the answer says so, even if the database fails from here on."""
    try:
        event_service.act_on_all(events, max(event.received_at for event in events))
    except (SQLAlchemyError, Conflict):
        logger.exception("events left to process-events")
