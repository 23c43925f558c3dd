"""The API test tools: try the vendors by hand, and play ScaleV's webhook. Every try answers on the page itself."""

import re
from collections.abc import Callable

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import Field, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length, Optional, Regexp, ValidationError

from models import MAX_BODY_BYTES
from routes import context, wording
from routes.forms import SettingsForm
from routes.guards import admin_required, declare
from routes.settings import masked_keys
from services import contacts, simulator, tool_service
from services.errors import UserError, VendorError
from services.mailketing_service import AddResult, Credits
from services.setup_service import KEY_SETTING, Vendor
from services.tool_service import KeyTest, Listed, Listing, Simulation, Verdict

bp = declare(Blueprint("tools", __name__, url_prefix="/tools"), admin_required)

FIRST_EVENT = "order.created"

_EVENT_WORDS = {
    "order.created": lazy_gettext("a new order"),
    "order.updated": lazy_gettext("the order was edited"),
    "order.epayment_created": lazy_gettext("an e-payment was begun"),
    "order.payment_status_changed": lazy_gettext("it is paid"),
    "payment.received": lazy_gettext("the payment arrived"),
    "payment.failed": lazy_gettext("the transfer can't be matched"),
    "order.status_changed": lazy_gettext("it is canceled"),
    "order.spam_created": lazy_gettext("ScaleV takes it for spam"),
    "order.deleted": lazy_gettext("it was deleted"),
    "business.test_event": lazy_gettext("ScaleV's test"),
}
# What an answer is shown with; a refusal is a sentence and needs no template of its own.
_TEMPLATES: dict[type, str] = {
    KeyTest: "_test_result.html",
    Credits: "_tool_credits.html",
    Listing: "_tool_listing.html",
    AddResult: "_tool_added.html",
    Simulation: "_tool_simulation.html",
    Verdict: "_tool_signature.html",
}
Answer = KeyTest | Credits | Listing | AddResult | Simulation | Verdict

_required = DataRequired(lazy_gettext("Fill this in."))
_body_length = Length(max=MAX_BODY_BYTES, message=lazy_gettext("This is too long."))
_CODE = {"spellcheck": "false", "autocomplete": "off", "autocapitalize": "off"}


def _is_email(_form: FlaskForm, field: Field) -> None:
    if contacts.normalise_email(field.data) is None:
        raise ValidationError(lazy_gettext("This is no usable e-mail address."))


def _is_phone(_form: FlaskForm, field: Field) -> None:
    if contacts.normalise_phone(field.data) is None:
        raise ValidationError(lazy_gettext("This is no phone number."))


def _choice(event: str) -> SelectChoice:
    return SelectChoice(event, f"{event} · {_EVENT_WORDS[event]}")


class SubscriberForm(FlaskForm):
    list_id = StringField(
        lazy_gettext("Mailketing list"),
        [_required, Regexp(r"\s*[A-Za-z0-9_-]{1,40}\s*$", message=lazy_gettext("This is no list number."))],
        render_kw={"inputmode": "numeric", "autocomplete": "off"},
    )
    email = StringField(lazy_gettext("E-mail"), [_required, _is_email], render_kw={"type": "email"})
    first_name = StringField(lazy_gettext("Name"), [Optional(), Length(max=100)])
    mobile = StringField(lazy_gettext("WhatsApp"), [Optional(), _is_phone], render_kw={"type": "tel"})


class SimulatorForm(FlaskForm):
    body = TextAreaField(lazy_gettext("What is sent"), [_required, _body_length], render_kw={"rows": 14, **_CODE})


class SampleForm(FlaskForm):
    event = SelectField(lazy_gettext("Event"), choices=lambda: [_choice(event) for event in simulator.EVENTS])


class SignatureForm(FlaskForm):
    signed_body = TextAreaField(lazy_gettext("Body"), [_required, _body_length], render_kw={"rows": 6, **_CODE})
    header = StringField("X-Scalev-Hmac-Sha256", [_required, Length(max=500)], render_kw=_CODE)


