"""Every area says who may enter, and the doors hold."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from models import User, UserRole
from routes import AREAS, guards
from tests.builders import PASSWORD, make_user
from tests.page_client import PageClient

GUARDS = {guards.open_to_all, guards.login_required, guards.admin_required}
OPEN_AREAS = {"accounts", "webhooks", "health"}
ADMIN_AREAS = {"imports", "settings", "texts", "product_lists", "events", "tools"}


def _rules(app: Flask) -> Iterator[tuple[Rule, guards.Guard]]:
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static":
            yield rule, app.blueprints[rule.endpoint.split(".")[0]].guard  # type: ignore[attr-defined]


def _example_url(rule: Rule) -> str:
    return re.sub(r"<any\((\w+).*?>", r"\1", re.sub(r"<row:\w+>", "1", rule.rule))


def test_every_blueprint_declares_one_of_the_guards(app: Flask) -> None:
    assert {blueprint.guard for blueprint in app.blueprints.values()} <= GUARDS  # type: ignore[attr-defined]
    for blueprint in app.blueprints.values():
        assert blueprint.guard in blueprint.before_request_funcs[None]  # type: ignore[attr-defined]


def test_only_these_areas_are_open_and_only_these_are_for_admins() -> None:
    named = {guard: {area.bp.name for area in AREAS if area.bp.guard is guard} for guard in GUARDS}
    assert named[guards.open_to_all] == OPEN_AREAS
    assert named[guards.admin_required] == ADMIN_AREAS


def test_every_page_sends_strangers_to_the_login_and_back(app: Flask, client: FlaskClient) -> None:
    for rule, guard in _rules(app):
        if guard is guards.open_to_all or "GET" not in rule.methods:
            continue
        url = _example_url(rule)
        response = client.get(f"{url}?status=closing")
        assert response.status_code == 302, url
        assert response.location == f"/login?next={url}?status%3Dclosing", url


def test_every_action_refuses_strangers(app: Flask, pages: PageClient) -> None:
    token = pages.get("/login").form("/login").values["csrf_token"]
    for rule, guard in _rules(app):
        if guard is not guards.open_to_all and "POST" in rule.methods:
            response = pages.client.post(_example_url(rule), data={"csrf_token": token})
            assert (response.status_code, response.location) == (302, "/login?next=/"), rule


def test_a_cs_is_kept_out_of_the_admins_pages(app: Flask, pages: PageClient) -> None:
    pages.log_in(make_user("sari@example.com", UserRole.CS).email, PASSWORD)
    for rule, guard in _rules(app):
        if "GET" in rule.methods and guard is guards.admin_required:
            assert "Khusus admin" in pages.get(_example_url(rule), 403).text
    token = pages.get("/").form("/logout").values["csrf_token"]
    for rule, guard in _rules(app):
        if "POST" in rule.methods and guard is guards.admin_required:
            response = pages.client.post(_example_url(rule), data={"csrf_token": token})
            assert response.status_code == 403, rule


def test_a_cs_sees_no_links_to_the_admins_pages(pages: PageClient) -> None:
    pages.log_in(make_user("sari@example.com", UserRole.CS).email, PASSWORD)
    for url in ("/", "/leads", "/deliveries"):
        assert not [link for link in pages.get(url).links if link.startswith(("/settings", "/product", "/events"))]


def test_every_form_without_its_csrf_token_is_refused_in_plain_words(
    app: Flask, pages: PageClient, admin: User
) -> None:
    pages.log_in(admin.email, PASSWORD)
    for rule, _ in _rules(app):
        if "POST" in rule.methods and not rule.endpoint.startswith("webhooks."):
            response = pages.client.post(_example_url(rule), data={"active": "1"})
            assert response.status_code == 400, rule
            assert "Buka halamannya lagi" in response.get_data(as_text=True), rule


def test_htmx_opens_the_login_page_as_a_whole(client: FlaskClient) -> None:
    response = client.get("/leads", headers={"HX-Request": "true"})
    assert (response.status_code, response.headers["HX-Redirect"]) == (401, "/login")


@pytest.mark.parametrize("target", ["/", "/leads?status=closing", "/leads/1"])
def test_a_path_on_this_site_is_followed(target: str) -> None:
    assert guards.safe_path(target, "/default") == target


@pytest.mark.parametrize(
    "target",
    [None, "", "leads", "//evil.example", "/\\evil.example", "https://evil.example", "https:evil", "/\tevil", "/a\nb"],
)
def test_a_way_to_another_site_is_not_followed(target: str | None) -> None:
    assert guards.safe_path(target, "/default") == "/default"
