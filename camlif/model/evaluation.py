"""How good a bundle is on a cohort with outcome.

A bundle and a cohort go in; a dictionary for JSON comes out: C-index, log-rank, calibration by
horizon, and what to beware of. Raises `DataError` where no patient with an outcome can be scored.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from camlif.config import HORIZONS
from camlif.data.cohort import Cohort
from camlif.exceptions import DataError, EstimationError
from camlif.statistics import (
    bootstrap_c_index,
    calibration,
    concordance_index,
    log_rank,
    too_few,
)
from camlif.statistics.outcome import LATE_ENTRY, FollowUp
from camlif.statistics.split_p_values import WITHHELD

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle


CALIBRATION_NOTE = (
    "{} of these patients are of the training cohort: slope and baseline hazard were fitted on "
    "their held-out risks, so calibration here looks better than it is. The card's ratios are "
    "cross-fitted."
)


def evaluate(bundle: Bundle, cohort: Cohort) -> dict[str, Any]:
    """Report discrimination, separation and calibration of a bundle on a cohort with outcome.

    Patients of the training cohort count with held-out risks only.

    Returns
    -------
    dict
        ``n``, ``events``, ``heldout`` (patients of the training cohort), ``unclear`` (those of whom
        that cannot be told, scored as if they were, where members are left), ``unscored``,
        ``c_index`` (with bootstrap interval, and ``strict`` beside it), ``strata``, ``log_rank``,
        ``calibration`` by horizon, and ``calibration_note`` and ``entry_note``: a caution, or
        None.

    Raises
    ------
    DataError
        If the cohort has no outcome, or no patient with an outcome was scored.
    """
    cohort.outcome()  # without outcome columns nothing need be scored
    result = bundle.score(cohort, embed=False)
    rows = np.flatnonzero(result.scored & cohort.with_outcome)
    if not len(rows):
        raise DataError(
            "No patient with an outcome could be scored.", fix="See `score` for reasons."
        )
    risk = result.log_risk[rows]
    followed = cohort.follow_up(rows)
    event = followed.event
    stratum = bundle.strata.assign(result.z[rows])
    groups = {
        name: {"n": int((stratum == name).sum()), "events": int(event[stratum == name].sum())}
        for name in bundle.strata.names
        if (stratum == name).any()
    }
    heldout, unclear = int(result.is_training[rows].sum()), int(result.unclear[rows].sum())
    survival = bundle.reference.survival(risk, result.presence[rows], HORIZONS)
    return {
        "model": bundle.name,
        "cohort": cohort.info.title,
        "n": len(rows),
        "events": int(event.sum()),
        "time_unit": "months",
        "heldout": heldout,
        "unclear": unclear,
        "unscored": int((~result.scored).sum()),
        "c_index": _c_index_report(risk, followed),
        "strata": groups,
        "log_rank": {"p_value": None, "reason": WITHHELD}
        if heldout or unclear
        else _log_rank_report(followed, stratum),
        "calibration": [
            _calibration_report(survival[:, i], followed, h) for i, h in enumerate(HORIZONS)
        ],
        "calibration_note": CALIBRATION_NOTE.format(heldout) if heldout else None,
        "entry_note": LATE_ENTRY if cohort.enters_late else None,
    }


def _c_index_report(risk: NDArray[np.float64], followed: FollowUp) -> dict[str, Any]:
    event, duration, entry = followed.event, followed.duration, followed.entry
    if np.ptp(risk) == 0:
        return {"value": None, "reason": "All risks are equal, so they rank nobody."}
    interval = bootstrap_c_index(risk, event, duration, entry=entry)
    return {
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "strict": concordance_index(risk, event, duration, entry=entry, ties="strict"),
    }


def _log_rank_report(followed: FollowUp, stratum: NDArray[np.str_]) -> dict[str, Any]:
    reason = too_few(followed.event, stratum)
    if reason is not None:
        return {"p_value": None, "reason": reason}
    try:
        result = log_rank(followed.event, followed.duration, stratum, entry=followed.entry)
    except EstimationError as error:
        return {"p_value": None, "reason": str(error)}
    return {"p_value": result.p_value, "statistic": result.statistic}


def _calibration_report(
    survival: NDArray[np.float64], followed: FollowUp, horizon: int
) -> dict[str, Any]:
    try:
        result = calibration(
            survival, followed.event, followed.duration, horizon=horizon, entry=followed.entry
        )
    except EstimationError as error:
        return {"horizon": horizon, "reason": str(error)}
    return asdict(result)
