"""What the codes and names of rows and settings are called on a page. The only place that maps them to sentences;
ScaleV's codes are in scalev_words, what goes wrong with a vendor in trouble_words."""

from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString

from routes import trouble_words
from services import expiry_service, troubles
from services.errors import UserError
from services.lead_filters import Answer, DueWithin, Sort
from services.mailketing_service import VENDOR as MAILKETING
from services.product_matching import Way
from services.queue_service import Section
from services.settings_service import Setting, SwappedKey
from services.statuses import (
    ArchiveReason,
    BulkDeed,
    BulkStatus,
    CanceledPolicy,
    ChaseStep,
    ContactKind,
    DeliveryStatus,
    EventSource,
    EventStatus,
    LeadStatus,
    UserRole,
)
from services.troubles import Kind

STATUSES = LeadStatus
LEAD_STATUS = {
    LeadStatus.FOLLOW_UP: lazy_gettext("Follow Up"),
    LeadStatus.CLOSING: lazy_gettext("Closing"),
    LeadStatus.NOT_CLOSING: lazy_gettext("Not closing"),
}
LEAD_TAB = {
    **{status.value: word for status, word in LEAD_STATUS.items()},
    "archived": lazy_gettext("Archived"),
}
# The look of a status: a colour and an icon, because colour alone tells nothing to some people.
LEAD_LOOK = {
    LeadStatus.FOLLOW_UP: ("azure", "clock"),
    LeadStatus.CLOSING: ("green", "check"),
    LeadStatus.NOT_CLOSING: ("orange", "close"),
}
ARCHIVE_REASON = {
    ArchiveReason.SPAM: lazy_gettext("ScaleV marks the order as spam."),
    ArchiveReason.DELETED: lazy_gettext("The order was deleted at ScaleV."),
    ArchiveReason.CANCELED: lazy_gettext("The order was canceled."),
    ArchiveReason.MANUAL: lazy_gettext("Archived by hand."),
}
EVENT_STATUS = {
    EventStatus.RECEIVED: lazy_gettext("Received"),
    EventStatus.PROCESSED: lazy_gettext("Processed"),
    EventStatus.IGNORED: lazy_gettext("Ignored"),
    EventStatus.WAITING: lazy_gettext("Waiting"),
    EventStatus.FAILED: lazy_gettext("Failed"),
    EventStatus.DEAD: lazy_gettext("Given up"),
}
EVENT_LOOK = {
    EventStatus.RECEIVED: ("azure", "inbox"),
    EventStatus.PROCESSED: ("green", "check"),
    EventStatus.IGNORED: ("secondary", "close"),
    EventStatus.WAITING: ("yellow", "clock"),
    EventStatus.FAILED: ("orange", "alert"),
    EventStatus.DEAD: ("red", "alert"),
}
EVENT_SOURCE = {
    EventSource.WEBHOOK: lazy_gettext("Webhook"),
    EventSource.RECONCILE: lazy_gettext("Fetched from ScaleV"),
    EventSource.IMPORT: lazy_gettext("Import"),
}
DELIVERY_STATUS = {
    DeliveryStatus.BLOCKED: lazy_gettext("Blocked"),
    DeliveryStatus.PENDING: lazy_gettext("Waiting"),
    DeliveryStatus.SENDING: lazy_gettext("Being sent"),
    DeliveryStatus.SENT: lazy_gettext("Sent"),
    DeliveryStatus.SKIPPED: lazy_gettext("Skipped"),
    DeliveryStatus.FAILED: lazy_gettext("Failed"),
    DeliveryStatus.CANCELLED: lazy_gettext("Cancelled"),
}
DELIVERY_LOOK = {
    DeliveryStatus.BLOCKED: ("yellow", "alert"),
    DeliveryStatus.PENDING: ("azure", "clock"),
    DeliveryStatus.SENDING: ("azure", "send"),
    DeliveryStatus.SENT: ("green", "check"),
    DeliveryStatus.SKIPPED: ("secondary", "close"),
    DeliveryStatus.FAILED: ("red", "alert"),
    DeliveryStatus.CANCELLED: ("secondary", "close"),
}
BULK_DEED = {
    BulkDeed.MOVE_CLOSING: lazy_gettext("Move to Closing"),
    BulkDeed.MOVE_NOT_CLOSING: lazy_gettext("Move to Not closing"),
    BulkDeed.MOVE_FOLLOW_UP: lazy_gettext("Move to Follow Up"),
    BulkDeed.ARCHIVE: lazy_gettext("Archive"),
    BulkDeed.RETRY_LEADS: lazy_gettext("Send failed deliveries again"),
    BulkDeed.RETRY_DELIVERIES: lazy_gettext("Send again"),
    BulkDeed.REPLAY_EVENTS: lazy_gettext("Process again"),
}
LEAD_DEED = {
    deed: BULK_DEED[deed]
    for deed in (
        BulkDeed.MOVE_CLOSING,
        BulkDeed.MOVE_NOT_CLOSING,
        BulkDeed.MOVE_FOLLOW_UP,
        BulkDeed.ARCHIVE,
        BulkDeed.RETRY_LEADS,
    )
}
BULK_HELP = {
    BulkDeed.MOVE_CLOSING: lazy_gettext("Their buyers are added to the lists for Closing, and are chased no more."),
    BulkDeed.MOVE_NOT_CLOSING: lazy_gettext("Their buyers are added to the lists for Not closing."),
    BulkDeed.MOVE_FOLLOW_UP: lazy_gettext("Their days begin anew, and they are in the queue again."),
    BulkDeed.ARCHIVE: lazy_gettext("They leave every queue, and what waits to be sent is cancelled."),
    BulkDeed.RETRY_LEADS: lazy_gettext("What failed is sent again, at the set pace."),
    BulkDeed.RETRY_DELIVERIES: lazy_gettext("They are sent again, at the set pace. Nobody is added to a list twice."),
    BulkDeed.REPLAY_EVENTS: lazy_gettext("Each is read and applied again as it came. What newer events said stays."),
}
BULK_LOOK = {
    BulkStatus.RUNNING: (("azure", "clock"), lazy_gettext("Running")),
    BulkStatus.DONE: (("green", "check"), lazy_gettext("Done")),
    BulkStatus.STOPPED: (("secondary", "power"), lazy_gettext("Stopped")),
}
# What the leads page can be narrowed by, beside its tabs and its search.
LEAD_FILTER = {
    "product_list": lazy_gettext("Product list"),
    "store": lazy_gettext("Store"),
    "cs": lazy_gettext("CS"),
    "since": lazy_gettext("Ordered from"),
    "until": lazy_gettext("Ordered until"),
    "payment": lazy_gettext("Payment method"),
    "cod": lazy_gettext("COD"),
    "email": lazy_gettext("Has e-mail"),
    "delivery": lazy_gettext("Delivery"),
    "due": lazy_gettext("Deadline"),
}
ANSWER = {Answer.YES: lazy_gettext("yes"), Answer.NO: lazy_gettext("no")}
DUE_WITHIN = {
    DueWithin.OVERDUE: lazy_gettext("Overdue"),
    DueWithin.TODAY: lazy_gettext("Today"),
    DueWithin.THREE_DAYS: lazy_gettext("Within 3 days"),
    DueWithin.WEEK: lazy_gettext("Within 7 days"),
}
LEAD_SORT = {
    Sort.NEWEST: lazy_gettext("Newest first"),
    Sort.OLDEST: lazy_gettext("Oldest first"),
    Sort.TOTAL: lazy_gettext("Highest total first"),
    Sort.DUE: lazy_gettext("Next deadline first"),
}
FILTER_WORDS = {"cod": ANSWER, "email": ANSWER, "delivery": DELIVERY_STATUS, "due": DUE_WITHIN}
USER_ROLE = {UserRole.ADMIN: lazy_gettext("Admin"), UserRole.CS: lazy_gettext("CS")}
CHASE_STEP = {
    ChaseStep.H0: lazy_gettext("H+0"),
    ChaseStep.H1: lazy_gettext("H+1"),
    ChaseStep.H3: lazy_gettext("H+3"),
    ChaseStep.H6: lazy_gettext("H+6"),
    ChaseStep.LAST: lazy_gettext("Before the deadline"),
}
CHASE_STEP_HELP = {
    ChaseStep.H0: lazy_gettext("Right after the order."),
    ChaseStep.H1: lazy_gettext("1 day after the order."),
    ChaseStep.H3: lazy_gettext("3 days after the order."),
    ChaseStep.H6: lazy_gettext("6 days after the order."),
    ChaseStep.LAST: lazy_gettext("12 hours before the lead moves to Not closing."),
}
CONTACT_KIND = {
    ContactKind.WHATSAPP: lazy_gettext("WhatsApp"),
    ContactKind.NOTE: lazy_gettext("Note"),
    ContactKind.SNOOZE: lazy_gettext("Put off"),
    ContactKind.PROMISED: lazy_gettext("Promised to pay"),
    ContactKind.NO_ANSWER: lazy_gettext("No answer"),
    ContactKind.CALLED_OFF: lazy_gettext("Called off"),
}
CONTACT_LOOK = {
    ContactKind.WHATSAPP: ("green", "whatsapp"),
    ContactKind.NOTE: ("secondary", "edit"),
    ContactKind.SNOOZE: ("azure", "clock"),
    ContactKind.PROMISED: ("azure", "calendar"),
    ContactKind.NO_ANSWER: ("yellow", "clock"),
    ContactKind.CALLED_OFF: ("orange", "close"),
}
QUEUE_SECTION = {
    Section.OVERDUE: lazy_gettext("Late to chase"),
    Section.TODAY: lazy_gettext("Today"),
    Section.LATER: lazy_gettext("Later"),
}
TEXT_VARIABLE = {
    "nama_depan": lazy_gettext("the buyer's first name"),
    "sapaan": lazy_gettext("how you address buyers, see below"),
    "produk": lazy_gettext("the product's name"),
    "total": lazy_gettext("what is to be paid"),
    "bank": lazy_gettext("the bank to pay to"),
    "nomor_rekening": lazy_gettext("the account's number"),
    "atas_nama": lazy_gettext("the account's holder"),
    "batas_waktu": lazy_gettext("when the lead moves to Not closing"),
    "nama_cs": lazy_gettext("the name of who writes, else the order's CS"),
}
CANCELED_POLICY = {
    CanceledPolicy.KEEP: lazy_gettext("Nothing: the days go on"),
    CanceledPolicy.TRANSFER: lazy_gettext("Move to Not closing at once"),
    CanceledPolicy.ARCHIVE: lazy_gettext("Archive, send nothing"),
}

