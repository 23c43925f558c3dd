"""The contract's environment: what a bad variable does to the start, what wins over what, which files are made."""

import dataclasses
import os
import shutil
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app import warn_of_swapped_keys
from config import BASE_DIR, DATABASE_FILE, Config, ConfigError
from tests.processes import (
    EMAIL,
    PASSWORD,
    Browser,
    Output,
    environment,
    free_port,
    order_created,
    run_flask,
    run_python,
    running,
)

ADMIN = {"ADMIN_EMAIL": EMAIL, "ADMIN_PASSWORD": PASSWORD}
# One for each variable that can be bad; test_config.py knows more values.
BAD = {
    "DATABASE_URL": "oracel://user@host/name",
    "INSTANCE_PATH": str(BASE_DIR / "app.py"),
    "HOST": "no such host",
    "PORT": "9" * 5000,
    "PUBLIC_URL": "https://leads example.com",
    "TRUSTED_PROXIES": "all",
    "SCALEV_API_KEY": "sk_\x07",
    "SCALEV_WEBHOOK_SECRET": "s" * 501,
    "MAILKETING_API_KEY": '""',
    "SCALEV_API_URL": "api.scalev.com",
    "MAILKETING_API_URL": "ftp://api.mailketing.co.id",
    "ADMIN_EMAIL": "admin at example.com",
    "ADMIN_PASSWORD": "x" * 300,
    "FOLLOW_UP_DAYS": "0",
    "CHECK_INTERVAL_MINUTES": "1.5",
    "TIMEZONE": "WIB+7",
    "SCHEDULER_ENABLED": "perhaps",
    "LOG_LEVEL": "LOUD",
}


def start(instance: Path, **variables: str) -> Output:
    """`python app.py` with variables that let it end by itself."""
    return run_python("app.py", env=environment(instance, **{"PORT": str(free_port()), **variables}))


def is_one_line_about(done: Output, name: str) -> bool:
    return done.code == 1 and name in done.err and len(done.err.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_bad_variable_stops_the_start_with_one_line_that_names_it(tmp_path: Path) -> None:
    def start_with(name: str) -> Output:
        pair = ADMIN if name.startswith("ADMIN") else {}
        return start(tmp_path / name, **{**pair, name: BAD[name]})

    with ThreadPoolExecutor(2) as pool:  # a start costs a second
        ended = dict(zip(BAD, pool.map(start_with, BAD), strict=True))
    assert {name: done for name, done in ended.items() if not is_one_line_about(done, name)} == {}


def test_every_variable_that_can_be_bad_is_tried() -> None:
    cannot_be = {"SECRET_KEY", "DEMO_URL"}
    assert {field.name.upper() for field in dataclasses.fields(Config)} - cannot_be == set(BAD)


@pytest.mark.slow
def test_a_key_in_anothers_place_does_not_stop_the_commands(tmp_path: Path) -> None:
    done = run_flask(tmp_path / "instance", "users", "list", SCALEV_WEBHOOK_SECRET="sk_demo", SCALEV_API_KEY="abc")
    assert (done.code, done.err) == (0, "")


def test_a_key_in_anothers_place_is_logged_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_swapped_keys(Config(scalev_webhook_secret="sk_demo", scalev_api_key="rk_demo"))
    assert [record.getMessage().partition(" ")[0] for record in caplog.records] == ["SCALEV_WEBHOOK_SECRET"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["INSTANCE_PATH", "MAILKETING_API_KEY"])
def test_a_bad_variable_stops_the_commands_in_the_same_way(tmp_path: Path, name: str) -> None:
    assert is_one_line_about(run_flask(tmp_path / "instance", "users", "list", **{name: BAD[name]}), name)


@pytest.mark.slow
@pytest.mark.parametrize("url", ["postgres://user:hush@127.0.0.1:1/leads", "sqlite:////no/such/folder/x.db"])
def test_a_database_that_is_not_there_is_one_line_without_its_password(tmp_path: Path, url: str) -> None:
    done = start(tmp_path / "instance", DATABASE_URL=url)
    assert is_one_line_about(done, "DATABASE_URL"), done
    assert "hush" not in done.err
    command = run_flask(tmp_path / "instance", "users", "list", DATABASE_URL=url)
    assert (command.code, len(command.err.strip().splitlines())) == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("query", ["foo=bar", "connect_timeout=soon"])
def test_options_that_the_driver_refuses_are_one_line(tmp_path: Path, query: str) -> None:
    refused = {"DATABASE_URL": f"mysql://user:hush@127.0.0.1:1/leads?{query}"}
    starts = [start(tmp_path, **refused)]
    starts += [run_flask(tmp_path, *words.split(), **refused) for words in ("db upgrade", "users list")]
    for done in starts:
        assert is_one_line_about(done, "DATABASE_URL"), done
        assert "hush" not in done.err


@pytest.mark.slow
def test_a_quiet_log_does_not_hide_why_the_start_ended(tmp_path: Path) -> None:
    silent = {"LOG_LEVEL": "CRITICAL", "DATABASE_URL": "mysql://user@127.0.0.1:1/leads"}
    for done in (start(tmp_path, **silent), run_flask(tmp_path, "db", "upgrade", **silent)):
        assert is_one_line_about(done, "DATABASE_URL"), done


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which not even root can write")
def test_a_folder_that_cannot_be_written_to_is_one_line() -> None:
    done = start(Path("/proc"))
    assert is_one_line_about(done, "INSTANCE_PATH"), done


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.slow
def test_a_key_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "secret_key").mkdir()
    done = start(tmp_path)
    assert is_one_line_about(done, "INSTANCE_PATH"), done


