"""The demo as its users start it: a second start harms no first one, and its sample data is there soon."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import requests
from flask import Flask

import demo
from config import Config
from services.statuses import DeliveryStatus, LeadStatus
from tests.processes import Demo, free_port


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    program = Demo(tmp_path_factory.mktemp("demo") / "instance")
    try:
        program.wait_for_samples()
        yield program
    finally:
        program.stop()


def leads(program: Demo) -> int:
    count: int = program.rows("select count(*) from leads")[0][0]
    return count


@pytest.mark.slow
def test_a_second_start_is_one_line_and_leaves_the_first_alone(running: Demo) -> None:
    known = leads(running)
    second = Demo(running.instance, PORT=str(running.port))
    before = len(running.log)
    assert second.wait() == 1
    said = running.log[before:]  # both write into one file
    assert f"port {running.port}" in said and "Traceback" not in said
    assert leads(running) == known > 0
    assert requests.get(f"{running.url}/healthz", timeout=10).json()["database"] == "ok"


@pytest.mark.slow
def test_a_demo_on_another_port_leaves_the_first_alone(running: Demo) -> None:
    known = leads(running)
    second = Demo(running.instance)
    try:
        second.wait_until_up()
        assert (second.data / "scalevxmailketing.db").exists()
        assert leads(running) == known > 0
    finally:
        second.stop()


@pytest.mark.slow
def test_every_state_shows_at_once(running: Demo) -> None:
    states = dict(running.rows("select status, count(*) from deliveries group by status"))
    assert set(states) - {"sending"} == {status.value for status in DeliveryStatus} - {"sending"}
    later = datetime.now(UTC) + timedelta(minutes=30)
    moment = later.strftime("%Y-%m-%d %H:%M")
    retries = "select count(*) from deliveries where status = 'pending' and tries > 0 and next_attempt_at > ?"
    assert running.rows(retries, moment) == [(1,)], "one waits for another try, for long enough to be looked at"
    assert {row[0] for row in running.rows("select distinct status from leads")} == {row.value for row in LeadStatus}
    events = {row for row in running.rows("select status, name from webhook_events")}
    assert ("ignored", "business.test_event") in events
    assert {status for status, _ in events} >= {"processed", "waiting"}


@pytest.mark.slow
def test_product_lists_are_saved_as_the_form_saves_them(running: Demo) -> None:
    unknown = "select name from product_lists where product_id not in (select scalev_id from catalogue_products)"
    assert running.rows(unknown) == []


def test_sample_data_that_cannot_be_put_in_is_one_line(
    app: Flask, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    demo._fill(app, replace(config, port=free_port()), "http://127.0.0.1:1")
    said = capsys.readouterr().err
    assert said.startswith("The sample data is not complete (ConnectionError).")
    assert len(said.splitlines()) == 1
