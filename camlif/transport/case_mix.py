"""Who the new patients are, beside those of training: every input, and telling the two apart.

A bundle and new patients go in. What a bundle keeps of training are quantiles of each input, so
each input is compared by them; a model that tells the two cohorts apart needs the training rows,
which no bundle holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import Float32Array
from camlif.data.preprocessing import CLINICAL, MISSING_SUFFIX, RawInputs, clinical_names
from camlif.data.schema import FeatureSchema
from camlif.exceptions import EstimationError
from camlif.model.training_range import LEVELS, TrainingRange

FOLDS = 5
MIN_PER_COHORT = 30
"""Patients of either cohort below which they are not told apart."""
QUARTILES = (0.25, 0.5, 0.75)
NORMAL_IQR = 1.349
"""Of a normal distribution with SD 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputShift:
    """One input of the model, among training patients and new ones.

    Attributes
    ----------
    modality, name : str
    training, new : tuple of float
        Quartiles; of new patients NaN where none has the input.
    n_known : int
        New patients who have it.
    missing : float
        Share of the new patients who have the modality but not this value, in [0, 1].
    shift : float
        Difference of the medians in robust SDs of training; NaN where training has none.
    distance : float
        Largest difference of the shares of patients at or below a stored training quantile, in
        [0, 1]: a Kolmogorov-Smirnov distance at `LEVELS`.
    """

    modality: str
    name: str
    training: tuple[float, float, float]
    new: tuple[float, float, float]
    n_known: int
    missing: float
    shift: float
    distance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """How well new and training patients are told apart by the model's inputs.

    Attributes
    ----------
    auc, low, high : float
        Of a ridge logistic regression, cross-fitted, with its 95 % interval (Hanley and McNeil
        1982): 0.5 where they cannot be told apart, 1 where they can.
    n_training, n_new : int
    """

    auc: float
    low: float
    high: float
    n_training: int
    n_new: int


def input_shifts(
    raw: RawInputs, known: TrainingRange, schema: FeatureSchema
) -> tuple[InputShift, ...]:
    """Compare each input of new patients with the stored quantiles of training.

    Parameters
    ----------
    raw : RawInputs
        New patients in the model's columns.
    known : TrainingRange
    schema : FeatureSchema
        Of the model.

    Returns
    -------
    tuple of InputShift
        The most distant first. Inputs of modalities that no new patient has are left out.
    """
    found = [
        _shift(modality, name, values[:, column], levels[:, column])
        for modality, names, values in _inputs(raw, schema)
        for levels in [known.levels[modality].astype(np.float64)]
        for column, name in enumerate(names)
        if not name.endswith(MISSING_SUFFIX)
    ]
    return tuple(sorted(found, key=lambda s: (-np.nan_to_num(s.distance), s.modality, s.name)))


def _inputs(raw: RawInputs, schema: FeatureSchema) -> Iterator[tuple[str, list[str], Float32Array]]:
    """Modality, names and values of the new patients who have it."""
    for i, modality in enumerate(schema.modalities):
        have = raw.presence[:, i]
        if have.any():
            yield modality.name, list(modality.columns), raw.rows(modality.name)[have]
    if schema.clinical:
        yield CLINICAL, clinical_names(schema), raw.rows(CLINICAL)


def _shift(
    modality: str, name: str, values: Float32Array, levels: NDArray[np.float64]
) -> InputShift:
    there = values[np.isfinite(values)].astype(np.float64)
    stored = dict(zip(LEVELS, levels, strict=True))
    training = tuple(float(stored[q]) for q in QUARTILES)
    spread = (training[2] - training[0]) / NORMAL_IQR
    new = np.quantile(there, QUARTILES) if len(there) else np.full(3, np.nan)
    return InputShift(
        modality=modality,
        name=name,
        training=(training[0], training[1], training[2]),
        new=(float(new[0]), float(new[1]), float(new[2])),
        n_known=len(there),
        missing=1 - len(there) / len(values) if len(values) else 0.0,
        shift=float((new[1] - training[1]) / spread) if spread > 0 else float("nan"),
        distance=_distance(there, levels),
    )


def _distance(values: NDArray[np.float64], levels: NDArray[np.float64]) -> float:
    """Largest gap between the shares of training and new patients at or below a training quantile.

    Of equal quantiles, as codes have them, the highest share is that of the value itself.
    """
    if not len(values):
        return float("nan")
    edges = levels.astype(np.float32).astype(np.float64)
    at_most = np.searchsorted(np.sort(values), edges, side="right") / len(values)
    below = np.searchsorted(np.sort(values), edges, side="left") / len(values)
    shares = np.asarray(LEVELS)
    # The true share at a quantile of tied values lies anywhere in the tie.
    gap = np.maximum(below - shares, shares - at_most)
    return float(max(gap.max(), 0.0))


def tell_apart(new: RawInputs, training: RawInputs, *, seed: int = 0) -> Membership:
    """Tell new patients from those of training by all inputs of the model.

    Parameters
    ----------
    new, training : RawInputs
        In the model's columns.
    seed : int
        Of the folds.

    Raises
    ------
    EstimationError
        With fewer than `MIN_PER_COHORT` patients of either.
    """
    if min(len(new), len(training)) < MIN_PER_COHORT:
        raise EstimationError(f"{MIN_PER_COHORT} patients of either cohort are needed.")
    # They take longer to import than all else here, and are asked for seldom.
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    values = np.concatenate([_matrix(new), _matrix(training)])
    values = values[:, np.isfinite(values).any(axis=0)]
    is_new = np.arange(len(values)) < len(new)
    # Ridge as strong as the columns are many: few patients are told apart by chance otherwise.
    model = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=1 / max(values.shape[1], 1), max_iter=1000),
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    score = cross_val_predict(model, values, is_new, cv=folds, method="decision_function")
    auc = float(roc_auc_score(is_new, score))
    half = 1.96 * _auc_error(auc, len(new), len(training))
    return Membership(
        auc=auc,
        low=max(0.0, auc - half),
        high=min(1.0, auc + half),
        n_training=len(training),
        n_new=len(new),
    )


def _matrix(raw: RawInputs) -> NDArray[np.float64]:
    """All inputs of some patients, and which modalities they have, shape (n, p)."""
    parts = [raw.rows(name) for name in raw.tables] + [raw.clinical, raw.presence]
    found = np.concatenate([np.asarray(part, dtype=np.float64) for part in parts], axis=1)
    return np.where(np.isfinite(found), found, np.nan)


def _auc_error(auc: float, n_cases: int, n_controls: int) -> float:
    """Standard error of an AUC (Hanley and McNeil, Radiology 1982)."""
    pairs = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (
        auc * (1 - auc)
        + (n_cases - 1) * (pairs[0] - auc**2)
        + (n_controls - 1) * (pairs[1] - auc**2)
    ) / (n_cases * n_controls)
    return float(np.sqrt(max(variance, 0.0)))
