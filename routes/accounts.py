"""Log-in, log-out, first set-up, and the choice of language and look."""

from collections.abc import Container

from flask import Blueprint, abort, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user, logout_user
from wtforms.widgets import PasswordInput

from config import DEMO_EMAIL, DEMO_PASSWORD
from models import User
from routes import context, wording
from routes.forms import LoginForm, SetupForm
from routes.guards import declare, open_to_all, safe_path
from services import user_service
from services.errors import UserError
from services.rate_limit import TooManyTries

bp = declare(Blueprint("accounts", __name__), open_to_all)


@bp.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    target = safe_path(request.values.get("next"), url_for("dashboard.index"))
    if current_user.is_authenticated:
        return redirect(target)
    form, demo = LoginForm(next=target), _demo_account()
    status = 200
    if form.validate_on_submit():
        try:
            user = user_service.authenticate(
                form.email.data, form.password.data, request.remote_addr or "", context.now()
            )
        except UserError as error:
            form.password.errors = [wording.refusal(error)]
            status = 429 if isinstance(error, TooManyTries) else 200
        else:
            _start_session(user)
            return redirect(target)
    if demo:
        _fill_in(form, *demo)
    return render_template("login.html", form=form, is_set_up=user_service.any_user(), demo=demo), status


@bp.post("/logout")
def logout() -> ResponseReturnValue:
    logout_user()
    session.clear()
    return redirect(url_for("accounts.login"))


@bp.route("/setup", methods=["GET", "POST"])
def setup() -> ResponseReturnValue:
    folder = context.config().instance_path
    if user_service.setup_token(folder) is None:
        return redirect(url_for("accounts.login"))
    form = SetupForm(token=request.args.get("token", ""))
    if form.validate_on_submit():
        try:
            user = user_service.create_first_admin(
                folder, form.token.data, form.email.data, form.password.data, context.now()
            )
        except UserError as error:
            form.token.errors = [wording.refusal(error)]
        else:
            _start_session(user)
            return redirect(url_for("dashboard.index"))
    return render_template("setup.html", form=form, token_file=user_service.SETUP_TOKEN_FILE)


@bp.post("/language")
def language() -> ResponseReturnValue:
    return _keep_choice(context.LANGUAGE_COOKIE, request.form.get("language", ""), context.LANGUAGES)


@bp.post("/theme")
def theme() -> ResponseReturnValue:
    return _keep_choice(context.THEME_COOKIE, request.form.get("theme", ""), context.THEMES)


def _keep_choice(cookie: str, chosen: str, known: Container[str]) -> ResponseReturnValue:
    if chosen not in known:
        abort(400)
    response = redirect(safe_path(request.form.get("next"), url_for("dashboard.index")))
    context.remember(response, cookie, chosen)
    return response


def _fill_in(form: LoginForm, email: str, password: str) -> None:
    """Put the demo's account into the form, also after a wrong try: it is no secret, and the page says it is there."""
    form.email.data, form.password.data = email, password
    form.password.widget = PasswordInput(hide_value=False)


def _demo_account() -> tuple[str, str] | None:
    return (DEMO_EMAIL, DEMO_PASSWORD) if context.config().demo_url else None


def _start_session(user: User) -> None:
    """Begin with an empty session, so that nothing set before the log-in (by somebody else, perhaps) lives on."""
    session.clear()
    session.permanent = True
    login_user(user)
