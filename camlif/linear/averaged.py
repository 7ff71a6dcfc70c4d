"""Start of the linear skip: penalised Cox models of one training part, averaged.

Standardised inputs and outcomes of a training part go in; coefficients of one linear log risk come
out. Raises `NoEventsError` and `EstimationError` where nothing can be fitted.

Four models are fitted, their penalties chosen by inner folds; all but the second are elastic nets:

- *columns*: all columns, and the clinical ones;
- *blocks*: a ridge model of each modality and of the clinical columns, every one with a penalty of
  its own, with the weights of at least 0 that fit their out-of-fold risks best (stacking);
- *factors*: the leading principal components of each modality, and the clinical columns;
- *products*: the same with products of the components of two modalities.

A component is linear in the columns, so all three are one log risk of the form that the skip has.
Their weights are `PRIOR` times exp(held-out log partial likelihood / `TEMPERATURE`), normalised:
models that predict about equally well are averaged, one that predicts clearly better stands alone.
Nothing outside the training part is read, and no column has a special role.

Shapes: n patients, p columns of a modality, q clinical columns, k factors, j pairs of modalities.

References
----------
Simon et al., J. Stat. Softw. 2011 (elastic net); Verweij and van Houwelingen, Stat. Med. 1993
(cross-validated partial likelihood); Bair et al., JASA 2006 (supervised principal components);
Breiman, Machine Learning 1996 (stacking under non-negativity).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray

from camlif.arrays import BoolArray, Float64Array, IntArray
from camlif.config import FOLDS
from camlif.data.splits import Splits, make_splits
from camlif.linear.elastic_net import elastic_net_steps, penalty_grid
from camlif.linear.penalised import non_negative_cox, ridge_path
from camlif.losses import cox_partial_likelihood
from camlif.statistics.outcome import FollowUp

L1_RATIO = 0.5
N_ALPHAS = 40
ALPHA_MIN_RATIO = 0.02
INNER_SEED = 0
PATIENCE = 8
"""Penalties past the best so far after which a path ends: the weakest take most of the time."""
TEMPERATURE = 10.0
"""Differences of held-out log likelihood below it are mostly chance with some hundred events."""
PRIOR = (2.0, 2.0, 1.0, 1.0)
"""Weight of each model before the likelihood is seen: two thirds to those without components."""
RIDGE_ALPHAS = np.geomspace(1e4, 1, 13)
"""Penalties of a block's model on the scale of a sum over patients, falling."""
ON_CLINICAL = 0.6
"""Penalty on a clinical column relative to the others: they are few, and chosen by people."""
CONSTANT = 1e-6
"""Standard deviation, or share of the largest singular value, that counts as none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipStart:
    """Parameters of `camlif.networks.linear_skip.LinearSkip`, in its notation.

    Attributes
    ----------
    weights : tuple of float64, shape (p,), by modality
    clinical : float64, shape (q,)
    loadings : tuple of float64, shape (k, p), by modality
    products : float64, shape (j, k, k)
    level : float64, shape (j,)
    shares : float64, shape (models,)
        Weights of the models in the average.
    """

    weights: tuple[Float64Array, ...]
    clinical: Float64Array
    loadings: tuple[Float64Array, ...]
    products: Float64Array
    level: Float64Array
    shares: Float64Array


def fit_skip_start(
    columns: Sequence[Float64Array],
    presence: BoolArray,
    clinical: Float64Array,
    event: BoolArray,
    duration: Float64Array,
    *,
    n_factors: int,
    n_crossed: int,
    entry: Float64Array | None = None,
) -> SkipStart:
    """Fit the start on a training part.

    Parameters
    ----------
    columns : sequence of float64, shape (n, p), by modality
        Standardised; zero where the patient lacks the modality.
    presence : bool, shape (n, m)
    clinical : float64, shape (n, q), q may be 0
    event, duration : shape (n,)
    n_factors : int
        Principal components of a modality, k; 0 fits the columns model alone.
    n_crossed : int
        Leading components whose products are taken, at most k.
    entry : shape (n,), optional
        As of `camlif.statistics.outcome.check_entry`.

    Raises
    ------
    NoEventsError, EstimationError
        If a Cox model cannot be fitted.
    """
    followed = FollowUp(event, duration, entry)
    per_unit = _per_unit(clinical)
    clinical = clinical * per_unit
    loadings = [_loadings(x, presence[:, i], n_factors) for i, x in enumerate(columns)]
    factors = [x @ v.T for x, v in zip(columns, loadings, strict=True)]
    crossed = _cross(factors, presence, n_crossed)
    blocks = {
        "columns": np.concatenate(columns, axis=1),
        "factors": np.concatenate(factors, axis=1),
        "products": crossed.values,
        "clinical": clinical,
    }
    designs: list[dict[str, float]] = []
    if n_factors:
        designs.append({"factors": 1.0, "clinical": ON_CLINICAL})
    if n_factors and n_crossed:
        designs.append({"factors": 1.0, "products": 1.0, "clinical": ON_CLINICAL})
    models = [
        _fit_model(blocks, {"columns": 1.0, "clinical": ON_CLINICAL}, followed),
        _fit_stacked(blocks, columns, presence, followed),
        *(_fit_model(blocks, design, followed) for design in designs),
    ]
    shares = _shares([model.held_out for model in models])
    mean = {
        name: np.sum(
            [s * m.coefficients[name] for s, m in zip(shares, models, strict=True)], axis=0
        )
        for name in blocks
    }
    of_columns = np.split(mean["columns"], np.cumsum([x.shape[1] for x in columns])[:-1])
    of_factors = np.split(mean["factors"], len(columns))
    products, level = crossed.matrices(mean["products"], n_factors)
    return SkipStart(
        weights=tuple(w + f @ v for w, f, v in zip(of_columns, of_factors, loadings, strict=True)),
        clinical=mean["clinical"] * per_unit,
        loadings=tuple(loadings),
        products=products,
        level=level,
        shares=shares,
    )


def _per_unit(x: Float64Array) -> Float64Array:
    """One over each column's standard deviation, 0 for a constant column."""
    deviation = x.std(axis=0)
    return np.where(deviation > CONSTANT, 1 / np.maximum(deviation, CONSTANT), 0.0)