@bp.get("")
def index() -> ResponseReturnValue:
    return _page()


@bp.post("/<any(scalev, mailketing):vendor>")
def ask(vendor: str) -> ResponseReturnValue:
    """Ask a vendor with the key that is typed, else with the saved one."""
    return _answer_page(vendor, lambda: _ask(Vendor(vendor), request.form.get("call", "")))


@bp.post("/subscriber")
def add_subscriber() -> ResponseReturnValue:
    form = SubscriberForm()
    if not form.validate():
        return _page(subscriber=form)

    def add() -> AddResult:
        email, mobile = contacts.normalise_email(form.email.data), contacts.normalise_phone(form.mobile.data)
        list_id, first_name = form.list_id.data.strip(), form.first_name.data or ""
        return tool_service.add_subscriber(list_id, email or "", first_name, mobile or "", context.now())

    return _answer_page("subscriber", add, subscriber=form)


@bp.post("/simulate")
def simulate() -> ResponseReturnValue:
    form = SimulatorForm()
    if not form.validate():
        return _page(simulator=form)
    return _answer_page(
        "simulator", lambda: tool_service.simulate(form.body.data, _own_port(), context.now()), simulator=form
    )


@bp.post("/signature")
def check_signature() -> ResponseReturnValue:
    form = SignatureForm()
    if not form.validate():
        return _page(signature=form)
    return _answer_page(
        "signature",
        lambda: tool_service.check_signature(form.signed_body.data, form.header.data, context.now()),
        signature=form,
    )


def _ask(vendor: Vendor, call: str) -> Answer:
    typed, now = request.form.get(KEY_SETTING[vendor], ""), context.now()
    if call in tool_service.LISTED_BY[vendor]:
        return tool_service.listing(Listed(call), typed, now)
    if call == "credits":
        return tool_service.credits_left(typed, now)
    return tool_service.try_key(vendor, typed, now)


def _own_port() -> str:
    """Return where this server listens; the port of a Host that a proxy has passed on is the proxy's."""
    before_proxy = request.environ.get("werkzeug.proxy_fix.orig", {})
    port = str(before_proxy.get("SERVER_PORT") or request.environ["SERVER_PORT"])
    return port if port.isdigit() else str(context.config().port)  # a server on a socket file names none


def _answer_page(tool: str, work: Callable[[], Answer], **forms: FlaskForm) -> str:
    """Do what was asked, and show the page with the answer, or with why there is none."""
    try:
        answer = work()
    except UserError as error:
        return _page(tool, problem=wording.refusal(error), **forms)
    except VendorError as error:
        return _page(tool, problem=wording.problem(str(error)), **forms)
    return _page(tool, answer=answer, **forms)


def _page(tool: str = "", answer: Answer | None = None, problem: str = "", **forms: FlaskForm) -> str:
    event, order_id = _wanted_sample()
    # Without form data, because a page has several forms and only one of them was sent.
    unsent = {
        "keys": SettingsForm(formdata=None),
        "subscriber": SubscriberForm(formdata=None),
        "simulator": SimulatorForm(formdata=None, body=tool_service.sample(event, order_id, context.now())),
        "signature": SignatureForm(formdata=None),
    }
    return render_template(
        "tools.html",
        forms={**unsent, **forms},
        sample=SampleForm(formdata=None, event=event),
        masked=masked_keys(),
        known_lists=tool_service.known_lists(),
        tool=tool,
        problem=problem,
        answer=answer,
        answer_template=_TEMPLATES.get(type(answer)),
    )


def _wanted_sample() -> tuple[str, str]:
    """Return the event and the order that the address asks a sample for; "" for a new order."""
    event, order_id = request.args.get("event", ""), request.args.get("order", "")
    is_sound = re.fullmatch(r"[A-Za-z0-9_-]{1,64}", order_id)
    return event if event in simulator.EVENTS else FIRST_EVENT, order_id if is_sound else ""