@pytest.mark.slow
def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with running(tmp_path / "first") as program:
        done = start(tmp_path / "second", PORT=str(program.port))
        assert is_one_line_about(done, "PORT"), done


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("postgres://u:p@host/name", "postgresql+psycopg"),
        ("postgresql://u:p@host/name", "postgresql+psycopg"),
        ("mysql://u:p@host/name", "mysql+pymysql"),
        ("mariadb://u:p@host/name", "mysql+pymysql"),
        ("sqlite:////tmp/x.db", "sqlite"),
    ],
)
def test_a_database_url_gets_the_driver_that_is_installed(given: str, driver: str) -> None:
    assert Config.from_env({"DATABASE_URL": given}, dotenv=None).sqlalchemy_url.partition("://")[0] == driver


@pytest.mark.parametrize(
    "given", ["mssql://u@host/name", "postgresql+pg8000://u@host/name", "oracle+cx_oracle://u@h/n"]
)
def test_a_database_whose_driver_is_missing_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL"):
        Config.from_env({"DATABASE_URL": given}, dotenv=None)


@pytest.mark.slow
def test_the_first_start_makes_the_database_and_keys_that_only_the_owner_can_read(tmp_path: Path) -> None:
    instance = tmp_path / "new" / "instance"
    variables = {**ADMIN, "SCALEV_WEBHOOK_SECRET": "first value", "FOLLOW_UP_DAYS": "3"}
    with running(instance, **variables) as program, Browser(program.url) as browser:
        assert browser.log_in().status_code == 302
        assert program.send(order_created(), "first value").status_code == 200
        assert program.flask("settings", "set", "scalev_webhook_secret", "second value").code == 0
        assert program.send(order_created(), "second value").status_code == 200, "once saved, the saved value wins"
        assert program.rows("select julianday(due_at) - julianday(follow_up_start) from leads") == [(3.0,)] * 2
    assert (instance / DATABASE_FILE).stat().st_size > 0
    if sys.platform != "win32":
        keys = [path for path in instance.iterdir() if "key" in path.name]
        assert len(keys) == 2, keys
        assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    data = (instance / DATABASE_FILE).read_bytes() + b"".join(path.read_bytes() for path in instance.glob("*-wal"))
    assert b"second value" not in data, "a secret lies open in the database"


@pytest.mark.slow
def test_sessions_live_on_after_a_restart_and_end_with_another_key(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    port = str(free_port())
    with running(instance, **ADMIN, PORT=port) as program, Browser(program.url) as browser:
        browser.log_in()
        program.stop()
        with running(instance, PORT=port):
            assert browser.get("/").status_code == 200
        with running(instance, PORT=port, SECRET_KEY="another key than the file's"):
            assert browser.get("/").status_code == 302


# --- .env -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The program in a folder of its own, where a `.env` can lie."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for path in BASE_DIR.glob("*.py"):
        shutil.copy(path, folder)
    for name in ("services", "routes", "templates", "static", "migrations", "translations", "sandbox"):
        os.symlink(BASE_DIR / name, folder / name)
    return folder


def show_settings(checkout: Path, dotenv: bytes, **variables: str) -> Output:
    """What the program in that folder reads; of the environment it gets only what the test sets."""
    (checkout / ".env").write_bytes(dotenv)
    basis = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in os.environ}
    return run_python("-m", "flask", "--app", "app", "settings", "show", env={**basis, **variables}, cwd=checkout)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege there")
@pytest.mark.parametrize(
    ("dotenv", "variables", "days"),
    [
        (b"FOLLOW_UP_DAYS=9\n", {}, "9"),
        (b"FOLLOW_UP_DAYS=9\n", {"FOLLOW_UP_DAYS": "11"}, "11"),
        (b"FOLLOW_UP_DAYS=9\n", {"FOLLOW_UP_DAYS": ""}, "7"),
        (b"FOLLOW_UP_DAYS=\nUNKNOWN_NAME=1\nnot an assignment\n", {}, "7"),
        ("\ufeffFOLLOW_UP_DAYS=9\r\n".encode(), {}, "9"),
    ],
)
def test_the_environment_wins_over_the_file_also_when_empty(
    checkout: Path, dotenv: bytes, variables: dict[str, str], days: str
) -> None:
    done = show_settings(checkout, dotenv, **variables)
    assert done.code == 0, done.err
    assert f"follow_up_days={days}" in done.out.splitlines()
    assert (checkout / "instance" / DATABASE_FILE).exists(), "the instance folder lies beside app.py"


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege there")
@pytest.mark.parametrize(
    ("dotenv", "name"), [(b"FOLLOW_UP_DAYS=many\n", "FOLLOW_UP_DAYS"), (b"ADMIN_EMAIL=\xe9\xff\n", ".env")]
)
def test_a_bad_file_stops_the_start_with_one_line(checkout: Path, dotenv: bytes, name: str) -> None:
    (checkout / ".env").write_bytes(dotenv)
    done = run_python("app.py", env={"PATH": os.environ["PATH"], "PORT": str(free_port())}, cwd=checkout)
    assert is_one_line_about(done, name), done
