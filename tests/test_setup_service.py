"""The set-up checklist: each step is done by what really happened, and by nothing less."""

from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from flask import Flask

from models import AccountHold, DeliveryStatus, Heartbeat, LeadStatus, db, transaction
from models_catalogue import CatalogueStore
from services import event_service, health_service, reconcile_service, settings_service, setup_service, simulator
from services.errors import VendorAuthError, VendorForbidden, VendorRateLimited, VendorRefused, VendorUnreachable
from services.setup_service import Progress, Step, Vendor
from tests.builders import NOW, make_delivery, make_event, make_lead, make_product_list

KEY = "sk_a_key_that_is_long"
TOKEN = "0123456789abcdef0123456789abcdef"
LATER = NOW + timedelta(minutes=5)

pytestmark = pytest.mark.usefixtures("app")


def _progress(step: Step) -> Progress:
    return next(progress for progress in setup_service.progress() if progress.step is step)


def _save(**values: str) -> None:
    settings_service.change(values, NOW)


def test_nothing_is_done_at_the_start() -> None:
    assert [progress.step for progress in setup_service.progress()] == list(Step)
    assert not any(progress.done or progress.problem for progress in setup_service.progress())


# --- Keys ---


def test_a_saved_key_is_done_once_the_vendor_accepted_it() -> None:
    _save(scalev_api_key=KEY)
    assert not _progress(Step.SCALEV_KEY).done
    setup_service.record_key_test(Vendor.SCALEV, KEY, None, LATER)
    assert _progress(Step.SCALEV_KEY).done
    assert not _progress(Step.MAILKETING).done


def test_a_refused_key_is_open_again_and_says_why() -> None:
    _save(mailketing_api_key=TOKEN)
    setup_service.record_key_test(Vendor.MAILKETING, TOKEN, None, NOW)
    setup_service.record_key_test(Vendor.MAILKETING, TOKEN, "Mailketing: Wrong API Token", LATER)
    assert _progress(Step.MAILKETING) == Progress(Step.MAILKETING, False, "Mailketing: Wrong API Token")


def test_a_key_that_was_tested_before_it_was_saved_is_done_when_it_is_saved() -> None:
    setup_service.record_key_test(Vendor.SCALEV, f' "Bearer {KEY}" ', None, NOW)
    assert not _progress(Step.SCALEV_KEY).done
    _save(scalev_api_key=KEY)
    assert _progress(Step.SCALEV_KEY).done


def test_a_typed_key_that_fails_says_nothing_about_the_saved_one() -> None:
    _save(scalev_api_key=KEY)
    setup_service.record_key_test(Vendor.SCALEV, KEY, None, NOW)
    setup_service.record_key_test(Vendor.SCALEV, "sk_mistyped", "ScaleV: the API key was refused", LATER)
    assert _progress(Step.SCALEV_KEY).done


def test_a_new_key_has_to_prove_itself_anew() -> None:
    _save(scalev_api_key=KEY)
    setup_service.record_key_test(Vendor.SCALEV, KEY, None, NOW)
    settings_service.change({"scalev_api_key": "sk_another_long_key"}, LATER)
    assert not _progress(Step.SCALEV_KEY).done


def test_only_a_digest_of_a_tested_key_is_kept() -> None:
    setup_service.record_key_test(Vendor.SCALEV, KEY, None, NOW)
    summary = db.session.get_one(Heartbeat, "scalev-key").summary
    assert summary and KEY not in summary and len(summary) == 16


def test_a_key_that_can_not_be_read_any_more_is_not_done(app: Flask) -> None:
    _save(scalev_api_key=KEY, scalev_webhook_secret="a-signing-secret")
    setup_service.record_key_test(Vendor.SCALEV, KEY, None, NOW)
    app.extensions["fernet"] = Fernet(Fernet.generate_key())
    assert not _progress(Step.SCALEV_KEY).done
    assert not _progress(Step.SIGNING_SECRET).done


def _list_a_store(at: object) -> None:
    with transaction() as session:
        session.merge(CatalogueStore(scalev_id="1", name="Toko", seen_at=at))


def test_what_a_vendor_answers_to_a_job_proves_the_key_too() -> None:
    _save(scalev_api_key=KEY, mailketing_api_key=TOKEN)
    _list_a_store(LATER)
    make_delivery(status=DeliveryStatus.SENT, sent_at=LATER)
    assert _progress(Step.SCALEV_KEY).done and _progress(Step.MAILKETING).done


def test_an_answer_from_before_the_key_was_saved_proves_nothing() -> None:
    _list_a_store(NOW - timedelta(days=1))
    _save(scalev_api_key=KEY)
    assert not _progress(Step.SCALEV_KEY).done


