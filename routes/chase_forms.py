"""The forms of chasing: what came of it, repairs of the buyer's e-mail and phone, and the WhatsApp texts."""

from enum import StrEnum

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import DateField, Field, HiddenField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional, ValidationError

from routes import wording
from services import message_texts, settings_service
from services.contact_service import NOTE_LENGTH
from services.settings_service import GREETING
from services.statuses import ChaseStep

_REQUIRED = InputRequired(lazy_gettext("Fill this in."))
_TOO_LONG = lazy_gettext("This is too long.")


class ContactDeed(StrEnum):
    """What the pressed button of a lead's contact form does."""

    NOTE = "note"
    TOMORROW = "tomorrow"
    THREE_DAYS = "three_days"
    DAY = "day"
    PROMISED = "promised"
    NO_ANSWER = "no_answer"
    CALLED_OFF = "called_off"


class _DayField(DateField):
    """A day whose refusal is in the person's language."""

    def process_formdata(self, valuelist: list[str]) -> None:
        try:
            super().process_formdata(valuelist)
        except ValueError as error:
            raise ValueError(gettext("This must be a day such as 2026-11-30.")) from error


class ContactForm(FlaskForm):
    """One form for note, snooze and result, because a note belongs to any of them."""

    note = StringField(lazy_gettext("Note"), [Optional(), Length(max=NOTE_LENGTH, message=_TOO_LONG)])
    day = _DayField(lazy_gettext("Which day"), [Optional()])
    do = HiddenField()
    next = HiddenField()

    def validate_do(self, field: Field) -> None:
        if field.data not in set(ContactDeed):
            raise ValidationError(gettext("Choose one of the answers."))

    @property
    def deed(self) -> ContactDeed:
        return ContactDeed(self.do.data)


class EmailForm(FlaskForm):
    email = StringField(
        lazy_gettext("E-mail"),
        [_REQUIRED, Length(max=254, message=_TOO_LONG)],
        render_kw={"type": "email", "autocomplete": "off"},
    )


class PhoneForm(FlaskForm):
    phone = StringField(
        lazy_gettext("Phone number"),
        [_REQUIRED, Length(max=60, message=_TOO_LONG)],
        render_kw={"type": "tel", "autocomplete": "off"},
    )


def _known_variables(_form: FlaskForm, field: Field) -> None:
    mistake = message_texts.find_mistake(field.data or "")
    if mistake:
        raise ValidationError(gettext("%(piece)s is not one of the variables.", piece=mistake))


def _text_field(step: ChaseStep) -> TextAreaField:
    too_long = Length(max=message_texts.MAX_TEXT_LENGTH, message=_TOO_LONG)
    return TextAreaField(
        wording.CHASE_STEP[step],
        [too_long, _known_variables],
        description=wording.CHASE_STEP_HELP[step],
        render_kw={"rows": 12, "maxlength": message_texts.MAX_TEXT_LENGTH},
    )


class _TextsForm(FlaskForm):
    greeting = StringField(
        lazy_gettext("Greeting"),
        [Length(max=message_texts.MAX_GREETING_LENGTH, message=_TOO_LONG), _known_variables],
        description=lazy_gettext("How you address buyers: the variable {sapaan}."),
        render_kw={"autocomplete": "off"},
    )

    def texts(self) -> list[Field]:
        """Return the fields of the five texts, in their order."""
        return [self[name] for name in settings_service.TEXTS if name != GREETING]


# One field for each step.
TextsForm = type("TextsForm", (_TextsForm,), {f"text_{step}": _text_field(step) for step in ChaseStep})
