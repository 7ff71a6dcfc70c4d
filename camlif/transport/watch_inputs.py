"""Inputs of each month beside those of training: stability of columns, flagged and missing shares.

Encoded patients with their scores and months go in; measures come out, each with its evidence by
month that it has changed. A bundle keeps quantiles of its training patients, not their rows: these
are the bins. Nothing fails; what a bundle does not keep is not measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import logsumexp

from camlif.arrays import BoolArray, Float64Array, IntArray
from camlif.data.preprocessing import CLINICAL, RawInputs, clinical_names
from camlif.model.bundle import Bundle
from camlif.model.column_shift import slack
from camlif.model.scoring import combine
from camlif.model.training_range import DISTANCE_PERCENTS, LEVELS
from camlif.transport.watch_evidence import (
    BINS,
    EMPTY,
    above_evidence,
    bin_counts,
    population_stability,
    shares_evidence,
    stability_by_chance,
    windows,
)
from camlif.wording import listed

INNER = tuple(round(i / BINS, 2) for i in range(1, BINS))
"""Quantiles between the bins, all of them stored."""
MAX_FLAGGED = 0.05
"""Share flagged that is no alarm. Of training patients 1 in 100 is flagged by each modality."""
WORST = 3
"""Columns that are named."""

Kind = Literal["values", "distance", "risk", "flagged", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One thing that is watched, by month.

    Attributes
    ----------
    kind : {"values", "distance", "risk", "flagged", "missing"}
    of : str
        Modality or clinical input; empty where it is of all.
    evidence : tuple of float64, each shape (month + 1,)
        Log evidence for a change that began in each month until then.
    value : float64, shape (t,)
        Of each month: the mean stability index of its columns, or a share; NaN where nobody is.
    usual : float64, shape (t,)
        The same without any change: by chance, or in training; NaN where that is not known.
    worst : function of (first, last month) to str
        Says which columns, or by how much, over some months.
    """

    kind: Kind
    of: str
    evidence: tuple[Float64Array, ...]
    value: Float64Array
    usual: Float64Array
    worst: Callable[[int, int], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedInputs:
    """What the inputs of n patients are, and the month of each.

    Attributes
    ----------
    raw : RawInputs
    log_risk : float64, shape (n,)
        Of as many members as a training patient's held-out risk; NaN where there is none.
    flagged : bool, shape (n,)
        Unlike the training data by the model's own rules.
    month : int, shape (n,)
    n_months : int
    """

    raw: RawInputs
    log_risk: Float64Array
    flagged: BoolArray
    month: IntArray
    n_months: int

    def sums(self, values: Float64Array | BoolArray) -> Float64Array:
        """Sum values of patients by month, shape (t, ...)."""
        return np.stack(
            [values[self.month == t].sum(axis=0, dtype=np.float64) for t in range(self.n_months)]
        )


def comparable_risk(member_log_risk: Float64Array, seen: BoolArray) -> Float64Array:
    """Average, of each patient, as many members as did not see a training patient, shape (n,).

    A mean of all members is less spread than held-out risks, which would look like drift.

    Parameters
    ----------
    member_log_risk : float64, shape (n, e)
    seen : bool, shape (n_training, e)
    """
    tested = seen[~seen.all(axis=1)]
    rows = np.arange(len(member_log_risk)) % len(tested)
    return combine(member_log_risk, tested[rows]).log_risk


def watch_inputs(bundle: Bundle, watched: WatchedInputs) -> Iterator[Measure]:
    """Yield every measure of the inputs.

    Of a bag of instances only the distance, of a table the columns that a member reads.

    Parameters
    ----------
    bundle : Bundle
    watched : WatchedInputs
    """
    known, schema, card = bundle.reference.training_range, bundle.schema, bundle.card
    for i, modality in enumerate(schema.modalities):
        name, n_training = modality.name, card.modalities[i].n_patients
        rows = watched.raw.rows(name).astype(np.float64)
        read = np.flatnonzero(bundle.ensemble.columns[name]["keep"].cpu().numpy().any(axis=0))
        if not modality.bag and len(read):
            edges = known.levels[name].astype(np.float64)[[LEVELS.index(q) for q in INNER]]
            columns = [modality.columns[j] for j in read]
            yield _columns(watched, name, columns, rows[:, read], edges[:, read], n_training)
        distances = known.distances.get(name)
        if distances is not None:
            own = known.distance(name, watched.raw.rows(name))
            at = [DISTANCE_PERCENTS.index(round(100 * q)) for q in INNER]
            yield _number(watched, "distance", name, own, distances[at], n_training)
        lacking = ~watched.raw.presence[:, i]
        share = 1 - n_training / card.data.n_patients
        yield _missing(watched, name, lacking, share, card.data.n_patients)
    yield from _clinical(bundle, watched)
    z = bundle.reference.z(watched.log_risk)
    stored = bundle.reference.sorted_z
    yield _number(watched, "risk", "", z, np.quantile(stored, INNER), len(stored))
    yield _flagged(watched)


def _clinical(bundle: Bundle, watched: WatchedInputs) -> Iterator[Measure]:
    """Yield the measures of each clinical input: its values, and how often it is missing."""
    if not bundle.schema.clinical:
        return
    names, n_training = clinical_names(bundle.schema), bundle.card.data.n_patients
    values = watched.raw.clinical.astype(np.float64)
    levels = bundle.reference.training_range.levels[CLINICAL].astype(np.float64)
    # Indicators are not scaled: members' means are shares of their training patients.
    means = bundle.ensemble.columns[CLINICAL]["mean"].double().mean(dim=0).cpu().numpy()
    at = 0
    for column in bundle.schema.clinical:
        width = 1 if column.kind == "numeric" else len(column.levels)
        own, gone = slice(at, at + width), at + width
        lacking = values[:, gone] > 0
        n_known = max(n_training * (1 - float(means[gone])), 1.0)
        if column.kind == "numeric":
            edges = levels[[LEVELS.index(q) for q in INNER], at]
            yield _number(watched, "values", column.name, values[:, at], edges, n_known)
        else:
            of_known = np.where(lacking[:, None], 0.0, values[:, own])
            yield _levels(watched, column.name, names[own], of_known, means[own], n_known)
        yield _missing(watched, column.name, lacking, float(means[gone]), n_training)
        at = gone + 1


def _binned(
    watched: WatchedInputs, values: Float64Array, edges: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Patients below and at most at each edge, (t, f, k - 1), and with a value, (t, f)."""
    known, off = np.isfinite(values), slack(edges.T)
    with np.errstate(invalid="ignore"):
        below = watched.sums((values[:, :, None] < edges.T - off) & known[:, :, None])
        up_to = watched.sums((values[:, :, None] <= edges.T + off) & known[:, :, None])
    return below, up_to, watched.sums(known)


def _columns(
    watched: WatchedInputs,
    name: str,
    columns: Sequence[str],
    values: Float64Array,
    edges: Float64Array,
    n_training: float,
    *,
    kind: Kind = "values",
) -> Measure:
    """Measure columns of numbers; edges, shape (k - 1, f), are their training quantiles."""
    binned = _binned(watched, values, edges)
    shares = np.full(BINS, 1 / BINS)
    evidence = []
    for below, up_to, n in zip(*(windows(part) for part in binned), strict=True):
        of_columns = shares_evidence(bin_counts(below, up_to, n), shares, np.array(n_training))
        evidence.append(logsumexp(of_columns, axis=1) - np.log(values.shape[1]))
    index = population_stability(bin_counts(*binned), shares)
    n = binned[2].max(axis=1, initial=0)

    def worst(first: int, last: int) -> str:
        months = slice(first, last + 1)
        pooled = population_stability(bin_counts(*(p[months].sum(axis=0) for p in binned)), shares)
        order = np.argsort(-np.nan_to_num(pooled))[: WORST if len(columns) > 1 else 1]
        words = [f"{columns[j]} {pooled[j]:.2f}" if len(columns) > 1 else "" for j in order]
        if len(columns) == 1:
            return f"stability index {pooled[0]:.2f}"
        return f"stability index {listed(words)}"

    known = np.isfinite(index)
    mean = np.where(known, index, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return Measure(
        kind=kind,
        of=name,
        evidence=tuple(evidence),
        value=np.where(known.any(axis=1), mean, np.nan),
        usual=np.array([stability_by_chance(k, n_training) for k in n]),
        worst=worst,
    )


def _number(
    watched: WatchedInputs,
    kind: Kind,
    name: str,
    values: Float64Array,
    edges: Float64Array,
    n_training: float,
) -> Measure:
    """Measure one column of numbers."""
    return _columns(watched, name, (name,), values[:, None], edges[:, None], n_training, kind=kind)


def _levels(
    watched: WatchedInputs,
    name: str,
    levels: Sequence[str],
    values: Float64Array,
    means: Float64Array,
    n_training: float,
) -> Measure:
    """Measure a category by the share of each of its levels among those in whom it is known."""
    counts = watched.sums(values)
    shares = (means * n_training + EMPTY) / (means.sum() * n_training + EMPTY * len(means))
    evidence = tuple(
        shares_evidence(window, shares, np.array(n_training)) for window in windows(counts)
    )

    def worst(first: int, last: int) -> str:
        own = counts[first : last + 1].sum(axis=0)
        own /= max(own.sum(), 1.0)
        j = int(np.abs(own - shares).argmax())
        return f"{levels[j]} {100 * own[j]:.0f} of 100, in training {100 * shares[j]:.0f}"

    n = counts.sum(axis=1)
    return Measure(
        kind="values",
        of=name,
        evidence=evidence,
        value=population_stability(counts, shares),
        usual=np.array([stability_by_chance(k, n_training) for k in n]) * (len(shares) - 1) / 4,
        worst=worst,
    )


def _missing(
    watched: WatchedInputs, name: str, lacking: BoolArray, share: float, n_training: float
) -> Measure:
    """Measure how many lack something."""
    counts = watched.sums(np.stack([lacking, ~lacking], axis=1))
    shares = (np.array([share, 1 - share]) * n_training + EMPTY) / (n_training + 2 * EMPTY)
    evidence = (shares_evidence(w, shares, np.array(n_training)) for w in windows(counts))
    return Measure(
        kind="missing",
        of=name,
        evidence=tuple(evidence),
        value=_share(counts[:, 0], counts.sum(axis=1)),
        usual=np.full(watched.n_months, share),
        worst=lambda a, b: _share_words(counts[a : b + 1], f"in training {100 * share:.0f}"),
    )


def _flagged(watched: WatchedInputs) -> Measure:
    """Measure how many are unlike the training data."""
    counts = watched.sums(np.stack([watched.flagged, ~watched.flagged], axis=1))
    evidence = (above_evidence(w[:, 0], w.sum(axis=1), MAX_FLAGGED) for w in windows(counts))
    return Measure(
        kind="flagged",
        of="",
        evidence=tuple(evidence),
        value=_share(counts[:, 0], counts.sum(axis=1)),
        usual=np.full(watched.n_months, MAX_FLAGGED),
        worst=lambda a, b: _share_words(
            counts[a : b + 1], f"up to {100 * MAX_FLAGGED:.0f} are expected"
        ),
    )


def _share(hits: Float64Array, n: Float64Array) -> Float64Array:
    return np.where(n > 0, hits / np.maximum(n, 1), np.nan)


def _share_words(counts: Float64Array, usual: str) -> str:
    hits, n = counts[:, 0].sum(), counts.sum()
    return f"{hits:.0f} of {n:.0f} patients, {100 * hits / max(n, 1):.0f} of 100; {usual}"
