"""Cox models by lifelines whose every doubt about convergence is an error."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from camlif.exceptions import EstimationError
from camlif.statistics.outcome import BoolArray, FloatArray


def fit_cox(x: pd.DataFrame, event: BoolArray, duration: FloatArray) -> Any:
    """Fit a Cox model with Efron's ties and no penalty.

    Parameters
    ----------
    x : DataFrame, shape (n, p)
        Standardised columns: lifelines judges convergence by their absolute variance.
    event : bool, shape (n,)
    duration : float64, shape (n,)

    Returns
    -------
    lifelines.CoxPHFitter

    Raises
    ------
    EstimationError
        With the fitter's reason, if it fails or warns of separation, collinearity or a step that
        stays long.
    """
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning
    from scipy.linalg import LinAlgWarning

    failures = (ConvergenceError, ConvergenceWarning, LinAlgWarning, np.linalg.LinAlgError)
    table = x.assign(duration=duration, event=event)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.simplefilter("error", LinAlgWarning)
        try:
            return CoxPHFitter().fit(table, "duration", "event")
        except failures as error:
            raise EstimationError(" ".join(str(error).split())) from error
