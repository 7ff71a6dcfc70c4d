"""Features in two units: one site's rows, or its values of one column, many times the others'.

In come the modalities as read, out come warnings. How many times a patient's values are those of
the others is the median over the positive columns; tables with few of these tell nothing. A single
column is told of where its two heaps are a power of ten apart; genes may be in two heaps. Nothing
fails.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from camlif.arrays import Float32Array, Float64Array
from camlif.data.reading.matrices import ModalityData
from camlif.data.reading.mixed_units import two_heaps
from camlif.data.reading.names import is_gene_like
from camlif.data.reading.problems import Findings, examples
from camlif.wording import count, verb

MIN_COLUMNS, MIN_PATIENTS = 10, 12
MAX_COLUMNS = 500
"""Of so many, evenly spread, a patient's scale is known."""
MIN_POSITIVE = 0.9
"""Share of a column's cells that are positive; none is negative."""
MAX_SINGLE = 2_000
"""Columns of a table of which each is looked at."""
MIN_HEAP = 12
"""Patients of the smaller heap of a column; a few are far out by chance."""
MIN_BETWEEN = 3.0
"""Ratio of the least of the higher heap and the greatest of the lower."""
MAX_POWER, NEAR_POWER = 4, 0.15
"""Of ten, between two heaps, and how near. In 992 parts of 32 tables of the development cohorts
two had such a column."""
MIN_GAP = 2.5
"""Ratio of a patient's scale and the next. That of neighbours was at most 1.4 in the eleven such
tables of the development cohorts, and that of any two patients at most 3.4."""


def report_scaled(modalities: Sequence[ModalityData], found: Findings) -> None:
    """Warn of patients with values many times those of the others in nearly all columns.

    Parameters
    ----------
    modalities : sequence of ModalityData
    found : Findings
    """
    for data in modalities:
        if data.spec.bag is None and not _report_rows(data, found):
            _report_columns(data, found)


def _report_rows(data: ModalityData, found: Findings) -> bool:
    """Warn of patients with larger or smaller values in most columns; return whether it did."""
    scales = row_scales(data.values)
    order = np.argsort(scales)[: int(np.isfinite(scales).sum())]
    if len(order) < MIN_PATIENTS:
        return False
    steps = scales[order[1:]] / scales[order[:-1]]
    at = int(steps.argmax()) + 1
    if steps[at - 1] < MIN_GAP:
        return False
    low, high = order[:at], order[at:]
    few, many = (low, high) if len(low) < len(high) else (high, low)
    times = float(np.median(scales[high]) / np.median(scales[low]))
    where = "larger" if few is high else "smaller"
    found.warn(
        f"{count(len(few), 'patient')} {verb(len(few), 'has', 'have')} values about {times:.3g} "
        f"times {where} than the other {len(many)} in most columns, as of another unit: "
        f"{examples(data.ids[i] for i in np.sort(few))}.",
        code="E-09",
        file=data.file,
        fix="Give all of them in one unit.",
    )
    return True


def _report_columns(data: ModalityData, found: Findings) -> None:
    """Warn of columns whose values lie in two heaps that are a power of ten apart."""
    columns = data.spec.columns
    if len(columns) > MAX_SINGLE or is_gene_like(columns):
        return
    told = {}
    for column, values in zip(columns, data.values.T.astype(np.float64), strict=True):
        heaps = two_heaps(values)
        if heaps is not None and min(map(len, heaps)) >= MIN_HEAP:
            low, high = (float(np.median(heap)) for heap in heaps)
            power, between = np.log10(high / low), heaps[1][0] / heaps[0][-1]
            if (
                between >= MIN_BETWEEN
                and 1 <= round(power) <= MAX_POWER
                and abs(power - round(power)) <= NEAR_POWER
            ):
                told[column] = f"{column} ({low:.3g} and {high:.3g})"
    if told:
        found.warn(
            f"{count(len(told), 'column has', 'columns have')} values about two numbers and none "
            f"between, as of two units: {examples(told.values())}.",
            code="E-09",
            file=data.file,
            fix="Give all of them in one unit.",
        )


def row_scales(values: Float32Array) -> Float64Array:
    """Return how many times each patient's values are those of all, by median, shape (n,).

    Parameters
    ----------
    values : float32, shape (n, f)
        NaN where missing.

    Returns
    -------
    float64, shape (n,)
        NaN where nothing is positive, and everywhere where few columns are.
    """
    part = values[:, :: max(1, values.shape[1] // MAX_COLUMNS)].astype(np.float64)
    known = np.isfinite(part)
    share = ((part > 0) & known).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    positive = (share >= MIN_POSITIVE) & ~((part < 0) & known).any(axis=0)
    if positive.sum() < MIN_COLUMNS:
        return np.full(len(values), np.nan)
    logs = pd.DataFrame(part[:, positive]).where(lambda x: x > 0).transform(np.log)
    scales: Float64Array = np.exp((logs - logs.median()).median(axis=1).to_numpy(dtype=np.float64))
    return scales
