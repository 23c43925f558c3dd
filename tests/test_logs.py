"""The log: what libraries may say in it."""

import logging
from collections.abc import Iterator

import pytest

import logs

NOISE = ("waitress.queue", "apscheduler.scheduler")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.mark.parametrize("name", NOISE)
def test_what_libraries_warn_of_at_every_turn_is_not_logged(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("INFO")
    logging.getLogger(name).warning("Task queue depth is 5")
    logging.getLogger(name).error("it broke")
    assert "queue depth" not in (said := capsys.readouterr().err)
    assert "it broke" in said


@pytest.mark.parametrize("level", ["INFO", "CRITICAL"])
def test_why_a_migration_failed_is_always_logged(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(level)
    logging.getLogger("flask_migrate").error("Error: the database does not answer")
    assert "does not answer" in capsys.readouterr().err
