import pytest

from services import view_service
from services.errors import NotFound, UserError
from tests.builders import NOW, make_user

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]


def names(user_id: int) -> list[str]:
    return [view.name for view in view_service.views_of(user_id)]


def test_views_are_a_persons_own() -> None:
    sari, rina = make_user().id, make_user().id
    view_service.save(sari, "COD hari ini", {"cod": "yes"}, NOW)
    view = view_service.save(rina, " Besar ", {"sort": "total"}, NOW)
    assert (names(sari), names(rina)) == (["COD hari ini"], ["Besar"])
    with pytest.raises(NotFound):
        view_service.delete_view(sari, view.id)
    view_service.delete_view(rina, view.id)
    assert names(rina) == []


def test_the_same_name_again_replaces_the_view() -> None:
    user_id = make_user().id
    view_service.save(user_id, "COD", {"cod": "yes"}, NOW)
    view_service.save(user_id, "COD", {"cod": "no"}, NOW)
    assert [view.filter for view in view_service.views_of(user_id)] == [{"cod": "no"}]


def test_a_view_needs_a_name_and_there_are_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_service, "MAX_VIEWS", 1)
    user_id = make_user().id
    for name in ("", "  ", "\u202e"):
        with pytest.raises(UserError, match="Give the view a name"):
            view_service.save(user_id, name, {}, NOW)
    view_service.save(user_id, "COD", {}, NOW)
    view_service.save(user_id, "COD", {"cod": "no"}, NOW)
    with pytest.raises(UserError, match="too many views"):
        view_service.save(user_id, "Besar", {}, NOW)


def test_names_that_differ_in_case_are_two_views() -> None:
    user_id = make_user().id
    view_service.save(user_id, "cod", {}, NOW)
    view_service.save(user_id, "COD", {}, NOW)
    assert len(names(user_id)) == 2
