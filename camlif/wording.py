"""Numbers in sentences, and values that may leave the program, the same everywhere.

Numbers and tables go in, English text and CSV come out; nothing fails. No cell of text can start a
formula, and no age over 89 is told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
from numpy.typing import NDArray

RESEARCH_USE = "Research use only. Not a medical device. Don't base patient care on this output."
"""Stands on every page, print and report."""


def count(n: int, noun: str, plural: str | None = None) -> str:
    """Return ``1 patient``, ``1,253 patients``.

    Parameters
    ----------
    n : int
    noun : str
        In the singular.
    plural : str, optional
        Where it is not the noun with an s.
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def verb(n: int, singular: str, plural: str) -> str:
    """Return the form of a verb for so many: ``1 is``, ``2 are``, ``0 are``.

    Parameters
    ----------
    n : int
    singular, plural : str
        Forms of the verb.
    """
    return singular if n == 1 else plural


def extent(low: float, high: float, unit: str) -> str:
    """Say a range of whole numbers as ``12 to 53 months``; ``53 months`` where its ends agree.

    Parameters
    ----------
    low, high : float
    unit : str
        In the singular.
    """
    first, last = f"{low:.0f}", f"{high:.0f}"
    whole = count(int(last), unit)
    return whole if first == last else f"{first} to {whole}"


def listed(parts: Sequence[str]) -> str:
    """Join words as prose: ``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def in_sentence(name: str) -> str:
    """Return a name as it stands within a sentence: ``Age`` as ``age``, ``ER status`` as it is."""
    return name if name[:2].isupper() else name[:1].lower() + name[1:]


def with_interval(value: float, low: float, high: float, *, digits: int = 2) -> str:
    """Say a number with its interval: ``0.72 (0.65 to 0.78)``.

    Parameters
    ----------
    value, low, high : float
    digits : int
        After the point.
    """
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


P_FLOOR = 0.001


def p_value(p: float | None) -> str:
    """Say a p-value to two significant digits: ``0.023``, ``< 0.001``, ``not given``."""
    if p is None:
        return "not given"
    return f"< {P_FLOOR}" if p < P_FLOOR else f"{p:.2g}"


def format_p(p: float) -> str:
    """Say ``p = 0.023`` or ``p < 0.001``."""
    return f"p {p_value(p)}" if p < P_FLOOR else f"p = {p_value(p)}"


FEWEST_OF_100 = 5
MOST_RATIO = 10
"""Beyond these a prediction is said as a bound, since no model is that sure."""


def of_100(share: float) -> str:
    """Say a predicted share as ``about 41`` of 100, or ``fewer than 5``."""
    return (
        f"fewer than {FEWEST_OF_100}" if 100 * share < FEWEST_OF_100 else f"about {100 * share:.0f}"
    )


def range_of_100(low: float, high: float) -> str:
    """Say two shares as ``34 to 49`` of 100; the lower one, or both, as ``fewer than 5``."""
    if 100 * high < FEWEST_OF_100:
        return of_100(high)
    return f"{of_100(low).removeprefix('about ')} to {100 * high:.0f}"


def ratio_words(ratio: float) -> str:
    """Say a hazard ratio as ``3.10``; ``over 10`` and ``under 0.1`` beyond."""
    if ratio > MOST_RATIO:
        return f"over {MOST_RATIO}"
    return f"under {1 / MOST_RATIO}" if ratio < 1 / MOST_RATIO else f"{ratio:.2f}"


MONTHS_PER_YEAR = 12


def period(months: float) -> str:
    """Say a time as ``3 years`` or ``18 months``."""
    if months % MONTHS_PER_YEAR == 0 and months > 0:
        return count(int(months // MONTHS_PER_YEAR), "year")
    return f"{months:g} month" + ("s" if months != 1 else "")


# OWASP ASVS 1.2.10, CWE-1236; the last four are the full-width forms that spreadsheets also accept.
FORMULA_STARTS = tuple("=+-@\t\r\n\0＝＋－＠")
_APOSTROPHES = re.compile(rf"'*[{re.escape(''.join(FORMULA_STARTS))}]")


AGE = "age"
OLDEST_SHOWN = 90
"""Ages from here on are one group: higher ones identify people (45 CFR 164.514(b)(2)(i)(C))."""


def clock(time: datetime, zone: str) -> str:
    """Say a time as clocks show it in a time zone of the IANA database; UTC for an unknown one."""
    try:
        return f"{time.astimezone(ZoneInfo(zone)):%d %b %Y, %H:%M %Z}"
    except (ZoneInfoNotFoundError, ValueError):
        return f"{time.astimezone(UTC):%d %b %Y, %H:%M} UTC"


def shown_age(age: float) -> str:
    """Return an age in whole years; ``90+`` from 90 on."""
    return f"{OLDEST_SHOWN}+" if age >= OLDEST_SHOWN - 0.5 else f"{age:.0f}"


def cap_ages(values: NDArray[Any], names: Sequence[str]) -> NDArray[Any]:
    """Return values with every age over 90 as 90.

    Parameters
    ----------
    values : ndarray, shape (n, f)
        Numbers, or objects among which ages are numbers.
    names : sequence of str, length f
        Columns; the one called ``age`` holds ages in years.
    """
    capped = values.copy()
    for j in [j for j, name in enumerate(names) if name == AGE]:
        ages = pd.to_numeric(pd.Series(values[:, j]), errors="coerce").to_numpy("float64")
        old = np.nan_to_num(ages) > OLDEST_SHOWN
        capped[old, j] = OLDEST_SHOWN
    return capped


def quote_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with text cells and headers that would start a formula led by an apostrophe.

    Numbers stay numbers. Text that looks quoted already gets another one, so that `unquote_formula`
    gives every text back.
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
    return f"'{value}" if isinstance(value, str) and _APOSTROPHES.match(value) else value


def unquote_formula(text: str) -> str:
    """Return text without the apostrophe that `quote_formulas`, or a spreadsheet, put before it."""
    return text[1:] if text[:1] == "'" and _APOSTROPHES.match(text) else text