def _loadings(x: Float64Array, present: BoolArray, k: int) -> Float64Array:
    """Map (k, p) to the k leading principal components, each of variance 1; zero past the rank."""
    rows = x[present]
    loadings = np.zeros((k, x.shape[1]))
    if len(rows) < 2:
        return loadings
    _, size, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    rank = min(k, int((size > CONSTANT * max(size[0], CONSTANT)).sum()))
    loadings[:rank] = axes[:rank] * (np.sqrt(len(rows)) / size[:rank, None])
    return loadings


@dataclass(frozen=True, slots=True)
class _Crossed:
    """Standardised products (n, j * c * c), with their means and scales (j, c, c)."""

    values: Float64Array
    mean: Float64Array
    scale: Float64Array

    def matrices(self, coefficients: Float64Array, k: int) -> tuple[Float64Array, Float64Array]:
        """Return B (j, k, k) and the mean level (j,) of coefficients on ``values``."""
        n_pairs, c, _ = self.mean.shape
        products = np.zeros((n_pairs, k, k))
        products[:, :c, :c] = coefficients.reshape(self.mean.shape) * self.scale
        return products, (products[:, :c, :c] * self.mean).sum(axis=(1, 2))


def _cross(factors: Sequence[Float64Array], presence: BoolArray, n_crossed: int) -> _Crossed:
    """Products of the leading factors of every two modalities; 0 where one is absent."""
    values, means, scales = [], [], []
    for a, b in combinations(range(len(factors)), 2):
        both = presence[:, a] & presence[:, b]
        product = factors[a][:, :n_crossed, None] * factors[b][:, None, :n_crossed]
        known = product[both] if both.any() else np.zeros((1, *product.shape[1:]))
        mean, scale = known.mean(axis=0), _per_unit(known)
        values.append(np.where(both[:, None, None], (product - mean) * scale, 0.0))
        means.append(mean)
        scales.append(scale)
    flat = [v.reshape(len(presence), -1) for v in values]
    return _Crossed(np.concatenate(flat, axis=1), np.stack(means), np.stack(scales))


@dataclass(frozen=True, slots=True)
class _Model:
    """Coefficients by block, zero for a block that the model does not read."""

    coefficients: dict[str, Float64Array]
    held_out: float


def _fit_model(
    blocks: dict[str, Float64Array],
    penalties: dict[str, float],
    followed: FollowUp,
) -> _Model:
    """Fit the blocks that have a penalty.

    Columns divided by their penalty get it from a model that treats all alike.
    """
    coefficients = {name: np.zeros(block.shape[1]) for name, block in blocks.items()}
    x = np.concatenate([blocks[name] / penalty for name, penalty in penalties.items()], axis=1)
    beta, held_out = _elastic_net(x, followed)
    parts = np.split(beta, np.cumsum([blocks[name].shape[1] for name in penalties])[:-1])
    for (name, penalty), part in zip(penalties.items(), parts, strict=True):
        coefficients[name] = part / penalty
    return _Model(coefficients, held_out)


