"""Tables written for spreadsheets: no cell of text can start a formula."""

from __future__ import annotations

import pandas as pd

# OWASP ASVS 1.2.10, CWE-1236; the last four are the full-width forms that spreadsheets also accept.
FORMULA_STARTS = tuple("=+-@\t\r\n\0＝＋－＠")


def quote_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with text cells and headers that would start a formula led by an apostrophe.

    Numbers stay numbers.
    """
    safe = table.copy()
    for position in range(safe.shape[1]):
        column = safe.iloc[:, position]
        if column.dtype == object or isinstance(
            column.dtype, (pd.StringDtype, pd.CategoricalDtype)
        ):
            safe.isetitem(position, [_quoted(value) for value in column])
    safe.columns = pd.Index([_quoted(name) for name in safe.columns])
    return safe


def to_csv(table: pd.DataFrame) -> str:
    """Return comma-separated text without the index, safe to open in a spreadsheet."""
    return quote_formulas(table).to_csv(index=False, lineterminator="\n")


def _quoted(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value