REASON = {
    "paid": lazy_gettext("The order is paid."),
    "cod_completed": lazy_gettext("The COD order is completed."),
    "nothing_to_pay": lazy_gettext("There is nothing to pay."),
    "payment_taken_back": lazy_gettext("ScaleV took the payment back."),
    "expired": lazy_gettext("The days are over without a payment."),
    "order_spam": lazy_gettext("ScaleV marks the order as spam."),
    "order_deleted": lazy_gettext("The order was deleted at ScaleV."),
    "order_canceled": lazy_gettext("The order was canceled."),
    "not_spam": lazy_gettext("ScaleV says that it is no spam after all."),
    "not_canceled": lazy_gettext("The order is no longer canceled."),
    "payment_conflict": lazy_gettext("Check the payment: ScaleV can't match the transfer."),
    "unread_news": lazy_gettext("News of this order in the inbox could not be read yet; see Events."),
    "cod_under_way": lazy_gettext("The COD parcel is on its way."),
    "manual": lazy_gettext("Moved by hand."),
    "archived_by_hand": lazy_gettext("Archived by hand."),
    "taken_back_by_hand": lazy_gettext("Taken out of the archive by hand."),
    "order_received": lazy_gettext("The order came in."),
    "email_repaired": lazy_gettext("The e-mail address was repaired."),
    "phone_repaired": lazy_gettext("The phone number was repaired."),
    # events
    "stale": lazy_gettext("It brought nothing that newer events had not told already."),
    "not_an_order": lazy_gettext("It is not about an order, so there is nothing to do."),
    "no_order_id": lazy_gettext("It names no order."),
    "unknown_order": lazy_gettext("Its order is not known yet. It is applied as soon as the order comes."),
    "test": lazy_gettext("ScaleV's test. The address and the signing secret work."),
    "not_json": lazy_gettext("The body is not JSON."),
    "not_an_object": lazy_gettext("The body is not a JSON object."),
    "no_event_name": lazy_gettext("The body names no event."),
    # deliveries
    "no_product_list": lazy_gettext("No product list fits this product yet. Add one and it goes on by itself."),
    "no_email": lazy_gettext("The buyer left no usable e-mail address."),
    "no_list": lazy_gettext("The product list names no Mailketing list for this."),
    "status_changed": lazy_gettext("The lead has moved on, so it is no longer needed."),
    "archived": lazy_gettext("The lead is archived."),
    "refused_address": lazy_gettext("Mailketing refuses this address."),
    "refused_list": lazy_gettext("Mailketing refuses this list. Check its number in the product list."),
    "invalid_address": lazy_gettext("No mail can be sent to this address."),
    "suppressed": lazy_gettext("This address bounced, unsubscribed or is blacklisted."),
    "paid_elsewhere": lazy_gettext("The buyer paid for this product in another order."),
    "unread_elsewhere": lazy_gettext("Waits for news of another order of this buyer that stands unread in the inbox."),
    "already_on_list": lazy_gettext("The address is on this list already."),
    "gave_up": lazy_gettext("It was tried many times without success. Look at the answers, then send it again."),
    "retry": lazy_gettext("There was no usable answer. It is tried again by itself."),
    "unknown": lazy_gettext("Mailketing gave an answer that nobody knows yet. It is tried again by itself."),
    "hold": lazy_gettext("Mailketing refuses the account. It goes on when that is mended."),
}
ATTEMPT_KIND = {
    None: lazy_gettext("under way"),
    "ok": lazy_gettext("accepted"),
    "duplicate": lazy_gettext("was on the list already"),
    "retry": lazy_gettext("no usable answer"),
    "permanent": lazy_gettext("address refused"),
    "config": lazy_gettext("list refused"),
    "hold": lazy_gettext("account refused"),
    "unknown": lazy_gettext("unknown answer"),
    "interrupted": lazy_gettext("interrupted, perhaps sent"),
}
ACTOR = {
    "system": lazy_gettext("Program"),
    **{source.value: word for source, word in EVENT_SOURCE.items()},
}
NOTE = {
    expiry_service.NOT_VERIFIED: lazy_gettext("Not checked: ScaleV did not answer for a day."),
    expiry_service.UNKNOWN_AT_SCALEV: lazy_gettext("ScaleV does not know this order."),
}

