"""How large a table may be, and the errors that say so.

Sizes go in; `DataError` E-02 is returned or raised where they are above the limits.
"""

from __future__ import annotations

from camlif.exceptions import DataError
from camlif.wording import count

MAX_BYTES = 512 * 2**20
"""Most bytes of text after decompression (the browser takes 250 MB a file)."""

MAX_ROWS_TOTAL = 100_000
MAX_COLUMNS = 20_000
MAX_CELLS = 150_000_000
"""Most cells of a table: 1.2 GB as float64. 100,000 patients by 1,300 features fit."""

MAX_NUMBER_BYTES = 2 * 8 * MAX_CELLS
"""Most bytes of numbers in Parquet, which may keep each in a dictionary and its place beside it."""


def too_large(size: int, limit: int = MAX_BYTES) -> DataError:
    """Return the error for a table of at least ``size`` bytes."""
    return DataError(
        f"The table is larger than {limit // 2**20} MB ({size / 2**20:.0f} MB read so far).",
        code="E-02",
        fix="Save it as Parquet, or leave out columns.",
    )


def check_shape(n_rows: int, n_columns: int) -> None:
    """Refuse a table with more rows, columns or cells than are read.

    Raises
    ------
    DataError
        E-02, with the limits.
    """
    within = n_rows <= MAX_ROWS_TOTAL and n_columns <= MAX_COLUMNS
    if not within or n_rows * n_columns > MAX_CELLS:
        raise DataError(
            f"The table has {count(n_rows, 'row')} and {count(n_columns, 'column')}; at most "
            f"{MAX_ROWS_TOTAL:,} by {MAX_COLUMNS:,} and {MAX_CELLS:,} in all are read.",
            code="E-02",
            fix="Split the file, or leave out columns.",
        )
