"""The forms: what may be typed, and the sentences when it may not."""

from typing import Any

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import (
    Field,
    HiddenField,
    IntegerField,
    PasswordField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from config import MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH
from routes import wording
from services import settings_service
from services.errors import UserError
from services.product_list_service import Fields
from services.settings_service import Setting
from services.statuses import LeadStatus

MAX_NOTE_LENGTH = 1000
ARCHIVE = "archive"

_REQUIRED = InputRequired(lazy_gettext("Fill this in."))
_TOO_LONG = lazy_gettext("This is too long.")
_LONG_ENOUGH = lazy_gettext("At least %(min)d characters.", min=MIN_PASSWORD_LENGTH)


def _stripped(text: str | None) -> str | None:
    return text.strip() if text else text


def _stripped_or_none(text: str | None) -> str | None:
    return _stripped(text) or None


def focus_first_mistake(form: FlaskForm) -> None:
    """Have the browser open the answer at the first field that was refused, however far down it stands."""
    for field in form:
        if field.errors:
            field.render_kw = {**(field.render_kw or {}), "autofocus": True}
            return


class LoginForm(FlaskForm):
    email = StringField(
        lazy_gettext("E-mail"), [_REQUIRED, Length(max=254, message=_TOO_LONG)], render_kw={"autocomplete": "username"}
    )
    password = PasswordField(lazy_gettext("Password"), [_REQUIRED], render_kw={"autocomplete": "current-password"})
    next = HiddenField()


class SetupForm(FlaskForm):
    token = StringField(lazy_gettext("Set-up token"), [_REQUIRED], render_kw={"autocomplete": "off"})
    email = StringField(lazy_gettext("E-mail"), [_REQUIRED], render_kw={"autocomplete": "username"})
    password = PasswordField(
        lazy_gettext("Password"),
        [
            _REQUIRED,
            Length(min=MIN_PASSWORD_LENGTH, message=_LONG_ENOUGH),
            Length(max=MAX_PASSWORD_LENGTH, message=_TOO_LONG),
        ],
        description=_LONG_ENOUGH,
        render_kw={"autocomplete": "new-password"},
    )


def _list_field(label: str) -> StringField:
    return StringField(
        label,
        [Optional(), Length(max=40, message=_TOO_LONG)],
        filters=[_stripped_or_none],
        render_kw={"inputmode": "numeric", "autocomplete": "off"},
    )


class _DaysField(IntegerField):
    """A whole number whose refusal is in the person's language."""

    def process_formdata(self, valuelist: list[str]) -> None:
        try:
            super().process_formdata(valuelist)
        except ValueError as error:
            raise ValueError(gettext("This must be a whole number.")) from error


class ProductListForm(FlaskForm):
    """A product chosen from ScaleV's list, or typed: then `product` is empty. The service checks what is needed."""

    product = StringField(lazy_gettext("Product at ScaleV"), filters=[_stripped_or_none])
    name = StringField(lazy_gettext("Product name"), [Length(max=255, message=_TOO_LONG)], filters=[_stripped])
    product_id = StringField(
        lazy_gettext("Product ID at ScaleV"),
        [Length(max=120, message=_TOO_LONG)],
        filters=[_stripped],
        render_kw={"autocomplete": "off"},
    )
    variant_ids = SelectMultipleField(lazy_gettext("Variants"), validate_choice=False)
    store_name = StringField(lazy_gettext("Store"), [Length(max=255, message=_TOO_LONG)], filters=[_stripped_or_none])
    follow_up_list_id = _list_field(lazy_gettext("List for Follow Up"))
    closing_list_id = _list_field(lazy_gettext("List for Closing"))
    not_closing_list_id = _list_field(lazy_gettext("List for Not closing"))
    follow_up_days = _DaysField(
        lazy_gettext("Days until Not closing"),
        [Optional(), NumberRange(1, 365, lazy_gettext("This must be a number from %(min)s to %(max)s."))],
        render_kw={"inputmode": "numeric"},
    )

    def fields(self, product_name: str | None) -> Fields:
        """Return what was filled in as the service takes it.

        Args:
            product_name: the chosen product's name, None when it was typed.
        """
        values = {name: value for name, value in self.data.items() if name not in {"csrf_token", "product"}}
        if product_name is not None:
            values |= {"product_id": self.product.data, "name": product_name}
        else:
            values["variant_ids"] = ()
        return Fields(**{**values, "variant_ids": tuple(values["variant_ids"] or ())})


class TrialForm(FlaskForm):
    lead = StringField(lazy_gettext("A recent lead"), filters=[_stripped_or_none])
    order = TextAreaField(lazy_gettext("Or paste an order"), render_kw={"rows": 8, "spellcheck": "false"})


class MoveForm(FlaskForm):
    to = SelectField(choices=[*(status.value for status in LeadStatus), ARCHIVE])
    note = TextAreaField(
        lazy_gettext("Note"),
        [Optional(), Length(max=MAX_NOTE_LENGTH, message=_TOO_LONG)],
        filters=[_stripped_or_none],
        render_kw={"rows": 2, "maxlength": MAX_NOTE_LENGTH},
    )


def _accepted_by_settings(form: FlaskForm, field: Field) -> None:
    setting = settings_service.SETTINGS[field.name]
    if setting.kind == "secret" and not field.data:
        return
    try:
        settings_service.check_new(setting.name, field.data or "")
    except UserError as error:
        raise ValidationError(wording.setting_refusal(setting, error)) from error


def _setting_field(setting: Setting) -> Field:
    label, help_ = wording.SETTING[setting.name]
    common: dict[str, Any] = {"label": label, "description": help_, "validators": [_accepted_by_settings]}
    if setting.kind == "secret":
        return PasswordField(**common, filters=[_stripped], render_kw={"autocomplete": "new-password"})
    if setting.kind == "choice":
        choices = [SelectChoice(choice, wording.CANCELED_POLICY[choice]) for choice in setting.choices]
        return SelectField(**common, choices=choices, validate_choice=False)
    keyboard = {"number": "numeric", "decimal": "decimal"}.get(setting.kind, "text")
    return StringField(**common, filters=[_stripped], render_kw={"inputmode": keyboard, "autocomplete": "off"})


# One field for each setting; a form that posts only some of them leaves the others as they are.
SettingsForm = type(
    "SettingsForm", (FlaskForm,), {name: _setting_field(setting) for name, setting in settings_service.SETTINGS.items()}
)