SETTING = {
    "scalev_api_key": (
        lazy_gettext("ScaleV API key"),
        lazy_gettext("Begins with sk_ or rk_. Lets the program check an order once more before it moves the lead."),
    ),
    "scalev_webhook_secret": (
        lazy_gettext("ScaleV signing secret"),
        lazy_gettext("From ScaleV: Settings, Developers, Webhooks. Webhooks without its signature are refused."),
    ),
    "mailketing_api_key": (
        lazy_gettext("Mailketing API token"),
        lazy_gettext("From the Mailketing dashboard, menu Integration. Buyers are added to your lists with it."),
    ),
    "follow_up_days": (
        lazy_gettext("Days until Not closing"),
        lazy_gettext("Counted from the order. A product list can have its own number."),
    ),
    "check_interval_minutes": (
        lazy_gettext("Minutes between checks"),
        lazy_gettext("How often the program looks for leads whose days are over."),
    ),
    "timezone": (
        lazy_gettext("Time zone"),
        lazy_gettext("Asia/Jakarta is WIB, Asia/Makassar WITA, Asia/Jayapura WIT."),
    ),
    "canceled_policy": (
        lazy_gettext("When an order is canceled"),
        lazy_gettext("What happens to a lead in Follow Up whose order is canceled at ScaleV."),
    ),
    "calls_per_second": (
        lazy_gettext("Calls to Mailketing per second"),
        lazy_gettext("2 is a good pace. Go lower when Mailketing complains."),
    ),
    "delivery_workers": (
        lazy_gettext("Deliveries at the same time"),
        lazy_gettext("1 is enough for most shops."),
    ),
}
SWAPPED_KEY = {
    "scalev_api_key": lazy_gettext(
        "The ScaleV API key is saved, but it begins with neither sk_ nor rk_. Perhaps it is another key: test it."
    ),
    "mailketing_api_key": lazy_gettext(
        "The Mailketing API token is saved, but it begins like a ScaleV API key. Perhaps it is another key: test it."
    ),
}
MATCH_WAY = {
    Way.ID: lazy_gettext("by the id"),
    Way.SKU: lazy_gettext("by the SKU"),
    Way.NAME: lazy_gettext("by the name"),
}


