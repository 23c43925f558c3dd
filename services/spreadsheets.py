"""Tables as files for people: CSV and XLSX as Excel with Indonesian settings opens them. No cell is ever a formula."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import IO
from zoneinfo import ZoneInfo

import xlsxwriter

Cell = str | int | Decimal | datetime | None

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
# Excel turns such texts into numbers: phone numbers and order ids would lose digits or be shown as 6,28E+12.
_NUMBER_LIKE = re.compile(r"0[0-9]+|[0-9]{12,}|[0-9]+E[0-9]+", re.IGNORECASE)
_ENCODING = "utf-8-sig"  # without its mark Excel takes UTF-8 for the old Windows code page
_MAX_CELL = 32_767
_WIDEST, _NARROWEST = 40, 10


def safe_cell(value: object) -> object:
    """Return a cell that no spreadsheet runs as a formula (OWASP: CSV injection)."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def write_csv(file: IO[bytes], heading: Sequence[str], rows: Iterable[Sequence[Cell]], zone: ZoneInfo) -> None:
    """Write a CSV file, row by row: with `;`, because in Indonesia the comma belongs to the numbers.

    Args:
        file: where to.
        heading: the columns' names.
        rows: their cells.
        zone: which moments are written in.
    """
    text = io.TextIOWrapper(file, _ENCODING, newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(heading)
    writer.writerows([_as_text(cell, zone) for cell in row] for row in rows)
    text.detach()  # writes the rest and leaves the file open


def write_xlsx(file: IO[bytes], heading: Sequence[str], rows: Iterable[Sequence[Cell]], zone: ZoneInfo) -> None:
    """Write an XLSX file; row by row, so that a long table takes no more memory than a short one.

    Args:
        file: where to.
        heading: the columns' names.
        rows: their cells.
        zone: which moments are written in.
    """
    book = xlsxwriter.Workbook(file, {"constant_memory": True})
    formats = {
        Decimal: book.add_format({"num_format": "#,##0"}),
        datetime: book.add_format({"num_format": "yyyy-mm-dd hh:mm"}),
    }
    bold = book.add_format({"bold": True})
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(heading):
        sheet.set_column(column, column, min(_WIDEST, max(_NARROWEST, len(name) + 8)))
        sheet.write_string(0, column, name, bold)
    for number, row in enumerate(rows, 1):
        for column, cell in enumerate(row):
            _write_cell(sheet, number, column, cell, formats, zone)
    book.close()


def _as_text(cell: Cell, zone: ZoneInfo) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return f"{cell.astimezone(zone):%Y-%m-%d %H:%M}"
    if isinstance(cell, Decimal):
        return (f"{cell:.0f}" if cell == cell.to_integral_value() else f"{cell:.2f}").replace(".", ",")
    if isinstance(cell, str) and _NUMBER_LIKE.fullmatch(cell):
        return f"\t{cell}"  # a tab keeps it a text and is not seen
    return str(safe_cell(cell))


def _write_cell(
    sheet: xlsxwriter.worksheet.Worksheet,
    row: int,
    column: int,
    cell: Cell,
    formats: dict[type, xlsxwriter.format.Format],
    zone: ZoneInfo,
) -> None:
    """Write one cell by its type; a text is always a text, whatever it looks like."""
    if isinstance(cell, datetime):
        sheet.write_datetime(row, column, cell.astimezone(zone).replace(tzinfo=None), formats[datetime])
    elif isinstance(cell, Decimal):
        sheet.write_number(row, column, float(cell), formats[Decimal])
    elif isinstance(cell, int):
        sheet.write_number(row, column, cell)
    elif cell:
        sheet.write_string(row, column, cell[:_MAX_CELL])
