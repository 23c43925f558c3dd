"""Runs the program in a process of its own that kills itself (SIGKILL) at one step; for the crash tests only.

The processes are forked from one that has imported the program already, so that a test can afford many of them.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import flask.cli
from sqlalchemy import event
from sqlalchemy.engine import Engine

import app

# Step -> where its function stands. A step that is renamed in the program fails its tests at once.
STEPS = {
    "migrate": ("services.schema", "upgrade"),
    "receive": ("services.event_service", "receive"),
    "process": ("services.event_service", "act_on"),
    "receive together": ("services.event_service", "receive_all"),
    "process together": ("services.event_service", "act_on_all"),
    "process what waited": ("services.event_service", "process"),
    "expire": ("services.lead_service", "expire"),
    "claim": ("services.delivery_worker", "claim_next"),
    "send": ("services.mailketing_service.MailketingClient", "add_subscriber"),
    "settle": ("services.delivery_worker", "settle"),
}


def context() -> ForkServerContext:
    """Where crashing processes come from."""
    fork = multiprocessing.get_context("forkserver")
    fork.set_forkserver_preload(["tests.crashing"])
    return fork


def start(environment: dict[str, str], log: Path, arguments: list[str], crash: tuple[str, str] | None) -> BaseProcess:
    """Start `app.py`, or `flask --app app` with these arguments, in a process that crashes at (when, step)."""
    process = context().Process(target=_run, args=(environment, log, arguments, crash), daemon=True)
    process.start()
    return process


def _run(environment: dict[str, str], log: Path, arguments: list[str], crash: tuple[str, str] | None) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    if crash:
        arm(*crash)
    if arguments == ["app.py"]:
        sys.argv = arguments
        app.main()
    else:
        sys.argv = ["flask", "--app", "app", *arguments]
        flask.cli.main()


def arm(when: str, step: str) -> None:
    """Die before a step begins, right before it commits what it did ("during"), or after it has ended."""
    owner_name, name = STEPS[step]
    owner = _find(owner_name)
    original: Callable[..., Any] = getattr(owner, name)
    inside = []

    def run(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            die()
        inside.append(True)
        result = original(*args, **kwargs)
        if when == "after":
            die()
        inside.pop()
        return result

    def before_commit(_: object) -> None:
        if inside:
            die()

    setattr(owner, name, run)
    if when == "during":
        event.listen(Engine, "commit", before_commit)


def die() -> None:
    """As a power cut would: no handler runs, nothing is flushed."""
    os.kill(os.getpid(), signal.SIGKILL)


def _find(dotted: str) -> Any:
    module, _, attribute = dotted.rpartition(".")
    return getattr(import_module(module), attribute)
