"""ScaleV x Mailketing Lead Management: the web application and its start.

`create_app()` builds the application for any WSGI server; `python app.py` migrates the database, starts the jobs and
serves with waitress. This module imports everything and is imported by nothing.
"""

import argparse
import logging
from tempfile import TemporaryFile

from flask import Flask
from flask_compress import Compress
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_wtf import CSRFProtect

import cli
import demo
import logs
import routes
import server
from config import BASE_DIR, Config, ConfigError
from models import db, engine_options
from services import keys, settings_service
from services.clock import utc_now
from services.settings_service import InvalidSetting

logger = logging.getLogger(__name__)

MAX_FORM_BYTES = 4 * 1024 * 1024
COMPRESSIONS = ["br", "gzip"]  # browsers ask for br over https and on localhost only


def create_app(config: Config | None = None) -> Flask:
    """Build the application; touches no database and starts no job.

    Args:
        config: the configuration; read from the environment and `.env` when None, where a bad value ends the
            process with one line.
    """
    config = config or read_config()
    logs.set_up(config.log_level)
    session_key = make_folder(config)
    app = Flask("app", root_path=str(BASE_DIR), instance_path=str(config.instance_path))
    app.config.from_mapping(flask_settings(config, session_key))
    app.extensions["config"] = config
    app.extensions["started_at"] = utc_now()
    app.extensions["create_app"] = create_app
    db.init_app(app)
    Migrate(app, db, directory=str(BASE_DIR / "migrations"), render_as_batch=True)
    CSRFProtect(app)
    Compress(app)
    routes.set_up(app, LoginManager(app), config)
    cli.set_up(app)
    return app


def read_config() -> Config:
    """Read the environment; a bad value ends the process with one line that names the variable."""
    try:
        config = Config.from_env()
    except ConfigError as error:
        raise SystemExit(f"Configuration: {error}") from error
    for name in settings_service.KEYS:
        try:
            settings_service.check(name, getattr(config, name) or "none")
        except InvalidSetting as error:
            raise SystemExit(f"Configuration: {name.upper()}: {error}") from error
    return config


def warn_of_swapped_keys(config: Config) -> None:
    """Log a key of the environment that is in another's place; no more, because a running shop must start again."""
    for name in settings_service.KEYS:
        value = getattr(config, name)
        if value and settings_service.looks_swapped(name, value):
            logger.warning("%s does not look like one: perhaps it is another key", name.upper())


def make_folder(config: Config) -> str:
    """Make the instance folder and return the key that signs sessions.

    A place where there can be no folder, or none that can be written to, ends the process with one line.
    """
    folder = config.instance_path
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
        return config.secret_key or keys.session_key(folder)
    except OSError as error:
        wanted = "a folder that this program can read and write"
        raise SystemExit(f"Configuration: INSTANCE_PATH must be {wanted}: {error.strerror} ({folder}).") from error


def flask_settings(config: Config, session_key: str) -> dict[str, object]:
    """Return Flask's own settings for a configuration."""
    url = config.sqlalchemy_url
    return {
        "SECRET_KEY": session_key,
        "SQLALCHEMY_DATABASE_URI": url,
        "SQLALCHEMY_ENGINE_OPTIONS": engine_options(url),
        "MAX_CONTENT_LENGTH": MAX_FORM_BYTES,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": config.https,
        "REMEMBER_COOKIE_HTTPONLY": True,
        "REMEMBER_COOKIE_SAMESITE": "Lax",
        "REMEMBER_COOKIE_SECURE": config.https,
        "REMEMBER_COOKIE_DURATION": 14 * 24 * 3600,
        "PERMANENT_SESSION_LIFETIME": 12 * 3600,
        "COMPRESS_ALGORITHM": COMPRESSIONS,
        "COMPRESS_ALGORITHM_STREAMING": COMPRESSIONS,
        "WTF_CSRF_TIME_LIMIT": None,  # a page left open over lunch still works; the session's own life is the limit
    }


def main() -> None:
    """Serve: migrate, start the jobs, listen with waitress until stopped. `--demo` serves the demo instead."""
    parser = argparse.ArgumentParser(description="ScaleV x Mailketing Lead Management")
    parser.add_argument("--demo", action="store_true", help="stand-ins for ScaleV and Mailketing, and sample data")
    if parser.parse_args().demo:
        demo.run(create_app)
    else:
        app = create_app()
        warn_of_swapped_keys(app.extensions["config"])
        server.run(app)


if __name__ == "__main__":
    main()