def _fit_stacked(
    blocks: dict[str, Float64Array],
    columns: Sequence[Float64Array],
    presence: BoolArray,
    followed: FollowUp,
) -> _Model:
    """Fit a ridge model to each modality and to the clinical columns, and weigh their risks.

    A patient who lacks a modality is not fitted there, and counts as average (log risk 0).
    """
    everyone = np.ones(len(followed), dtype=bool)
    parts = [*columns, blocks["clinical"] - blocks["clinical"].mean(axis=0)]
    present = [*presence.T, everyone]
    fits = [_ridge(x, here, followed) for x, here in zip(parts, present, strict=True)]
    inner = _inner_folds(followed.event)
    by_fold = [
        np.stack([x @ fit.inner[f] for x, fit in zip(parts, fits, strict=True)], axis=1)
        for f in range(FOLDS)
    ]
    out_of_fold = np.zeros((len(followed), len(parts)))
    for f, risks in enumerate(by_fold):
        out_of_fold[inner.test_rows(f)] = risks[inner.test_rows(f)]
    per_unit = _per_unit(out_of_fold)
    weights = per_unit * non_negative_cox(
        out_of_fold * per_unit, followed.event, followed.duration, entry=followed.entry
    )
    held_out = _held_out([risks @ weights[:, None] for risks in by_fold], inner, followed)
    scaled = [w * fit.coefficients for w, fit in zip(weights, fits, strict=True)]
    coefficients = {name: np.zeros(block.shape[1]) for name, block in blocks.items()}
    coefficients |= {"columns": np.concatenate(scaled[:-1]), "clinical": scaled[-1]}
    return _Model(coefficients, held_out.item())


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Coefficients (p,) at the penalty of the best held-out log partial likelihood.

    ``inner`` (folds, p) are those of the inner training parts at the same penalty.
    """

    coefficients: Float64Array
    inner: Float64Array


def _ridge(x: Float64Array, present: BoolArray, followed: FollowUp) -> _Chosen:
    """Fit a ridge Cox model to the patients who have a block."""

    def fit(rows: IntArray) -> Float64Array:
        rows = rows[present[rows]]
        own = followed.take(rows)
        if not own.event.any():
            return np.zeros((len(RIDGE_ALPHAS), x.shape[1]))
        penalizers = list(RIDGE_ALPHAS / len(rows))
        return ridge_path(x[rows], own.event, own.duration, penalizers=penalizers, entry=own.entry)

    inner = _inner_folds(followed.event)
    fits = [fit(inner.train_rows(f)) for f in range(FOLDS)]
    held_out = _held_out([x @ coefficients.T for coefficients in fits], inner, followed)
    best = int(held_out.argmax())
    return _Chosen(fit(np.arange(len(x)))[best], np.array([f[best] for f in fits]))


def _elastic_net(x: Float64Array, followed: FollowUp) -> tuple[Float64Array, float]:
    """Coefficients at the penalty of the best held-out log partial likelihood, and that value."""
    beta = np.zeros(x.shape[1])
    varies = x.std(axis=0) > CONSTANT
    if not varies.any():
        return beta, _log_likelihoods(np.zeros((1, len(x))), followed).item()
    x = x[:, varies] - x[:, varies].mean(axis=0)
    alphas = penalty_grid(
        x,
        followed.event,
        followed.duration,
        l1_ratio=L1_RATIO,
        n_alphas=N_ALPHAS,
        ratio=ALPHA_MIN_RATIO,
        entry=followed.entry,
    )
    inner = _inner_folds(followed.event)
    best, held_out = -1, -np.inf
    for i, fits in enumerate(_step_together(x, alphas, inner, followed)):
        risks = [x @ beta[:, None] for beta in fits]
        value = _held_out(risks, inner, followed).item()
        if value > held_out:
            best, held_out = i, value
        elif i >= best + PATIENCE:
            break
    *_, beta[varies] = _path(x, followed, alphas[: best + 1])
    return beta, held_out


def _path(x: Float64Array, followed: FollowUp, alphas: Float64Array) -> Iterator[Float64Array]:
    return elastic_net_steps(
        x,
        followed.event,
        followed.duration,
        l1_ratio=L1_RATIO,
        alphas=alphas,
        entry=followed.entry,
    )


def _step_together(
    x: Float64Array, alphas: Float64Array, inner: Splits, followed: FollowUp
) -> Iterator[tuple[Float64Array, ...]]:
    """Yield, from the strongest penalty on, the coefficients (p,) of each inner training part."""
    paths = [
        _path(x[rows], followed.take(rows), alphas) for rows in map(inner.train_rows, range(FOLDS))
    ]
    return zip(*paths, strict=True)


def _inner_folds(event: BoolArray) -> Splits:
    names = np.arange(len(event)).astype(str)
    return make_splits(names, event, n_splits=FOLDS, scheme="covering", seed=INNER_SEED)


def _held_out(risks: Sequence[Float64Array], inner: Splits, followed: FollowUp) -> Float64Array:
    """Held-out log partial likelihoods (a,) of log risks (n, a) of each inner fold's models."""
    total = np.zeros(risks[0].shape[1])
    for f, of_all in enumerate(risks):
        rows = inner.train_rows(f)
        total += _log_likelihoods(of_all.T, followed)
        total -= _log_likelihoods(of_all[rows].T, followed.take(rows))
    return total


def _log_likelihoods(risks: Float64Array, followed: FollowUp) -> Float64Array:
    """Log partial likelihoods (a,) of log risks (a, n)."""
    loss = cox_partial_likelihood(
        torch.as_tensor(risks),
        torch.as_tensor(followed.event),
        torch.as_tensor(followed.duration),
        entry=None if followed.entry is None else torch.as_tensor(followed.entry),
        reduction="sum",
    )
    return np.asarray(-loss.numpy())


def _shares(held_out: Sequence[float]) -> NDArray[np.float64]:
    relative = np.exp((np.array(held_out) - max(held_out)) / TEMPERATURE) * PRIOR[: len(held_out)]
    return np.asarray(relative / relative.sum())