def reason(code: str | None) -> str:
    """Return the sentence for a reason; a code nobody has put into words yet is shown as words."""
    return str(REASON.get(code, code.replace("_", " "))) if code else ""


def reasons(codes: list[str]) -> dict[str, str]:
    """Return reasons as a filter offers them."""
    return {code: reason(code) for code in codes}


def note(text: str) -> str:
    """Return a history note: the program's own in the person's language, a person's as it was written."""
    return str(NOTE.get(text, text))


def actor(name: str) -> str:
    """Return who made a change: the program, ScaleV's webhook, or a person by e-mail."""
    return str(ACTOR.get(name, name))


def refusal(error: UserError) -> str:
    """Return a service's refusal in the person's language; its text is an English msgid."""
    return gettext(str(error))


def problem(text: str) -> str:
    """Return what kept something from its work: our own findings in the person's language, a vendor's words quoted.

    Args:
        text: of a VendorError, or a sentence that is a msgid.
    """
    trouble = troubles.read(text)
    return trouble_words.tell(trouble) if trouble else gettext(text)


def mailketing_answer(message: str | None) -> str:
    """Return what became of a call to Mailketing, which a delivery, a try or the account's hold has kept."""
    return trouble_words.tell(troubles.read_message(MAILKETING, message)) if message else ""


