"""Whether the outcomes of the scored patients bear out the absolute risks that they would be shown.

A table of scores and its cohort go in, a verdict at each horizon comes out. The gates of a model
rest on its own cohort; where other patients have outcomes, those say more. Of whom it cannot be
told whether they are of the training cohort count as others: the safe side.
Absolute risk that they contradict is hidden, too few of them change nothing. Nothing fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from camlif.arrays import BoolArray
from camlif.config import HORIZONS
from camlif.data.cohort import Cohort
from camlif.model.recognition import Membership
from camlif.model.scoring import OUTLIVED, ScoreResult
from camlif.statistics import GateResult, judge_predictions

MIN_JUDGED = 20
"""Fewer patients tell nothing at any ratio."""
MAX_JUDGED = 2_000
"""Of more patients, so many at random: their verdict is the same, and its bootstrap quick."""


def judge_table(table: pd.DataFrame, cohort: Cohort) -> dict[int, GateResult]:
    """Judge the survival probabilities of patients not known from training by their outcomes.

    Parameters
    ----------
    table : DataFrame
        Of `ScoreResult`, one row per patient of the cohort.
    cohort : Cohort

    Returns
    -------
    mapping of horizon in months to GateResult
        Of horizons at which `MIN_JUDGED` patients, none known from training, have a probability and
        an outcome.
    """
    found: dict[int, GateResult] = {}
    if not cohort.has_outcome:
        return found
    others = _others(table) & cohort.with_outcome
    risk = table["log_risk"].to_numpy("float64")
    for months in HORIZONS:
        survival = table[f"survival_{months}m"].to_numpy("float64")
        rows = np.flatnonzero(others & np.isfinite(survival))
        if len(rows) > MAX_JUDGED:
            rows = np.sort(np.random.default_rng(0).choice(rows, MAX_JUDGED, replace=False))
        if len(rows) >= MIN_JUDGED:
            own = cohort.follow_up(rows)
            (found[months],) = judge_predictions(
                risk[rows],
                survival[rows, None],
                own.event,
                own.duration,
                entry=own.entry,
                horizons=[months],
            )
    return found


def hide_contradicted(
    table: pd.DataFrame, judged: Mapping[int, GateResult], *, empty: float | str = np.nan
) -> pd.DataFrame:
    """Empty what the outcomes contradict, for patients who are not known from training.

    Parameters
    ----------
    table : DataFrame
        Of `ScoreResult`, or the same as text.
    judged : mapping of horizon to GateResult
    empty : float or str
        Stands for no value.
    """
    columns = [f"survival_{h}m" for h in contradicted_horizons(judged)]
    if not columns:
        return table
    others = _others(table)
    hidden = {column: table[column].where(~others, empty) for column in (*columns, OUTLIVED)}
    return table.assign(**hidden)


def contradicted_horizons(judged: Mapping[int, GateResult]) -> list[int]:
    """Horizons in months at which the outcomes contradict the predictions."""
    return [months for months, gate in judged.items() if gate.verdict == "closed"]


def hold_to_outcomes(result: ScoreResult, judged: Mapping[int, GateResult]) -> ScoreResult:
    """Return a result without the absolute risks that outcomes contradict.

    Parameters
    ----------
    result : ScoreResult
    judged : mapping of horizon to GateResult
        By the outcomes of the cohort that the patients are of; see `judge_table`.
    """
    hidden = contradicted_horizons(judged)
    if not hidden:
        return replace(result, judged=judged)
    others = _others(result.table)
    shown = [h for h in HORIZONS if h <= result.times[-1] and h not in hidden]
    beyond = others[:, None] & (result.times > max(shown, default=-1))
    return replace(
        result,
        table=hide_contradicted(result.table, judged),
        judged=judged,
        survival=np.where(beyond, np.nan, result.survival),
        survival_low=np.where(beyond, np.nan, result.survival_low),
        survival_high=np.where(beyond, np.nan, result.survival_high),
    )


def _others(table: pd.DataFrame) -> BoolArray:
    """Patients who are not known to be of the training cohort."""
    others: BoolArray = (table["in_training"] != str(Membership.TRAINING)).to_numpy()
    return others
