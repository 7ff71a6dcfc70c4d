"""Columns that fit training clearly better if they are read otherwise.

In go the values of a cohort and the training quantiles of the same columns; out come, by column,
the words of what explains a difference: another known unit (haemoglobin in mmol/L), codes that
begin at another number, sexes the wrong way round, two columns in each other's place. Nothing
fails.

Notes
-----
The misfit of a column is the largest difference between its share of patients up to a training
quantile and the share in training, as in the one-sample Kolmogorov-Smirnov test; ties and the steps
of the stored quantiles count for nothing. A column is told of where its misfit is larger than
chance makes it and, read otherwise, it hardly has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import Float64Array
from camlif.data.preprocessing import quantiles
from camlif.data.units import conversions
from camlif.model.column_shift import (
    QUARTILE_SD,
    group_slices,
    sample_step,
    share_below,
    share_up_to,
    slack,
)
from camlif.wording import count, verb

AnyFloat = NDArray[np.floating]

SURE = 2.2
"""Misfit times the root of the number of patients; chance reaches it in one column of 8,000."""
USUAL = 1.36
"""The same, which one of 20 columns of the training population reaches."""
SMALL = 0.12
"""Misfit of a column that fits, however many the patients: sites differ."""
MIN_GAIN = 0.35
"""By which a misfit is smaller if the column is read otherwise. Haemoglobin in mmol/L gains 0.85;
that of a sicker cohort fits neither unit."""
MIN_GAIN_OF_CODES = 0.15
"""The same, where a first or last code, or so many others, are ones that training has not."""
MIN_UNSEEN = 0.05
MAX_CODES = 10
"""Values among the training quantiles of a column of codes, which are whole numbers."""
MAX_BETWEEN = 3
"""Quantiles that lie between two codes."""
MIN_PATIENTS = 10
"""Fewer show no set of codes and no column in another's place."""
MAX_ODD = 12
"""Columns with a misfit, up to which two that changed places are looked for."""
MIN_STRAYS, MIN_SHARE_OF_STRAYS, MIN_USUAL_STRAYS = 3, 0.05, 0.9
"""Patients beyond the training range, of whom so many have usual values in another unit."""
MAX_NEAR = 5.0
"""Factor of a unit in which single values are not beyond reach; see `TrainingRange.times_reach`."""
MAX_MIRRORED = -0.5
"""Correlation of the columns' skewness with that in training. It was above -0.3 in parts of 30
patients of all measured groups of the development cohorts, and in 40 pairs of cohorts of two
cancers."""
MIN_USUAL_PROFILE, MAX_OTHER_PROFILE, MIN_SHARE_OTHER = 0.8, 0.2, 0.25
"""Correlation with the training medians that a training patient comes to, at least; that of
patients who have another profile; and their share, which was 3 % at most in the development
cohorts as a whole."""
MIN_PROFILE, MIN_PROFILE_PATIENTS = 50, 20
"""Columns of a group of which the skewness is compared, and patients."""
MIN_STEPS = 15
"""Different training quantiles of a column that is compared: copy numbers have few."""
MIN_VARIED = 0.1
"""SD of the columns' skewness in training."""


def misfit(values: AnyFloat, levels: Float64Array, at: Float64Array) -> Float64Array:
    """Largest difference of the share of patients up to, or below, a training quantile.

    Parameters
    ----------
    values : float, shape (n, f)
        NaN where missing.
    levels : float64, shape (k, f)
        Training quantiles of each column at ``at``.
    at : float64, shape (k,)
        Ascending.

    Returns
    -------
    float64, shape (f,)
        0 for an empty column.
    """
    observed = np.isfinite(values).sum(axis=0)
    largest = np.zeros(values.shape[1])
    for level in levels:
        with np.errstate(invalid="ignore"):
            reached = values <= level + slack(level), values < level - slack(level)
        for inside, bounds in zip(reached, (share_up_to, share_below), strict=True):
            share = inside.sum(axis=0) / np.maximum(observed, 1)
            least, most = bounds(levels, at, level)
            largest = np.maximum(largest, np.abs(share - np.clip(share, least, most)))
    return np.where(observed > 0, largest, 0.0)


