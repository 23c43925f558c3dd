"""One process of a race: `python -m tests.race FOLDER DATABASE_URL|- TASK NAME` waits for the start, works, reports.

Tasks: `expire` and `deliver` do what is due; `receive` takes the bodies in FOLDER/bodies in, all of them; `lease` asks
for the scheduler's lease. The report is FOLDER/NAME.json.
"""

import json
import sys
import time
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from app import create_app
from config import Config
from services import delivery_worker, event_service, expiry_service, lease_service
from services.clock import utc_now
from services.outbox_run import Pace, Run
from tests import messages
from tests.fakes import FakeMailketing


@dataclass
class SharedMailketing(FakeMailketing):
    """Writes every call down, one line each, so that all processes' calls can be counted afterwards."""

    file: Path = field(default_factory=Path)

    def add_subscriber(self, list_id: str, email: str, **names: str):  # type: ignore[no-untyped-def,override]
        with self.file.open("a") as lines:
            lines.write(f"{list_id} {email}\n")
        return super().add_subscriber(list_id, email, **names)


def expire(_folder: Path, _name: str) -> object:
    return expiry_service.check_expired_leads(None, utc_now()).moved


def deliver(folder: Path, name: str) -> object:
    mailketing = SharedMailketing(file=folder / f"{name}.calls")
    run = Run(utc_now(), Pace(Decimal(20), sleep=lambda _seconds: time.sleep(0.002)))
    delivery_worker.send_due(mailketing, run)
    return run.summary()


def receive(folder: Path, _name: str) -> object:
    accepted = 0
    for path in sorted((folder / "bodies").iterdir()):
        event, _problem = messages.receive(path.read_bytes(), utc_now())
        if event is not None:
            event_service.act_on(event, utc_now())
            accepted += 1
    return accepted


def lease(_folder: Path, name: str) -> object:
    return lease_service.acquire(name, utc_now())


TASKS = {"expire": expire, "deliver": deliver, "receive": receive, "lease": lease}


def main(folder: Path, url: str, task: str, name: str) -> None:
    app = create_app(Config(instance_path=folder, secret_key="tests", database_url=None if url == "-" else url))
    with app.app_context():
        (folder / f"{name}.ready").touch()
        while not (folder / "start").exists():
            time.sleep(0.005)
        report = TASKS[task](folder, name)
    (folder / f"{name}.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
