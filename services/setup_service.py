"""The set-up checklist: which steps are done, read from what the database holds now."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, func, or_, select

from models import Delivery, Heartbeat, Lead, ProductList, Settings, WebhookEvent, db, transaction
from models_catalogue import CatalogueList, CatalogueStore
from services import (
    delivery_service,
    event_service,
    mailketing_service,
    reconcile_service,
    scalev_service,
    settings_service,
    simulator,
)
from services.errors import UserError, VendorAuthError, VendorError, VendorForbidden
from services.statuses import DeliveryStatus, EventSource

_MAX_PROBLEM = 300


class Vendor(StrEnum):
    SCALEV = "scalev"
    MAILKETING = "mailketing"


class Step(StrEnum):
    """What has to be set up before leads move by themselves, in this order."""

    SCALEV_KEY = "scalev_key"
    SIGNING_SECRET = "signing_secret"  # noqa: S105 (the name of a step)
    TEST_EVENT = "test_event"
    MAILKETING = "mailketing"
    PRODUCT_LIST = "product_list"
    FIRST_ORDER = "first_order"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one step is; `problem` is a VendorError's text, when its key was last refused."""

    step: Step
    done: bool
    problem: str | None = None


KEY_SETTING = {Vendor.SCALEV: "scalev_api_key", Vendor.MAILKETING: "mailketing_api_key"}
_BARE_KEY: dict[Vendor, Callable[[str], str]] = {
    Vendor.SCALEV: scalev_service.clean_key,
    Vendor.MAILKETING: mailketing_service.clean_token,
}
_NEWEST_ANSWERS: dict[Vendor, tuple[Select[Any], ...]] = {
    Vendor.SCALEV: (
        select(func.max(CatalogueStore.seen_at)),
        select(Heartbeat.succeeded_at).where(Heartbeat.name == reconcile_service.MARK),
    ),
    Vendor.MAILKETING: (
        select(func.max(CatalogueList.seen_at)),
        select(Delivery.sent_at).where(Delivery.status == DeliveryStatus.SENT).order_by(Delivery.id.desc()).limit(1),
    ),
}


def progress() -> list[Progress]:
    """Return all steps with their state."""
    return [
        _key_works(Step.SCALEV_KEY, Vendor.SCALEV),
        Progress(Step.SIGNING_SECRET, _saved("scalev_webhook_secret") is not None),
        Progress(Step.TEST_EVENT, _scalev_reached_us()),
        _mailketing_works(),
        Progress(Step.PRODUCT_LIST, _exists(select(ProductList.id))),
        Progress(Step.FIRST_ORDER, _exists(select(Lead.id).where(~Lead.order_id.startswith(simulator.ORDER_PREFIX)))),
    ]


def record_key_test(vendor: Vendor, key: str, problem: str | None, now: datetime) -> None:
    """Remember how the last test of a key ended.

    Only a digest of the key is kept, to tell later whether it is the saved one. A typed key that fails is not
    remembered: it says nothing about the saved one.
    """
    digest = _digest(vendor, key)
    saved = _saved(KEY_SETTING[vendor])
    if problem and (saved is None or _digest(vendor, saved) != digest):
        return
    with transaction() as session:
        beat = session.merge(Heartbeat(name=_heartbeat(vendor)))
        # `finished_at` stays empty: /healthz takes the newest one for the last run of a job.
        beat.started_at, beat.summary, beat.error = now, digest, problem[:_MAX_PROBLEM] if problem else None
        if problem is None:
            beat.succeeded_at = now


def record_failed_test(vendor: Vendor, key: str, error: VendorError, now: datetime) -> None:
    """Remember that a key was refused. What failed for another reason says nothing about the key."""
    if isinstance(error, VendorAuthError | VendorForbidden):
        record_key_test(vendor, key, str(error), now)


def _mailketing_works() -> Progress:
    """A hold has a notice of its own; it undoes the step only where Mailketing has never worked."""
    hold = delivery_service.hold()
    if hold is None:
        return _key_works(Step.MAILKETING, Vendor.MAILKETING)
    has_worked = _has_worked(Vendor.MAILKETING)
    return Progress(Step.MAILKETING, has_worked, None if has_worked else f"{mailketing_service.VENDOR}: {hold.reason}")


def _has_worked(vendor: Vendor) -> bool:
    """Whether any key was ever accepted, in a test or by a job."""
    test = db.session.get(Heartbeat, _heartbeat(vendor))
    return bool(test and test.succeeded_at) or any(db.session.scalar(query) for query in _NEWEST_ANSWERS[vendor])


def _key_works(step: Step, vendor: Vendor) -> Progress:
    """Judge the saved key by the newest of its own test and of what the vendor has answered since it was saved."""
    key = _saved(KEY_SETTING[vendor])
    if key is None:
        return Progress(step, False)
    answered_at = _answered_at(vendor)
    test = db.session.get(Heartbeat, _heartbeat(vendor))
    is_ours = test is not None and test.summary == _digest(vendor, key)
    if test and is_ours and test.started_at and (answered_at is None or answered_at < test.started_at):
        return Progress(step, test.error is None, test.error)
    return Progress(step, answered_at is not None)


def _answered_at(vendor: Vendor) -> datetime | None:
    """Return when the vendor last answered a job, None if not since the key was saved."""
    saved_at = db.session.scalar(select(Settings.updated_at).where(Settings.name == KEY_SETTING[vendor]))
    moments = [moment for query in _NEWEST_ANSWERS[vendor] if (moment := db.session.scalar(query))]
    newest = max(moments, default=None)
    return newest if newest and (saved_at is None or newest >= saved_at) else None


def _scalev_reached_us() -> bool:
    """Whether ScaleV itself has posted anything; what the simulator sent is no proof of that."""
    simulated = WebhookEvent.unique_id.startswith(simulator.EVENT_PREFIX, autoescape=True)
    real = or_(WebhookEvent.unique_id.is_(None), ~simulated)
    if _exists(select(WebhookEvent.id).where(WebhookEvent.source == EventSource.WEBHOOK, real)):
        return True
    # A test that came before there was a signing secret left only its moment.
    last_test = select(Heartbeat.succeeded_at).where(Heartbeat.name == event_service.TEST_HEARTBEAT)
    moment = db.session.scalar(last_test)
    return moment is not None and not _exists(select(WebhookEvent.id).where(WebhookEvent.received_at == moment))


def missing_keys() -> list[Vendor]:
    """Return the vendors that can't be asked, because no key is saved."""
    return [vendor for vendor, name in KEY_SETTING.items() if not _saved(name)]


def _exists(query: Select[int]) -> bool:
    return db.session.scalar(query.limit(1)) is not None


def _saved(name: str) -> str | None:
    """Return a saved secret; one that was saved with another key file has to be typed again, so it counts as none."""
    try:
        return settings_service.text(name)
    except UserError:
        return None


def _heartbeat(vendor: Vendor) -> str:
    return f"{vendor.value}-key"


def _digest(vendor: Vendor, key: str) -> str:
    return hashlib.sha256(_BARE_KEY[vendor](key).encode()).hexdigest()[:16]