def find_better(
    names: Sequence[str], values: AnyFloat, levels: AnyFloat, at: Sequence[float]
) -> dict[int, str]:
    """Return what columns seem to be instead, by position: ``in mmol/L, where training has g/dL``.

    Parameters
    ----------
    names : sequence of str, length f
    values : float, shape (n, f)
        NaN where missing.
    levels : float, shape (k, f)
        Training quantiles of each column at ``at``.
    at : sequence of float, length k
        Ascending.
    """
    x, known = values[:: sample_step(len(values))].astype(np.float64), levels.astype(np.float64)
    steps = np.asarray(at, dtype=np.float64)
    n, own = np.isfinite(x).sum(axis=0), misfit(x, known, steps)
    odd = np.flatnonzero(own * np.sqrt(n) >= SURE)
    likely = np.flatnonzero(own * np.sqrt(n) >= USUAL)
    found = {j: words for j, name in enumerate(names) if (words := _unit(name, j, x, known, steps))}
    for j in likely.tolist():
        if j not in found and (words := _codes(x[:, j], known[:, j], steps, sure=j in odd)):
            found[j] = words
    free = [j for j in odd.tolist() if j not in found and n[j] >= MIN_PATIENTS]
    if len(free) <= MAX_ODD:
        for j, k in combinations(free, 2):
            swapped = misfit(x[:, [k, j]], known[:, [j, k]], steps)
            gain = own[[j, k]] - swapped
            if (gain >= MIN_GAIN).all() and _fits(swapped, n[[k, j]]).all():
                for one, other in ((j, k), (k, j)):
                    found[one] = f"as {names[other]} was in training"
    return found


def _fits(misfits: Float64Array, n: NDArray[np.int_] | int) -> NDArray[np.bool_]:
    return np.asarray(misfits <= np.maximum(SMALL, USUAL / np.sqrt(n)))


def _unit(name: str, j: int, x: Float64Array, levels: Float64Array, at: Float64Array) -> str:
    """Say in which unit a column, or some patients' values of it, seem to be; else ""."""
    units = conversions(name)
    column, known = x[np.isfinite(x[:, j]), j], levels[:, [j]]
    if not units or not len(column):
        return ""
    tried = column[:, None] / [unit.factor for unit in units]
    fit = misfit(tried, np.repeat(known, len(units), axis=1), at)
    own, root = float(misfit(column[:, None], known, at)[0]), np.sqrt(len(column))
    best = int(fit.argmin())
    if own * root >= SURE and own - fit[best] >= MIN_GAIN and _fits(fit, len(column))[best]:
        return f"as {units[best].other} would be, where training has {units[best].unit}"
    low, high = known[[0, -1], 0]
    usual = (tried >= known[1]) & (tried <= known[-2])
    for k, unit in enumerate(units):
        if not 1 / MAX_NEAR <= unit.factor <= MAX_NEAR:
            continue
        strays = (column < low) if unit.factor < 1 else (column > high)
        few = max(MIN_STRAYS, MIN_SHARE_OF_STRAYS * len(column))
        # Of a sicker cohort the others do not fit training either.
        mended = misfit(np.where(strays, tried[:, k], column)[:, None], known, at)
        likely = strays.sum() >= few and usual[strays, k].mean() >= MIN_USUAL_STRAYS
        if likely and _fits(mended, len(column))[0]:
            return (
                f"{strays.sum()} of {count(len(column), 'value')} as {unit.other} would be, "
                f"where training has {unit.unit}"
            )
    return ""


def _codes(column: Float64Array, levels: Float64Array, at: Float64Array, *, sure: bool) -> str:
    """Say that codes begin at another number, or, if sure, have other shares; else ""."""
    own, between = column[np.isfinite(column)], levels % 1 != 0
    codes = np.unique(levels[~between])
    if not 2 < len(codes) <= MAX_CODES or len(own) < MIN_PATIENTS:
        return ""
    if between.sum() > MAX_BETWEEN or (own % 1).any():
        return ""
    before = float(misfit(own[:, None], levels[:, None], at)[0])
    for step in (1.0, -1.0):
        after = misfit(own[:, None] + step, levels[:, None], at)
        beyond = own.min() < codes[0] if step > 0 else own.max() > codes[-1]
        strange = beyond or (~np.isin(own, codes)).mean() >= MIN_UNSEEN
        gain = MIN_GAIN_OF_CODES if strange else MIN_GAIN
        if before - after[0] >= gain and _fits(after, len(own))[0]:
            return (
                f"codes {own.min():g} to {own.max():g}, in training {codes[0]:g} to {codes[-1]:g}"
            )
    if sure and before >= MIN_GAIN:
        return (
            f"codes {own.min():g} to {own.max():g} with other shares than in training "
            f"({codes[0]:g} to {codes[-1]:g})"
        )
    return ""


