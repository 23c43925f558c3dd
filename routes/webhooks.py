"""Where ScaleV posts its events. An answer of 200 means: stored on disk. No answer holds personal data."""

import logging
from datetime import datetime

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import RequestEntityTooLarge

from models import MAX_BODY_BYTES
from routes.guards import declare, open_to_all
from services import event_service, intake, signatures, webhook_body
from services.clock import utc_now
from services.errors import UserError
from services.intake import NoSecret, WrongSignature
from services.webhook_body import BadBody

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 60

bp = declare(Blueprint("webhooks", __name__, url_prefix="/webhook"), open_to_all)


@bp.get("/scalev")
def explain() -> ResponseReturnValue:
    """Answer a person's browser, and the probe that ScaleV may send when its settings are saved."""
    return Response("This is the webhook address for ScaleV. Paste it into ScaleV's webhook settings.\n", 200)


@bp.post("/scalev")
def receive() -> ResponseReturnValue:
    """Take one event: check its size and signature, keep it, act on it, answer."""
    try:
        request.max_content_length = MAX_BODY_BYTES
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        return _answer(413, "error", "The body is larger than 1 MiB.")
    try:
        return _receive(body, utc_now())
    except SQLAlchemyError:
        logger.exception("webhook not stored")
    except UserError as error:  # a saved secret that can't be read any more
        logger.error("webhook not stored", extra={"error": str(error)})
    return _try_again("The event can't be stored now.")


def _receive(body: bytes, now: datetime) -> ResponseReturnValue:
    try:
        event, problem = intake.accept(body, request.headers.get(signatures.HEADER), now)
    except NoSecret:
        return _receive_without_secret(body, now)
    except WrongSignature:
        logger.warning("webhook refused: wrong signature", extra={"bytes": len(body)})
        return _answer(401, "error", "The signature is missing or wrong.")
    if problem is not None:
        return _answer(400, "error", str(problem))
    return _answer(200, "duplicate" if event is None else "accepted")


def _receive_without_secret(body: bytes, now: datetime) -> ResponseReturnValue:
    """ScaleV saves its webhook settings only when its test event is answered, perhaps before the secret is here."""
    if not _is_test_event(body):
        return _try_again("No signing secret is saved in Settings yet.")
    event_service.note_test_event(now)
    return _answer(200, "accepted")


def _is_test_event(body: bytes) -> bool:
    try:
        return webhook_body.parse(body).name == webhook_body.TEST_EVENT
    except BadBody:
        return False


def _try_again(message: str) -> ResponseReturnValue:
    response, status = _answer(503, "error", message)
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response, status


def _answer(status: int, word: str, message: str | None = None) -> tuple[Response, int]:
    return jsonify({"status": word} | ({"message": message} if message else {})), status
