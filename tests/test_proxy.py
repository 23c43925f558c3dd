"""Behind a proxy: whom the program takes a visitor for, by the real server, which has a say in it too."""

from pathlib import Path

import pytest

from tests.processes import Browser, Program, running

FORWARDED = {"X-Forwarded-For": "203.0.113.9"}


def addresses_that_tried(program: Program) -> set[str]:
    keys = {str(row[0]) for row in program.rows("SELECT key FROM login_attempts")}
    return {key.removeprefix("address:") for key in keys if key.startswith("address:")}


def fail_to_log_in(program: Program) -> None:
    with Browser(program.url) as browser:
        browser.session.headers.update(FORWARDED)
        assert browser.log_in("nobody@example.com", "wrong-password").status_code == 200


@pytest.mark.parametrize(("proxies", "address"), [("0", "127.0.0.1"), ("1", "203.0.113.9")])
def test_a_forwarded_address_counts_only_where_a_proxy_is_trusted(tmp_path: Path, proxies: str, address: str) -> None:
    with running(tmp_path / "instance", TRUSTED_PROXIES=proxies, SCHEDULER_ENABLED="0") as program:
        fail_to_log_in(program)
        assert addresses_that_tried(program) == {address}
