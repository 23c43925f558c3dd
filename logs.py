"""The log: one line an entry, `key=value` pairs, on standard error. Personal data and secrets are masked on the way."""

import logging
import sys
from datetime import UTC, datetime

from services.contacts import redact

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_QUIET = ("apscheduler", "alembic", "waitress.queue")


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
    """Send the program's log to standard error; libraries speak from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(KeyValueFormatter())
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old.formatter, KeyValueFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
