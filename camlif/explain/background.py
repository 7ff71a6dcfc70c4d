"""What a patient is compared with: reference values of every input.

The name of a baseline, or patients, go in; finite values of every input come out. Raises
`ConfigError` for an unknown baseline or one without a patient. Shapes: n patients, b background
rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import BoolArray, Float32Array
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import CLINICAL, RawInputs, clinical_names, quantiles
from camlif.exceptions import ConfigError
from camlif.model.training_range import LEVELS, TrainingRange
from camlif.training.ensemble import Ensemble
from camlif.wording import count

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle

MEDIAN: Final = "median"
NamedBaseline = Literal["median", "mean", "cohort_median"]
BaselineChoice = NamedBaseline | Sequence[int] | NDArray[np.int_]
"""``"median"``, ``"mean"``: of each column in training; ``"cohort_median"``: in the cohort at hand.
Otherwise rows of the cohort (those of the same subtype, ...): their mean; GradientShap takes the
patients themselves."""

MAX_BACKGROUND = 64
"""Reference patients that GradientShap draws from; more only make the base value slower."""


def players_of(ensemble: Ensemble) -> tuple[str, ...]:
    """Modalities, and clinical where the network reads it."""
    names = ensemble.schema.names
    return (*names, CLINICAL) if ensemble.network.n_clinical else names


def values_of(raw: RawInputs, players: tuple[str, ...]) -> tuple[Float32Array, ...]:
    """Raw matrices in player order."""
    return tuple(raw.clinical if p == CLINICAL else raw.tables[p] for p in players)


@dataclass(frozen=True, slots=True)
class Background:
    """Reference values that stand for "nothing known", finite.

    Attributes
    ----------
    name : str
    mean : tuple of float32, shape (1, n_features) by player
        What a value is compared with; for a bag, every instance is.
    rows : tuple of float32, shape (b, n_features) by player
        The patients behind the mean, at most `MAX_BACKGROUND`.
    """

    name: str
    mean: tuple[Float32Array, ...]
    rows: tuple[Float32Array, ...]

    @classmethod
    def from_median(cls, ensemble: Ensemble, training_range: TrainingRange) -> Background:
        """Training median of every column.

        A 0/1 clinical column takes the value of most patients, so a category in which no level has
        a majority has no level at the baseline.
        """
        middle = LEVELS.index(0.5)
        rows: list[Float32Array] = []
        for player in players_of(ensemble):
            if player == CLINICAL:
                rows.append(_clinical_median(ensemble)[None])
            else:
                rows.append(training_range.levels[player][middle][None])
        return cls(MEDIAN, tuple(rows), tuple(rows))

    @classmethod
    def from_mean(cls, ensemble: Ensemble) -> Background:
        """Training mean of every column, as the members standardise with, averaged over them."""
        rows = tuple(
            ensemble.columns[player]["mean"].cpu().numpy().mean(axis=0, keepdims=True, dtype="f8")
            for player in players_of(ensemble)
        )
        centre = tuple(x.astype(np.float32) for x in rows)
        return cls("mean", centre, centre)

    @classmethod
    def from_cohort_median(
        cls, raw: RawInputs, ensemble: Ensemble, median: Background
    ) -> Background:
        """Median of every column over patients; a column that none has takes the training median.

        A 0/1 clinical column takes the value of most patients.

        Parameters
        ----------
        raw : RawInputs
            The cohort, not standardised; NaN is missing.
        ensemble : Ensemble
            Says which players there are, and which clinical columns are 0/1.
        median : Background
            Training medians.
        """
        rows: list[Float32Array] = []
        players = players_of(ensemble)
        for player, centre in zip(players, median.mean, strict=True):
            values = raw.rows(player)
            own = quantiles(values, (0.5,))
            if player == CLINICAL:
                own = np.where(_flags(ensemble), np.round(own), own).astype(np.float32)
            rows.append(np.where(np.isfinite(values).any(axis=0), own, centre))
        return cls(f"median of {count(len(raw), 'patient')}", tuple(rows), tuple(rows))

    @classmethod
    def from_patients(
        cls, raw: RawInputs, players: tuple[str, ...], median: Background, *, seed: int
    ) -> Background:
        """Patients as reference; gaps take the training median.

        Parameters
        ----------
        raw : RawInputs
            The patients, not standardised; NaN is missing.
        players : tuple of str
            Modalities, and clinical where the model reads it.
        median : Background
            Training medians.
        seed : int
            Of the choice among more than `MAX_BACKGROUND` patients.

        Raises
        ------
        ConfigError
            If there is no patient.
        """
        if not len(raw):
            raise ConfigError("The baseline needs at least one patient.")
        rows = tuple(
            np.where(np.isfinite(x), x, centre)
            for x, centre in zip(map(raw.rows, players), median.mean, strict=True)
        )
        mean = tuple(x.mean(axis=0, keepdims=True, dtype="f8").astype("f4") for x in rows)
        if len(raw) > MAX_BACKGROUND:
            rng = np.random.default_rng(seed)
            drawn = np.sort(rng.choice(len(raw), MAX_BACKGROUND, replace=False))
            rows = tuple(x[drawn] for x in rows)
        return cls(f"mean of {count(len(raw), 'patient')}", mean, rows)


def find_background(
    bundle: Bundle, cohort: Cohort, baseline: BaselineChoice, *, missing: tuple[str, ...], seed: int
) -> Background:
    """Look a baseline up.

    Parameters
    ----------
    bundle, cohort, baseline, missing, seed
        As in `camlif.explain.features.explain_features`.

    Raises
    ------
    ConfigError
        If it is unknown, or has no patient.
    """
    ensemble = bundle.ensemble
    median = Background.from_median(ensemble, bundle.reference.training_range)
    if not isinstance(baseline, str):
        rows = np.asarray(baseline, dtype=int)
        raw = ensemble.clip(bundle.prepare(cohort.take(rows), missing=missing))
        return Background.from_patients(raw, players_of(ensemble), median, seed=seed)
    if baseline == "mean":
        return Background.from_mean(ensemble)
    if baseline == "cohort_median":
        raw = ensemble.clip(bundle.prepare(cohort, missing=missing))
        return Background.from_cohort_median(raw, ensemble, median)
    if baseline != MEDIAN:
        known = ", ".join(map(repr, get_args(NamedBaseline)))
        raise ConfigError(f"Unknown baseline {baseline!r}: {known}, or rows of the cohort.")
    return median


def _flags(ensemble: Ensemble) -> BoolArray:
    """Clinical inputs that are 0 or 1, shape (q,)."""
    numeric = {c.name for c in ensemble.schema.clinical if c.kind == "numeric"}
    return np.array([c not in numeric for c in clinical_names(ensemble.schema)], dtype=bool)


def _clinical_median(ensemble: Ensemble) -> Float32Array:
    """Median over the members of their training medians, shape (q,)."""
    centre = np.median(ensemble.columns[CLINICAL]["median"].cpu().numpy(), axis=0)
    median: Float32Array = np.where(_flags(ensemble), np.round(centre), centre).astype(np.float32)
    return median
