"""Log-in, log-out and the first set-up, as people do them."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from app import create_app
from config import DATABASE_FILE, Config
from models import (
    User,
    db,
)
from services import user_service
from tests.builders import (
    PASSWORD,
)
from tests.page_client import PageClient


def test_who_logs_in_gets_where_they_wanted_to_go(pages: PageClient, admin: User) -> None:
    wanted = pages.get("/leads?status=closing", 302).location
    answer = pages.send(wanted, "/login", email="ADMIN@example.com ", password=PASSWORD)
    assert answer.location == "/leads?status=closing"
    assert pages.get(wanted, 302).location == "/leads?status=closing"


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https://evil.example"])
def test_a_login_link_leads_to_no_other_site(pages: PageClient, admin: User, target: str) -> None:
    answer = pages.send(f"/login?next={target}", "/login", email=admin.email, password=PASSWORD)
    assert answer.location == "/"


def test_a_wrong_password_is_told_and_the_email_kept(pages: PageClient, admin: User) -> None:
    page = pages.send("/login", "/login", status=200, email=admin.email, password="wrong")
    assert "Email atau kata sandi salah." in page.text
    assert page.form("/login").values["email"] == admin.email
    assert "wrong" not in page.html


def test_too_many_wrong_passwords_are_told(pages: PageClient, admin: User) -> None:
    for _ in range(10):
        pages.send("/login", "/login", status=200, email=admin.email, password="wrong")
    page = pages.send("/login", "/login", status=429, email=admin.email, password=PASSWORD)
    assert "Terlalu banyak percobaan" in page.text


def test_a_login_begins_a_session_of_its_own(pages: PageClient, admin: User) -> None:
    before = pages.get("/login").form("/login").values["csrf_token"]
    answer = pages.client.post("/login", data={"email": admin.email, "password": PASSWORD, "csrf_token": before})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Expires" in cookie and "Secure" not in cookie
    assert pages.client.post("/logout", data={"csrf_token": before}).status_code == 400


def test_cookies_are_secure_where_the_public_address_is_https(config: Config) -> None:
    secure = create_app(Config(instance_path=config.instance_path, public_url="https://leads.example.com"))
    response = secure.test_client().get("/login")
    assert all("Secure" in cookie for cookie in response.headers.getlist("Set-Cookie"))


def test_who_logs_out_is_out(admin_pages: PageClient) -> None:
    assert admin_pages.send("/", "/logout").location == "/login"
    assert admin_pages.get("/", 302).location == "/login?next=/"


def test_a_new_password_logs_other_browsers_out(admin_pages: PageClient, admin: User) -> None:
    user_service.reset_password(admin.email, "teh tarik manis")
    assert admin_pages.get("/", 302).location == "/login?next=/"


def test_the_first_admin_is_made_with_the_token_from_the_console(pages: PageClient, config: Config) -> None:
    assert "/setup" in pages.get("/login").links
    token = user_service.setup_token(config.instance_path)
    url = f"/setup?token={token}"
    assert pages.get(url).form("/setup").values["token"] == token
    assert pages.send(url, "/setup", email="budi@example.com", password=PASSWORD).location == "/"
    assert pages.get("/").headings == ["Beranda"]
    assert pages.get("/setup", 302).location == "/login"


def test_a_set_up_tells_how_long_the_password_must_be_before_it_is_sent(pages: PageClient) -> None:
    page = pages.get("/setup")
    assert "Minimal 8 karakter." in page.text and 'minlength="8"' in page.html


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"token": "guess"}, "Ini bukan token setup"),
        ({"password": "short"}, "Minimal 8 karakter."),
        ({"email": "budi"}, "Ini bukan alamat email."),
        ({"email": ""}, "Wajib diisi."),
    ],
)
def test_a_set_up_with_a_mistake_names_it(
    pages: PageClient, config: Config, values: dict[str, str], complaint: str
) -> None:
    token = user_service.setup_token(config.instance_path)
    filled = {"email": "budi@example.com", "password": PASSWORD, **values}
    page = pages.send(f"/setup?token={token}", "/setup", status=200, **filled)
    assert complaint in page.text
    assert not user_service.any_user()


@pytest.mark.parametrize(("proxies", "locked_out"), [(0, True), (1, False)])
def test_a_forwarded_address_counts_only_behind_a_trusted_proxy(
    config: Config, migrated_file: Path, proxies: int, locked_out: bool
) -> None:
    config = replace(config, trusted_proxies=proxies)
    behind = create_app(config)
    shutil.copy(migrated_file, config.instance_path / DATABASE_FILE)
    pages = PageClient(behind.test_client())
    values = pages.get("/login").form("/login").values | {"password": "wrong"}
    for number in range(21):
        values["email"] = f"guess{number}@example.com"
        answer = pages.client.post("/login", data=values, headers={"X-Forwarded-For": f"203.0.113.{number}"})
    assert (answer.status_code == 429) is locked_out
    with behind.app_context():
        db.engine.dispose()
