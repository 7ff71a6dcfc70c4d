"""Cox models on the columns side by side, with a penalty that inner folds choose.

Training patients go in, a fitted model that gives risks (n,) comes out. Raises `SchemaError` where
there are no clinical inputs to fit, and the errors of `camlif.linear.penalised`, which does the
fitting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from camlif.arrays import Float64Array, IntArray
from camlif.data.preprocessing import CLINICAL
from camlif.exceptions import SchemaError
from camlif.linear.elastic_net import ElasticNetPath, elastic_net_path
from camlif.linear.penalised import ridge_path
from camlif.linear.selection import InnerRisks, cross_validate
from camlif.statistics.outcome import FollowUp
from camlif.study.references.interface import (
    MAX_COLUMNS,
    ClassicalInputs,
    Design,
    Fitted,
    LinearRisk,
)

ALPHAS = tuple(float(10.0**k) for k in range(4, -2, -1))
"""Ridge penalties on scikit-survival's scale, strongest first."""
L1_RATIO = 0.5
ALPHA_MIN_RATIO = 0.01
N_ALPHAS = 50


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """A ridge Cox model and what its inner folds said.

    Attributes
    ----------
    model : Fitted
    out_of_fold : float64, shape (n,)
        Log risk of each training patient by the inner fit, at the chosen penalty, that did not see
        that patient.
    """

    model: Fitted
    out_of_fold: Float64Array


def fit_ridge(
    x: ClassicalInputs,
    followed: FollowUp,
    *,
    seed: int,
    blocks: tuple[str, ...] | None = None,
    max_columns: int | None = MAX_COLUMNS,
) -> RidgeFit:
    """Fit a ridge Cox model on training patients.

    Five inner folds choose the penalty among `ALPHAS` by C-index; columns are chosen and
    standardised again in every one of them. Errors are those of
    `camlif.linear.penalised.linear_cox` and `cross_validate`.

    Parameters
    ----------
    x, followed, blocks, max_columns
        As in `Design.fit`.
    seed : int
        Of the inner folds.

    Notes
    -----
    Penalties are per patient, so that the same one fits the smaller inner parts. Ties are Efron's.
    """
    penalizers = [alpha / len(x) for alpha in ALPHAS]

    def fit_path(rows: IntArray) -> tuple[Design, Float64Array]:
        part, own = x.take(rows), followed.take(rows)
        design = Design.fit(part, own, blocks=blocks, max_columns=max_columns)
        return design, ridge_path(
            design(part), own.event, own.duration, penalizers=penalizers, entry=own.entry
        )

    def held_out_risks(train: IntArray, held_out: IntArray) -> Float64Array:
        design, path = fit_path(train)
        return np.asarray(path @ design(x.take(held_out)).T)

    inner = cross_validate(
        held_out_risks, followed.event, followed.duration, seed=seed, entry=followed.entry
    )
    design, path = fit_path(np.arange(len(x)))
    settings = {
        "alpha": ALPHAS[inner.best],
        "penalizer": penalizers[inner.best],
        **_common(design, inner),
    }
    model = Fitted(design, LinearRisk(path[inner.best]), settings)
    return RidgeFit(model, inner.risks[inner.best])


def _common(design: Design, inner: InnerRisks) -> dict[str, Any]:
    return {"inner_c_index": float(inner.c_index[inner.best]), "n_columns": design.n_columns}


@dataclass(frozen=True, slots=True, kw_only=True)
class RidgeCox:
    """Cox model with an L2 penalty on all columns.

    Attributes
    ----------
    max_columns : int or None
        As for `Design.fit`.
    """

    max_columns: int | None = MAX_COLUMNS

    def fit(self, x: ClassicalInputs, followed: FollowUp, *, seed: int) -> Fitted:
        """Fit on training patients; see `camlif.study.references.interface.ClassicalModel`.

        Parameters
        ----------
        x, followed, seed
            As in `ClassicalModel.fit`.
        """
        return fit_ridge(x, followed, seed=seed, max_columns=self.max_columns).model


@dataclass(frozen=True, slots=True)
class ClinicalCox:
    """Cox model with an L2 penalty on the clinical columns alone."""

    def fit(self, x: ClassicalInputs, followed: FollowUp, *, seed: int) -> Fitted:
        """Fit on training patients; see `camlif.study.references.interface.ClassicalModel`.

        Parameters
        ----------
        x, followed, seed
            As in `ClassicalModel.fit`.

        Raises
        ------
        SchemaError
            If the cohort has no clinical inputs.
        """
        if not x.clinical.shape[1]:
            raise SchemaError(
                "A clinical Cox model needs clinical inputs, and this cohort has none.",
                file="clinical",
                expected="at least one clinical column, such as age or sex",
            )
        return fit_ridge(x, followed, seed=seed, blocks=(CLINICAL,)).model


@dataclass(frozen=True, slots=True)
class ElasticNetCox:
    """Cox model with an elastic-net penalty along a path (Simon et al., J. Stat. Softw. 2011)."""

    def fit(self, x: ClassicalInputs, followed: FollowUp, *, seed: int) -> Fitted:
        """Fit on training patients; see `camlif.study.references.interface.ClassicalModel`.

        Parameters
        ----------
        x, followed, seed
            As in `ClassicalModel.fit`.
        """

        def fit_path(rows: IntArray, alphas: Float64Array | None) -> tuple[Design, ElasticNetPath]:
            part, own = x.take(rows), followed.take(rows)
            design = Design.fit(part, own)
            path = elastic_net_path(
                design(part),
                own.event,
                own.duration,
                l1_ratio=L1_RATIO,
                n_alphas=N_ALPHAS,
                alpha_min_ratio=ALPHA_MIN_RATIO,
                alphas=alphas,
                entry=own.entry,
            )
            return design, path

        design, path = fit_path(np.arange(len(x)), None)

        def held_out_risks(train: IntArray, held_out: IntArray) -> Float64Array:
            inner_design, inner_path = fit_path(train, path.alphas)
            return np.asarray(inner_path.coefficients @ inner_design(x.take(held_out)).T)

        inner = cross_validate(
            held_out_risks, followed.event, followed.duration, seed=seed, entry=followed.entry
        )
        coefficients = path.coefficients[inner.best]
        settings = {
            "alpha": float(path.alphas[inner.best]),
            "l1_ratio": L1_RATIO,
            "n_coefficients": int(np.count_nonzero(coefficients)),
            **_common(design, inner),
        }
        return Fitted(design, LinearRisk(coefficients), settings)


@dataclass(frozen=True, slots=True)
class ConstantRisk:
    """The same risk for everyone, fitted or not: the C-index is exactly 0.5."""

    @property
    def settings(self) -> dict[str, str]:
        """Nothing is chosen."""
        return {}

    def fit(self, x: ClassicalInputs, followed: FollowUp, *, seed: int) -> ConstantRisk:
        """Return itself: a constant depends on no patient.

        Parameters
        ----------
        x, followed, seed
            As in `ClassicalModel.fit`; unused.
        """
        del x, followed, seed
        return self

    def risk(self, x: ClassicalInputs) -> Float64Array:
        """Return zeros, shape (n,)."""
        return np.zeros(len(x))
