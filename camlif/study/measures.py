"""Measures of one split: ranking, probabilities and discrimination over time of its test part.

Risks of all patients, outcomes and one split go in; a row of `RESULT_COLUMNS` comes out, None where
a measure is undefined. Raises `EstimationError` where a risk is not finite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlif.arrays import BoolArray
from camlif.config import HORIZONS
from camlif.exceptions import DataError, EstimationError
from camlif.statistics import (
    concordance_index,
    fit_calibration,
    integrated_brier_score,
    ipcw_c_index,
    time_dependent_auc,
)
from camlif.statistics.outcome import FollowUp, life_table
from camlif.wording import count

TIME_RANGE = (0.1, 0.9)
"""Quantiles of the training part's event times between which probabilities are judged."""
N_TIMES = 30


def split_measures(
    risk: NDArray[np.float64],
    followed: FollowUp,
    *,
    test: BoolArray,
    inner: NDArray[np.float64] | None = None,
) -> dict[str, float]:
    """Measure how well one model ranks the patients of its test part.

    Parameters
    ----------
    risk : float64, shape (n,)
        Of all patients, by the model of this split.
    followed : FollowUp
        Of n patients, months.
    test : bool, shape (n,)
        The test part; the rest trained the model.
    inner : float, shape (n,), optional
        Of the training part: each by a model that saw neither the patient nor the test part,
        centred on the mean of those it saw. Without it there is no Brier score.

    Returns
    -------
    dict of str to float
        ``c_index``, ``c_index_strict``, ``ipcw_c``, ``ibs``, ``auc_12`` and so on; NaN where the
        test part leaves a measure undefined.

    Raises
    ------
    EstimationError
        If a risk is not finite, or no pair of the test part can be compared.

    Notes
    -----
    The IPCW C-index counts events up to the end of the time range. Survival probabilities for the
    Brier score rest on ``inner``: calibration slope, then Breslow's baseline. A model spreads the
    risks of those it was trained on too far, each method to another degree, so that a score by them
    would order methods by how closely they fit. Where inner risks do not rank (slope not above 0),
    everyone is predicted the training part's Kaplan-Meier curve.
    """
    if not np.isfinite(risk).all():
        raise EstimationError(
            f"{count(int((~np.isfinite(risk)).sum()), 'risk is', 'risks are')} not finite."
        )
    tested, trained = followed.take(test), followed.take(~test)
    own, entry = (risk[test], tested.event, tested.duration), tested.entry
    train: dict[str, Any] = {
        "train_event": trained.event,
        "train_duration": trained.duration,
        "train_entry": trained.entry,
        "entry": entry,
    }
    times = _times(trained, tested)
    aucs = {f"auc_{h}": _or_nan(partial(_auc, *own, horizon=h, **train)) for h in HORIZONS}
    return {
        "c_index": concordance_index(*own, entry=entry),
        "c_index_strict": concordance_index(*own, entry=entry, ties="strict"),
        "ipcw_c": _or_nan(lambda: ipcw_c_index(*own, tau=float(times[-1]), **train)),
        "ibs": math.nan
        if inner is None
        else _or_nan(lambda: _brier(risk, inner, tested, trained, test, times)),
        **aucs,
    }


def _or_nan(measure: Callable[[], float]) -> float:
    """Return NaN, the empty cell of the results, where a measure is undefined on this test part."""
    try:
        return float(measure())
    except (EstimationError, DataError):
        return math.nan


def _auc(*own: ArrayLike, horizon: int, **train: Any) -> float:
    return float(time_dependent_auc(*own, horizons=[horizon], **train)[0])


def _times(trained: FollowUp, tested: FollowUp) -> NDArray[np.float64]:
    """Return the times at which probabilities are judged: the same for every method of a split."""
    low, high = np.quantile(trained.duration[trained.event], TIME_RANGE)
    # The score needs somebody of the test part to be followed beyond its last time.
    latest = np.nextafter(tested.duration.max(), 0)
    return np.linspace(low, min(high, latest), N_TIMES)


def _brier(
    risk: NDArray[np.float64],
    inner: NDArray[np.float64],
    tested: FollowUp,
    trained: FollowUp,
    test: BoolArray,
    times: NDArray[np.float64],
) -> float:
    outcome, entry = (trained.event, trained.duration), trained.entry
    known = inner[~test]
    curves = None if np.ptp(known) == 0 else fit_calibration(known, *outcome, entry=entry)
    if curves is None or curves.slope <= 0:
        # A model that ranks nobody predicts the training part's Kaplan-Meier curve.
        constant = life_table(*outcome, entry).survival_at(times)
        survival = np.tile(constant, (int(test.sum()), 1))
    else:
        survival = curves.survival(risk[test] - risk[~test].mean(), times)
    return integrated_brier_score(
        survival,
        tested.event,
        tested.duration,
        times=times,
        train_event=trained.event,
        train_duration=trained.duration,
        entry=tested.entry,
        train_entry=entry,
    )