def is_reversed(flag: AnyFloat, levels: AnyFloat, at: Sequence[float]) -> bool:
    """Whether a flag of a cohort is that of training turned round, as its share tells.

    Parameters
    ----------
    flag : float, shape (n,)
        0 and 1.
    levels : float, shape (k,)
        Training quantiles at ``at``.
    at : sequence of float, length k
        Ascending.
    """
    if len(flag) < MIN_PATIENTS:
        return False
    both = np.stack([flag, 1 - flag], axis=1).astype(np.float64)
    known = np.repeat(np.asarray(levels, dtype=np.float64)[:, None], 2, axis=1)
    own, turned = misfit(both, known, np.asarray(at, dtype=np.float64))
    fits = _fits(turned, len(flag))
    return bool(own * np.sqrt(len(flag)) >= SURE and own - turned >= MIN_GAIN and fits)


def find_mirrored(
    values: AnyFloat,
    levels: AnyFloat,
    at: Sequence[float],
    *,
    groups: Sequence[tuple[str, int]],
) -> str:
    """Say that the columns of a group are skewed to the other side than in training; else "".

    As negated values are, of which median and spread may tell nothing.

    Parameters
    ----------
    values : float, shape (n, f)
        NaN where missing.
    levels : float, shape (k, f)
        Training quantiles of each column at ``at``.
    at : sequence of float, length k
        Ascending.
    groups : sequence of (str, int)
        Names and sizes of the groups of columns, in order.
    """
    x = values[:: sample_step(len(values))]
    if np.isfinite(x).any(axis=1).sum() < MIN_PROFILE_PATIENTS:
        return ""
    ends = [list(at).index(q) for q in (0.1, 0.5, 0.9)]
    measured = (np.diff(levels, axis=0) > 0).sum(axis=0) >= MIN_STEPS
    trained = np.where(measured, _skewness(levels[ends]), np.nan)
    own = _skewness(quantiles(x.astype(np.float32), (0.1, 0.5, 0.9)))
    for name, part in group_slices(groups):
        known, found = trained[part], own[part]
        both = np.isfinite(known) & np.isfinite(found)
        if both.sum() < MIN_PROFILE or known[both].std() < MIN_VARIED or not found[both].std():
            continue
        if np.corrcoef(known[both], found[both])[0, 1] <= MAX_MIRRORED:
            return f"the columns of {name} are skewed to the other side, as if negated"
    return ""


def find_other_profile(
    values: AnyFloat,
    levels: AnyFloat,
    at: Sequence[float],
    *,
    groups: Sequence[tuple[str, int]],
) -> str:
    """Say that the columns of a group are high and low in other patients elsewhere; else "".

    As where a part of the patients was centred, or negated. Only of groups whose columns differ
    more than patients do, so that every patient has about the profile of the training medians.

    Parameters
    ----------
    values, levels, at, groups
        As in `find_mirrored`.
    """
    x = values[:: sample_step(len(values))].astype(np.float64)
    low, median, high = (levels[list(at).index(q)].astype(np.float64) for q in (0.25, 0.5, 0.75))
    for name, part in group_slices(groups):
        known, spread = median[part], (high - low)[part] / QUARTILE_SD
        usual = np.sqrt(known.var() / max(known.var() + (spread**2).mean(), np.finfo(float).tiny))
        if len(known) < MIN_PROFILE or usual < MIN_USUAL_PROFILE:
            continue
        like = _correlations(x[:, part], known)
        other = like < MAX_OTHER_PROFILE
        n = int(np.isfinite(like).sum())
        n_other = int(other.sum())
        if n >= MIN_PROFILE_PATIENTS and n_other >= MIN_SHARE_OTHER * n:
            have = verb(n_other, "has", "have")
            return (
                f"{count(n_other, 'patient')} {have} quite another profile of the columns of "
                f"{name}, as if centred"
            )
    return ""


def _correlations(rows: Float64Array, profile: Float64Array) -> Float64Array:
    """Correlation of each row with a profile over what it has, shape (n,); NaN for half a row."""
    known = np.ma.masked_invalid(rows)
    about = np.ma.masked_where(known.mask, np.broadcast_to(profile, rows.shape))
    a, b = (part - part.mean(axis=1)[:, None] for part in (known, about))
    found = (a * b).sum(axis=1) / np.ma.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    half = known.count(axis=1) < rows.shape[1] / 2
    return np.where(half, np.nan, np.ma.filled(found.astype(np.float64), np.nan))


def _skewness(tails: AnyFloat) -> Float64Array:
    """Skewness of columns by three quantiles, in [-1, 1], shape (f,); NaN without a spread."""
    low, middle, high = tails.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Float64Array = (high + low - 2 * middle) / (high - low)
    return found
