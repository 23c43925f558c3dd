"""Makes the catalogues anew: `python translations/catalogue.py` after texts were added or changed.

Reads all texts from the sources, merges them into both `.po` files and writes the `.mo` files. New texts are left empty
in `id` for a translator; in `en` they are their own translation. A test fails while anything is empty.
"""

import io
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

BASE_DIR = Path(__file__).resolve().parent.parent
LANGUAGES = ("id", "en")
# The usual names, and the exceptions whose text is shown to people (services/errors.py).
KEYWORDS = {
    "_": None,
    "gettext": None,
    "lazy_gettext": None,
    "ngettext": (1, 2),
    "UserError": None,
    "NotFound": None,
    "Conflict": None,
    "InvalidField": (2,),
    "SwappedKey": (2,),
    "TooManyTries": None,
}


def extract() -> Catalog:
    """Read every text of the sources, in the order of files and lines."""
    catalog = Catalog(project="ScaleV x Mailketing", charset="utf-8")
    methods, options = parse_mapping_cfg(io.StringIO((BASE_DIR / "babel.cfg").read_text()))
    found = extract_from_dir(BASE_DIR, methods, options, keywords=KEYWORDS)
    for filename, _line, message, comments, context in sorted(found, key=lambda text: (text[0], text[1])):
        if not _is_rest(filename, message):
            catalog.add(message, None, [(filename, None)], auto_comments=comments, context=context)
    return catalog


def _is_rest(filename: str, message: str | tuple[str, ...]) -> bool:
    """Whether a service's text is what follows a value in it: such sentences are for the log and stay English."""
    return filename.startswith("services") and isinstance(message, str) and not message[:1].isupper()


def po_file(language: str) -> Path:
    return Path(__file__).parent / language / "LC_MESSAGES" / "messages.po"


def read(language: str) -> Catalog:
    with po_file(language).open("rb") as file:
        return read_po(file, locale=language)


def compiled(catalog: Catalog) -> bytes:
    """Return a catalogue as the program loads it."""
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def main() -> None:
    texts = extract()
    for language in LANGUAGES:
        catalog = read(language)
        catalog.update(texts, no_fuzzy_matching=True, update_creation_date=False)
        catalog.obsolete.clear()
        if language == "en":
            _translate_to_itself(catalog)
        with po_file(language).open("wb") as file:
            write_po(file, catalog, width=120, include_lineno=False, sort_output=True)
        po_file(language).with_suffix(".mo").write_bytes(compiled(catalog))


def _translate_to_itself(catalog: Catalog) -> None:
    for message in catalog:
        if message.id:
            message.string = message.id


if __name__ == "__main__":
    main()
