"""Lines of CSV (RFC 4180) for spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from io import StringIO
from typing import Final

CSV: Final = "text/csv; charset=utf-8"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def line(cells: Iterable[object]) -> bytes:
    """Returns a line with its end. What a spreadsheet would take for a formula has an apostrophe before it, since
    strangers choose what stands there."""
    texts = ["" if cell is None else str(cell) for cell in cells]
    written = StringIO()
    csv.writer(written).writerow([f"'{text}" if text.startswith(_FORMULA) else text for text in texts])
    return written.getvalue().encode()


def attachment(name: str) -> dict[bytes, bytes]:
    """Returns the header field by which a browser keeps an answer as a file of that name, letters and digits."""
    return {b"content-disposition": f'attachment; filename="{name}"'.encode("ascii")}
