"""Patients whose every value is larger than the others': one site's rows in another unit.

In come the modalities as read, out come warnings. How many times a patient's values are those of
the others is the median over the positive columns; tables with few of these tell nothing, and a
single column in two heaps may be two kinds of patients. Nothing fails.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from camlif.arrays import Float32Array, Float64Array
from camlif.data.reading.matrices import ModalityData
from camlif.data.reading.problems import Findings, examples
from camlif.wording import count, verb

MIN_COLUMNS, MIN_PATIENTS = 10, 12
MAX_COLUMNS = 500
"""Of so many, evenly spread, a patient's scale is known."""
MIN_POSITIVE = 0.9
"""Share of a column's cells that are positive; none is negative."""
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
        if data.spec.bag is not None:
            continue
        scales = row_scales(data.values)
        order = np.argsort(scales)[: int(np.isfinite(scales).sum())]
        if len(order) < MIN_PATIENTS:
            continue
        steps = scales[order[1:]] / scales[order[:-1]]
        at = int(steps.argmax()) + 1
        if steps[at - 1] < MIN_GAP:
            continue
        low, high = order[:at], order[at:]
        few, many = (low, high) if len(low) < len(high) else (high, low)
        times = float(np.median(scales[high]) / np.median(scales[low]))
        where = "larger" if few is high else "smaller"
        found.warn(
            f"{count(len(few), 'patient')} {verb(len(few), 'has', 'have')} values about "
            f"{times:.3g} times {where} than the other {len(many)} in most columns, as of another "
            f"unit: {examples(data.ids[i] for i in np.sort(few))}.",
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