def test_the_newer_of_test_and_job_counts() -> None:
    _save(scalev_api_key=KEY)
    setup_service.record_key_test(Vendor.SCALEV, KEY, "ScaleV: no answer", NOW)
    _list_a_store(LATER)
    assert _progress(Step.SCALEV_KEY).done
    setup_service.record_key_test(Vendor.SCALEV, KEY, "ScaleV: the API key was refused", LATER + timedelta(seconds=1))
    assert not _progress(Step.SCALEV_KEY).done


def test_only_a_refusal_counts_against_a_key() -> None:
    steps = {Vendor.SCALEV: Step.SCALEV_KEY, Vendor.MAILKETING: Step.MAILKETING}
    for vendor, key in ((Vendor.SCALEV, KEY), (Vendor.MAILKETING, TOKEN)):
        _save(**{setup_service.KEY_SETTING[vendor]: key})
        setup_service.record_key_test(vendor, key, None, NOW)
        passing = (VendorRateLimited("ScaleV", "too many calls"), VendorUnreachable("ScaleV", "no answer in time"))
        for error in (*passing, VendorRefused("Mailketing", "No Credits, Please Top Up")):
            setup_service.record_failed_test(vendor, key, error, LATER)
        assert _progress(steps[vendor]).done
        setup_service.record_failed_test(vendor, key, VendorAuthError("ScaleV", "no"), LATER)
        assert not _progress(steps[vendor]).done


def test_a_reconcile_that_came_to_its_end_proves_a_key_that_was_refused_before() -> None:
    _save(scalev_api_key=KEY)
    setup_service.record_failed_test(Vendor.SCALEV, KEY, VendorForbidden("ScaleV", "no"), NOW)
    assert not _progress(Step.SCALEV_KEY).done
    with transaction() as session:
        session.add(Heartbeat(name=reconcile_service.MARK, succeeded_at=LATER))
    assert _progress(Step.SCALEV_KEY).done


def test_the_keys_that_are_missing_are_told() -> None:
    assert setup_service.missing_keys() == [Vendor.SCALEV, Vendor.MAILKETING]
    _save(scalev_api_key=KEY)
    assert setup_service.missing_keys() == [Vendor.MAILKETING]


def _hold_account() -> None:
    with transaction() as session:
        session.add(AccountHold(reason="Wrong API Token", since=NOW, checked_at=NOW))


def test_a_hold_says_that_mailketing_has_never_worked() -> None:
    _save(mailketing_api_key=TOKEN)
    _hold_account()
    assert _progress(Step.MAILKETING) == Progress(Step.MAILKETING, False, "Mailketing: Wrong API Token")


def test_a_hold_does_not_undo_a_set_up_that_worked() -> None:
    _save(mailketing_api_key=TOKEN)
    setup_service.record_key_test(Vendor.MAILKETING, TOKEN, None, NOW)
    _hold_account()
    setup_service.record_key_test(Vendor.MAILKETING, TOKEN, "Wrong API Token", NOW)
    assert _progress(Step.MAILKETING) == Progress(Step.MAILKETING, True)


def test_a_hold_does_not_undo_what_jobs_have_done() -> None:
    _save(mailketing_api_key=TOKEN)
    make_delivery(status=DeliveryStatus.SENT, sent_at=NOW)
    _hold_account()
    assert _progress(Step.MAILKETING).done


def test_a_tested_key_is_no_run_of_a_job_for_healthz() -> None:
    setup_service.record_key_test(Vendor.SCALEV, KEY, None, NOW)
    assert health_service.look(NOW, scheduler_expected_since=None).last_run is None


# --- The other steps ---


def test_the_signing_secret_is_done_when_it_is_saved() -> None:
    _save(scalev_webhook_secret="a-signing-secret")
    assert _progress(Step.SIGNING_SECRET).done


def test_anything_that_scalev_posts_is_a_test_event() -> None:
    make_event()
    assert _progress(Step.TEST_EVENT).done


def test_a_test_from_before_there_was_a_secret_counts() -> None:
    event_service.note_test_event(NOW)
    assert _progress(Step.TEST_EVENT).done


def test_what_the_simulator_sent_proves_nothing_about_scalev() -> None:
    make_event(unique_id=f"{simulator.EVENT_PREFIX}123", name="business.test_event", received_at=NOW)
    event_service.note_test_event(NOW)
    make_lead(order_id=simulator.new_order_id())
    assert not _progress(Step.TEST_EVENT).done
    assert not _progress(Step.FIRST_ORDER).done


def test_a_product_list_and_a_buyers_order_are_the_last_steps() -> None:
    make_product_list()
    make_lead(status=LeadStatus.CLOSING)
    assert _progress(Step.PRODUCT_LIST).done and _progress(Step.FIRST_ORDER).done
