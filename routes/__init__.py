"""HTTP only: one blueprint for each area, each with its guard. The deciding is done in services/."""

from flask import Flask
from flask_login import LoginManager
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter

from config import Config
from routes import (
    accounts,
    attention,
    bulk,
    context,
    dashboard,
    deliveries,
    errors,
    events,
    filters,
    guards,
    headers,
    health,
    imports,
    lead_actions,
    leads,
    product_lists,
    queue,
    settings,
    texts,
    tools,
    webhooks,
    wording,
)

AREAS = (
    accounts,
    dashboard,
    attention,
    queue,
    leads,
    lead_actions,
    bulk,
    product_lists,
    settings,
    texts,
    events,
    deliveries,
    tools,
    webhooks,
    health,
    imports,
)


class _RowId(IntegerConverter):
    """A row's number in an address. A larger one than the column holds is a page that does not exist."""

    def __init__(self, *args: int, **kwargs: int) -> None:
        super().__init__(*args, **{"min": 1, "max": 2**31 - 1, **kwargs})


def set_up(app: Flask, login_manager: LoginManager, config: Config) -> None:
    """Put everything that answers HTTP into the application."""
    if config.trusted_proxies:
        hops = config.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.url_map.converters["row"] = _RowId
    app.jinja_env.globals["wording"] = wording
    for part in (context, filters, headers, errors):
        part.set_up(app)
    guards.set_up(login_manager)
    for area in AREAS:
        app.register_blueprint(area.bp)
    app.extensions["csrf"].exempt(webhooks.bp)
