"""Settings from the environment: strict, and every complaint names its variable."""

from pathlib import Path

import pytest

from config import BASE_DIR, Config, ConfigError


def read(**environ: str) -> Config:
    return Config.from_env(environ, dotenv=None)


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read() == Config()


def test_an_empty_value_counts_as_not_set() -> None:
    names = ["PORT", "HOST", "DATABASE_URL", "TIMEZONE", "LOG_LEVEL", "SCHEDULER_ENABLED", "PUBLIC_URL", "SECRET_KEY"]
    assert read(**dict.fromkeys(names, ""), ADMIN_EMAIL=" ") == Config()


def test_unknown_variables_are_ignored() -> None:
    assert read(SOMETHING_ELSE="x") == Config()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "5000.0"),
        ("PORT", "lima"),
        ("PORT", "\u0665"),
        ("TRUSTED_PROXIES", "11"),
        ("FOLLOW_UP_DAYS", "0"),
        ("FOLLOW_UP_DAYS", "366"),
        ("CHECK_INTERVAL_MINUTES", "1441"),
        ("SCHEDULER_ENABLED", "maybe"),
        ("LOG_LEVEL", "LOUD"),
        ("TIMEZONE", "Asia/Bandung"),
        ("TIMEZONE", "../etc/passwd"),
        ("TIMEZONE", "/etc/passwd"),
        ("PUBLIC_URL", "leads.example.com"),
        ("PUBLIC_URL", "https://"),
        ("PUBLIC_URL", "https://host:99999"),
        ("SCALEV_API_URL", "ftp://api.scalev.com"),
        ("MAILKETING_API_URL", "javascript:alert(1)"),
        ("DATABASE_URL", "not a url"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(**{name: value})
    assert str(caught.value).startswith(name)
    assert "\n" not in str(caught.value)


def test_a_secret_never_shows() -> None:
    config = read(
        SECRET_KEY="rahasia-1", SCALEV_API_KEY="rahasia-2", DATABASE_URL="postgresql://u:rahasia-3@h/d",
        ADMIN_EMAIL="a@example.com", ADMIN_PASSWORD="rahasia-4", MAILKETING_API_KEY="rahasia-5",
        SCALEV_WEBHOOK_SECRET="rahasia-6",
    )  # fmt: skip
    assert "rahasia" not in repr(config)


@pytest.mark.parametrize(
    ("environ", "culprit"),
    [
        ({"ADMIN_EMAIL": "a@example.com"}, "ADMIN_PASSWORD"),
        ({"ADMIN_PASSWORD": "kopi susu"}, "ADMIN_EMAIL"),
        ({"ADMIN_EMAIL": "admin", "ADMIN_PASSWORD": "kopi susu"}, "ADMIN_EMAIL"),
        ({"ADMIN_EMAIL": "a@example.com", "ADMIN_PASSWORD": "short"}, "ADMIN_PASSWORD"),
    ],
)
def test_the_first_admin_needs_an_address_and_a_password(environ: dict[str, str], culprit: str) -> None:
    with pytest.raises(ConfigError, match=f"^{culprit}"):
        read(**environ)


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("postgres://u@h/d", "postgresql+psycopg"),
        ("postgresql://u@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg://u@h/d", "postgresql+psycopg"),
        ("mysql://u@h/d", "mysql+pymysql"),
        ("mariadb://u@h/d", "mysql+pymysql"),
    ],
)
def test_a_database_url_gets_the_driver_that_is_installed(url: str, driver: str) -> None:
    assert read(DATABASE_URL=url).sqlalchemy_url.startswith(f"{driver}://u@h/d")


def test_mariadb_always_speaks_utf8mb4_unless_told_otherwise() -> None:
    assert read(DATABASE_URL="mysql://u@h/d").sqlalchemy_url.endswith("?charset=utf8mb4")
    assert read(DATABASE_URL="mysql://u@h/d?charset=utf8").sqlalchemy_url.endswith("?charset=utf8")


def test_a_password_survives_in_the_database_url() -> None:
    assert "s%40cret" in read(DATABASE_URL="postgresql://u:s%40cret@h/d").sqlalchemy_url


def test_without_a_url_the_database_is_a_file_in_the_instance_folder(tmp_path: Path) -> None:
    config = read(INSTANCE_PATH=str(tmp_path))
    assert config.sqlalchemy_url == f"sqlite:///{tmp_path / 'scalevxmailketing.db'}"
    assert Config().instance_path == BASE_DIR / "instance"


def test_the_environment_wins_over_the_file_also_when_it_is_empty(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=6000\nHOST=0.0.0.0\nLOG_LEVEL=debug\n")
    config = Config.from_env({"PORT": "7000", "HOST": ""}, dotenv=file)
    assert (config.port, config.host, config.log_level) == (7000, "127.0.0.1", "DEBUG")


def test_a_missing_file_is_no_error(tmp_path: Path) -> None:
    assert Config.from_env({}, dotenv=tmp_path / "none") == Config()


@pytest.mark.parametrize(("text", "value"), [("1", True), ("Yes", True), ("off", False), ("0", False)])
def test_a_switch_knows_several_words(text: str, value: bool) -> None:
    assert read(SCHEDULER_ENABLED=text).scheduler_enabled is value


def test_addresses_lose_their_last_slash() -> None:
    assert read(SCALEV_API_URL="http://127.0.0.1:1/scalev/").scalev_api_url == "http://127.0.0.1:1/scalev"


def test_cookies_are_secure_when_the_public_address_is_https() -> None:
    assert read(PUBLIC_URL="https://leads.example.com").https
    assert not read(PUBLIC_URL="http://leads.example.com").https
    assert not read().https


def test_people_are_shown_an_address_that_they_can_open() -> None:
    assert read().base_url == "http://localhost:5000"
    assert read(HOST="0.0.0.0", PORT="80").base_url == "http://localhost:80"  # noqa: S104 (nothing is bound)
    assert read(PUBLIC_URL="https://leads.example.com/").base_url == "https://leads.example.com"
