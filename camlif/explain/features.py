"""Level 2: contributions of features and feature groups to the ensemble's log risk.

A bundle and patients go in; contributions by feature or group come out, with the gap by which they
miss the log risk. Raises `ConfigError` for an unknown method, level or baseline, `EstimationError`
where no patient is scored. `camlif.explain.methods` names the source of each method.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import BoolArray, Float64Array
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import CLINICAL, clinical_names
from camlif.data.schema import FeatureSchema
from camlif.exceptions import ConfigError
from camlif.explain.background import MEDIAN, BaselineChoice
from camlif.explain.explained import Batch, Explained, by_column, by_part, prepare
from camlif.explain.integration import STEPS, integrated_gradients
from camlif.explain.methods import IG, METHODS, Method, fixed_seed, make_masks
from camlif.explain.results import (
    FeatureAttribution,
    Level,
    PlayerContributions,
)

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle


_Spread = tuple[list[Float64Array], int]
"""Contributions (n, f) by player, and the points or samples that they took."""


def explain_features(
    bundle: Bundle,
    cohort: Cohort,
    rows: Sequence[int] | NDArray[np.int_],
    *,
    method: str = IG,
    level: Level | None = None,
    baseline: BaselineChoice = MEDIAN,
    missing: tuple[str, ...] = (),
    steps: int = STEPS,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> FeatureAttribution:
    """Spread the ensemble's log risk of patients over their raw values.

    Only members that did not see the patient count. Missing values and absent modalities get 0; the
    indicator that a clinical value is missing may have a contribution of its own. A bag's columns
    are summed over its instances.

    Parameters
    ----------
    bundle : Bundle
    cohort : Cohort
    rows : sequence of int, shape (n,)
        Patients of the cohort. One that is not scored has NaN, and its reason in ``reasons``.
    method : str
        A key of `METHODS`.
    level : {"feature", "group"}, optional
        What perturbation methods move; by default what the method usually does.
    baseline : "median", "mean", "cohort_median" or sequence of int
        Training median or mean of each column, its median in the cohort; or rows of the cohort,
        whose mean is taken (GradientShap draws from up to `MAX_BACKGROUND` of them and has their
        mean risk as base value).
    missing : tuple of str
        Modalities to treat as missing whatever columns are there.
    steps : int
        Intervals at which Integrated Gradients begin; they are cut until contributions add up (see
        `camlif.explain.integration`).
    seed : int
        Of the methods that sample.
    progress : callable, optional
        Called with (patients done, patients).

    Raises
    ------
    ConfigError
        With an empty selection, or an unknown method, level or baseline.
    EstimationError
        If none of the patients is scored.
    """
    explained = prepare(bundle, cohort, rows, baseline=baseline, missing=missing, seed=seed)
    return attribute(
        explained, method=method, level=level, steps=steps, seed=seed, progress=progress
    )


def attribute(
    explained: Explained,
    *,
    method: str = IG,
    level: Level | None = None,
    steps: int = STEPS,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> FeatureAttribution:
    """Spread the log risk of prepared patients over their raw values; see `explain_features`.

    Parameters
    ----------
    explained : Explained
        Patients as `prepare` returns them, with their baseline.
    method, level, steps, seed, progress
        As in `explain_features`, and so the errors.
    """
    start = time.perf_counter()
    chosen = _method(method, steps)
    level = level or chosen.levels[0]
    if level not in chosen.levels:
        raise ConfigError(f"{chosen.label} does not work at the level {level!r}.")
    columns, groups = columns_of(explained.schema, explained.players)
    labels = tuple(tuple(dict.fromkeys(g)) for g in groups) if level == "group" else columns
    found = _Found.empty(len(explained), [len(names) for names in labels], chosen.steps)
    for batch in explained.batches:
        found.begin(batch, at_mean=not chosen.draws_background)
    explain = partial(_explain_part, chosen, groups, level)
    for part, (values, steps) in _each_part(explain, chosen, explained.batches, seed):
        found.fill(part, values, inert_units(part, groups, level))
        found.steps = max(found.steps, steps)
        if progress is not None:
            progress(found.n_done, explained.n_scored)
    return FeatureAttribution(
        method=method,
        baseline=explained.baseline,
        level=level,
        steps=found.steps,
        players=explained.players,
        contributions=_contributions(explained, labels, groups, found.values, level),
        base_value=found.base_value,
        log_risk=found.log_risk,
        reasons=explained.reasons,
        seconds=time.perf_counter() - start,
        seed=seed,
    )


def _each_part(
    explain: Callable[[Batch], _Spread], method: Method, batches: Sequence[Batch], seed: int
) -> Iterator[tuple[Batch, _Spread]]:
    """Explain a few patients at a time, on several threads if the method allows it."""
    if not method.takes_turns:
        yield from by_part(explain, batches, method.points)
        return
    for batch in batches:
        with fixed_seed(seed, batch.risk.ensemble.device):
            for part in batch.split(method.points):
                yield part, explain(part)


def _explain_part(
    method: Method, groups: tuple[tuple[str, ...], ...], level: Level, part: Batch
) -> _Spread:
    """Explain some patients of one set of members."""
    if method.run is integrated_gradients:
        return integrated_gradients(part, method.steps)
    return by_column(method.run(part, make_masks(groups, part, level))), method.steps


@dataclass(slots=True)
class _Found:
    """Results as they come in; NaN where no patient was explained."""

    values: list[Float64Array]
    base_value: Float64Array
    log_risk: Float64Array
    steps: int
    n_done: int = 0

    @classmethod
    def empty(cls, n: int, widths: list[int], steps: int) -> _Found:
        return cls(
            [np.full((n, width), np.nan) for width in widths],
            np.full(n, np.nan),
            np.full(n, np.nan),
            steps,
        )

    def begin(self, batch: Batch, *, at_mean: bool) -> None:
        """Note the risks that contributions lead from and to."""
        self.log_risk[batch.positions] = batch.log_risk()
        self.base_value[batch.positions] = (
            batch.base_value() if at_mean else batch.mean_background_risk()
        )

    def fill(self, part: Batch, values: list[Float64Array], inert: list[BoolArray]) -> None:
        """Keep what was found of some patients."""
        for target, source, zero in zip(self.values, values, inert, strict=True):
            # Exactly 0, not the rounding of two equal risks in different places of a batch.
            target[part.positions] = np.where(zero, 0.0, source)
        self.n_done += len(part)


def _method(key: str, steps: int) -> Method:
    if key not in METHODS:
        raise ConfigError(f"Unknown method {key!r}. Choose one of {', '.join(METHODS)}.")
    if steps < 1:
        raise ConfigError("steps must be at least 1.")
    method = METHODS[key]
    return replace(method, steps=steps, points=steps + 1) if key == IG else method


def inert_units(part: Batch, groups: tuple[tuple[str, ...], ...], level: Level) -> list[BoolArray]:
    """Columns, or groups, all of whose values cannot move the risk, (n, f) by player.

    Parameters
    ----------
    part : Batch
        n patients.
    groups : tuple of tuple of str
        The feature group of each column, by player.
    level : {"feature", "group"}
    """
    columns = [(x if x.ndim == 2 else x.all(dim=1)).cpu().numpy() for x in part.inert]
    if level == "feature":
        return columns
    return [
        np.stack([x[:, [g == name for g in of]].all(axis=1) for name in dict.fromkeys(of)], axis=1)
        for x, of in zip(columns, groups, strict=True)
    ]


def columns_of(
    schema: FeatureSchema, players: tuple[str, ...]
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """Column names and the group of each, by player."""
    columns, groups = [], []
    for player in players:
        if player == CLINICAL:
            columns.append(tuple(clinical_names(schema)))
            groups.append(
                tuple(c.name for c in schema.clinical for _ in range(_n_encoded(c.levels)))
            )
        else:
            modality = schema[player]
            columns.append(modality.columns)
            groups.append(tuple(g.name for g in modality.groups for _ in g.columns))
    return tuple(columns), tuple(groups)


def _n_encoded(levels: tuple[str, ...]) -> int:
    """Encoded columns of a clinical one: a number or its levels, and the missing indicator."""
    return max(len(levels), 1) + 1


def _contributions(
    explained: Explained,
    labels: tuple[tuple[str, ...], ...],
    groups: tuple[tuple[str, ...], ...],
    values: list[Float64Array],
    level: Level,
) -> tuple[PlayerContributions, ...]:
    raw = [explained.raw.rows(player) for player in explained.players]
    return tuple(
        PlayerContributions(
            columns=names,
            groups=names if level == "group" else group,
            values=v,
            raw=np.full(v.shape, np.nan) if level == "group" else x.astype(np.float64),
        )
        for names, group, v, x in zip(labels, groups, values, raw, strict=True)
    )