def whole_answer(text: str) -> str:
    """Return what a try has kept: Mailketing's whole answer as it came, or why there was none."""
    trouble = troubles.read_message(MAILKETING, text)
    return text if trouble.kind is Kind.REFUSED else trouble_words.tell(trouble)


def setting_refusal(setting: Setting, error: UserError) -> str:
    """Return why a setting's new value can't be used."""
    if isinstance(error, SwappedKey):
        return refusal(error)
    if setting.kind in {"number", "decimal"}:
        return gettext("This must be a number from %(low)s to %(high)s.", low=setting.low, high=setting.high)
    return str(_SETTING_REFUSAL[setting.kind])


_SETTING_REFUSAL: dict[str, LazyString] = {
    "secret": lazy_gettext("A key is one line of text without odd characters."),
    "choice": lazy_gettext("Choose one of the answers."),
    "zone": lazy_gettext("This must be a time zone's name such as Asia/Jakarta."),
}


# Sentences of services that the search for msgids can't see, because they are chosen from a table there.
_SAID_BY_SERVICES = (
    lazy_gettext("The ScaleV API key is missing: save it in Settings."),
    lazy_gettext("This delivery waits for a product list or a usable e-mail address; set that first."),
    lazy_gettext("This delivery is being sent right now."),
    lazy_gettext("This delivery was sent already."),
    lazy_gettext("This delivery was cancelled because its lead moved on."),
    lazy_gettext("This delivery was cancelled because its lead is archived."),
    lazy_gettext("The product list names no Mailketing list for this status; choose one there first."),
)
