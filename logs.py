"""The log: one line an entry, `key=value` pairs, on standard error. Personal data and secrets are masked on the way."""

import logging
import sys
from datetime import UTC, datetime

from services.contacts import redact

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LEVELS = {
    "apscheduler": logging.WARNING,
    # It warns when a job takes longer than its interval; `max_instances` is there for that.
    "apscheduler.scheduler": logging.ERROR,
    "alembic": logging.WARNING,
    # Its error is the one line that says why `db upgrade` or a start ended: no LOG_LEVEL may hide it.
    "flask_migrate": logging.ERROR,
    # It warns for each request that waits for a thread: under load a line a webhook.
    "waitress.queue": logging.ERROR,
}


class KeyValueFormatter(logging.Formatter):
    """`2026-11-22T02:11:09Z INFO services.jobs job done job=deliver summary="1 sent"`, redacted as a whole."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        extra = {key: value for key, value in vars(record).items() if key not in _STANDARD and value is not None}
        pairs = [f"{key}={value!r}" for key, value in extra.items()]
        line = " ".join([record.levelname, record.name, record.getMessage(), *pairs])
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return f"{moment} {redact(line)}"


def set_up(level: str) -> None:
    """Send the program's log to standard error; some libraries have a level of their own."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(KeyValueFormatter())
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old.formatter, KeyValueFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name, own_level in _LEVELS.items():
        logging.getLogger(name).setLevel(own_level)
