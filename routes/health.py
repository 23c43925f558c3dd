"""/healthz: for monitors and for the person who looks why nothing happens. No login, no personal data."""

from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from routes.guards import declare, open_to_all
from services import health_service
from services.clock import utc_now
from services.errors import UserError
from services.health_service import Health
from services.statuses import DeliveryStatus, EventStatus
from version import VERSION

# While the database fails nobody can tell; monitors still find every field.
_UNKNOWN = {
    "status": "degraded",
    "scheduler": {"last_run": None, "late": False},
    "inbox": {"waiting": None, "failed": None},
    "outbox": {"pending": None, "failed": None, "oldest_pending_seconds": None},
}

bp = declare(Blueprint("health", __name__), open_to_all)


@bp.get("/healthz")
def show() -> ResponseReturnValue:
    """Answer 200 while everything runs, 503 when a person should look."""
    config = current_app.extensions["config"]
    expected_since = current_app.extensions["started_at"] if config.scheduler_enabled else None
    try:
        health = health_service.look(utc_now(), scheduler_expected_since=expected_since)
    except (SQLAlchemyError, UserError) as error:
        current_app.logger.exception("health check failed")
        return jsonify(_UNKNOWN | {"version": VERSION, "database": type(error).__name__}), 503
    return jsonify(_describe(health)), 503 if health.is_degraded else 200


def _describe(health: Health) -> dict[str, object]:
    events, deliveries = health.events, health.deliveries
    return {
        "status": "degraded" if health.is_degraded else "ok",
        "version": VERSION,
        "database": "ok",
        "scheduler": {
            "last_run": health.last_run.isoformat() if health.last_run else None,
            "late": health.scheduler_late,
        },
        "inbox": {
            "waiting": events.get(EventStatus.RECEIVED, 0) + events.get(EventStatus.WAITING, 0),
            "failed": events.get(EventStatus.FAILED, 0) + events.get(EventStatus.DEAD, 0),
        },
        "outbox": {
            "pending": deliveries.get(DeliveryStatus.PENDING, 0) + deliveries.get(DeliveryStatus.SENDING, 0),
            "failed": deliveries.get(DeliveryStatus.FAILED, 0),
            "oldest_pending_seconds": health.oldest_pending_seconds,
        },
    }
