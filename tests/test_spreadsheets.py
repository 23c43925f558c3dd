"""Files as Excel with Indonesian settings opens them; XLSX is read back by another library than its writer."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from services import spreadsheets
from services.spreadsheets import Cell, safe_cell

WIB = ZoneInfo("Asia/Jakarta")
AT = datetime(2026, 11, 22, 18, 5, tzinfo=UTC)  # the next day at 01.05 WIB


def csv_file(heading: list[str], row: tuple[Cell, ...]) -> bytes:
    file = io.BytesIO()
    spreadsheets.write_csv(file, heading, [row], WIB)
    return file.getvalue()


def as_csv(*cells: Cell) -> list[str]:
    """The cells of a file's one row, as a reader with `;` finds them."""
    return list(csv.reader(io.StringIO(csv_file(["a"], cells).decode("utf-8-sig")), delimiter=";"))[1]


def as_xlsx(*rows: list[Cell]) -> openpyxl.worksheet.worksheet.Worksheet:
    file = io.BytesIO()
    spreadsheets.write_xlsx(file, ["Nama", "Total"], rows, WIB)
    return openpyxl.load_workbook(file).active


@pytest.mark.parametrize("text", ["=1+1", "+62812", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert safe_cell(text) == f"'{text}"
    assert as_csv(text)[0].startswith("'")
    cell = as_xlsx([text.replace("\0", "")])["A2"]
    assert (cell.data_type, cell.value.startswith("'")) == ("s", False)  # a text as it is: XLSX knows the difference


@pytest.mark.parametrize("value", ["Siti", "", None, 5, "a=b", "62812"])
def test_other_cells_stay_as_they_are(value: object) -> None:
    assert safe_cell(value) == value


def test_a_csv_file_begins_so_that_excel_reads_its_letters_and_columns() -> None:
    assert csv_file(["Nama", "Total"], ("Siti; Sari", "é")).decode() == '\ufeffNama;Total\r\n"Siti; Sari";é\r\n'


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (Decimal("149724.00"), "149724"),
        (Decimal("149724.50"), "149724,50"),
        (AT, "2026-11-23 01:05"),
        (None, ""),
        (7, "7"),
        ("6281234567890", "\t6281234567890"),
        ("0812", "\t0812"),
        ("261122E12", "\t261122E12"),
        ("261122ABC", "261122ABC"),
        ("12", "12"),
    ],
)
def test_values_are_written_as_excel_in_indonesia_reads_them(cell: Cell, text: str) -> None:
    assert as_csv(cell) == [text]


def test_an_xlsx_file_holds_numbers_moments_and_texts_as_such() -> None:
    sheet = as_xlsx([Decimal("149724.50"), AT, "6281234567890", None, "x" * 40_000])
    row = sheet[2]
    assert (row[0].value, row[0].data_type) == (149724.5, "n")
    assert row[1].value == datetime(2026, 11, 23, 1, 5)  # noqa: DTZ001 (a file knows no zones)
    assert (row[2].value, row[2].data_type) == ("6281234567890", "s")
    assert row[3].value is None
    assert len(row[4].value) == 32_767
    assert [cell.value for cell in sheet[1]][:2] == ["Nama", "Total"]


def test_what_xml_cannot_hold_does_not_break_the_file() -> None:
    assert as_xlsx(["a\x00b\x1fc", "<b>&"])["B2"].value == "<b>&"
