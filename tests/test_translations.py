"""Both catalogues hold every text of the sources, and the program loads what the `.po` files say."""

import importlib.util
from types import ModuleType

import pytest
from babel.messages import Catalog

from config import BASE_DIR


def _load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("catalogue", BASE_DIR / "translations" / "catalogue.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = _load_tool()


@pytest.fixture(scope="module", params=tool.LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def catalog(language: str) -> Catalog:
    return tool.read(language)


def _texts(catalog: Catalog) -> set[object]:
    return {message.id for message in catalog if message.id}


def test_every_text_of_the_sources_is_in_the_catalogue_and_no_other(catalog: Catalog) -> None:
    assert _texts(catalog) == _texts(tool.extract()), "run: python translations/catalogue.py"


def test_every_text_is_translated(catalog: Catalog) -> None:
    empty = [m.id for m in catalog if m.id and not all([m.string] if isinstance(m.string, str) else m.string)]
    assert not empty


def test_nothing_is_fuzzy(catalog: Catalog) -> None:
    assert not catalog.fuzzy
    assert not [message.id for message in catalog if message.fuzzy]


def test_translations_keep_the_placeholders(catalog: Catalog) -> None:
    errors = [(message.id, str(error)) for message, found in catalog.check() for error in found]
    assert not errors


def test_the_program_loads_what_the_po_file_says(language: str, catalog: Catalog) -> None:
    loaded = tool.po_file(language).with_suffix(".mo").read_bytes()
    assert loaded == tool.compiled(catalog), "run: python translations/catalogue.py"


def test_english_is_its_own_translation() -> None:
    assert all(message.string == message.id for message in tool.read("en") if message.id)
