"""A model in use, without networks: its training cohort, and the patients of later months."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch

from camlif.arrays import Float64Array
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import CLINICAL, encode, encode_clinical
from camlif.data.reading.durations import DAYS_PER_MONTH
from camlif.model.data_checks import check_data
from camlif.model.inputs import check_inputs
from camlif.model.reference import Reference
from camlif.model.training_range import fit_range
from camlif.statistics import fit_calibration
from camlif.statistics.outcome import FollowUp
from camlif.transport.watch import Alarm, find_alarms
from camlif.transport.watch_inputs import WatchedInputs, watch_inputs
from camlif.transport.watch_outcomes import Followed, WatchedOutcomes, watch_outcomes
from tests.builders.cohorts import simulate

COLUMNS = {"pathology": (20, 20), "genomics": (40,)}
ABSENT = 0.1
HORIZON = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What is different of the patients in use: none of it by default.

    Attributes
    ----------
    hazard, slope : float
        Factor of the hazard, and of the log hazard that the model's risk is of.
    scale : float
        Factor of the values of pathology.
    absent : float
        Share of patients without genomics.
    """

    hazard: float = 1.0
    slope: float = 1.0
    scale: float = 1.0
    absent: float = ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Alarms of a model in use, and the outcomes behind them."""

    alarms: tuple[Alarm, ...]
    outcomes: WatchedOutcomes

    def first(self, *kinds: str) -> float:
        """First month, from 1 on, with an alarm of some kinds, of any by default; else infinite."""
        months = [int(a.month) for a in self.alarms if not kinds or a.kind in kinds]
        return min(months, default=np.inf)


def use_model(
    seed: int,
    drift: Drift | None = None,
    *,
    n_months: int = 12,
    per_month: int = 20,
    n_training: int = 400,
    rate: float = 0.05,
) -> Use:
    """Draw a training cohort and patients of the same kind, who come evenly over the months.

    The model's risk is the true log hazard; nearly half of the training patients have the event.
    """
    drift, rng = drift or Drift(), np.random.default_rng(seed)
    n = n_months * per_month
    drawn = simulate(n_training + n, COLUMNS, seed=seed, clinical=True, strength=1.2)
    new = np.arange(n_training + n) >= n_training
    cohort = _changed(drawn.cohort, drift, new, rng)
    risk = drawn.log_risk - drawn.log_risk[~new].mean()
    hazard = np.exp(risk * np.where(new, drift.slope, 1.0)) * np.where(new, drift.hazard, 1.0)
    to_event = rng.exponential(60.0, len(risk)) / hazard
    day = np.sort(rng.uniform(0, n_months * DAYS_PER_MONTH, n))
    known = _follow(to_event[~new], rng.uniform(12.0, 60.0, n_training))
    bundle = _bundle(cohort.take(~new), risk[~new], known)
    measures = tuple(
        watch_inputs(bundle, _inputs(bundle, cohort.take(new), risk[new], day, n_months))
    )
    inputs = _inputs(bundle, cohort.take(new), risk[new], day, n_months)
    outcomes = watch_outcomes(
        Followed(
            log_risk=risk[new],
            presence=np.ones((n, len(COLUMNS)), dtype=bool),
            unlike=np.zeros(n, dtype=bool),
            outcome=_follow(to_event[new], n_months - day / DAYS_PER_MONTH),
            start=day,
        ),
        bundle.reference,
        DAYS_PER_MONTH * np.arange(1, n_months + 1),
        resamples=2,
    )
    measures = tuple(watch_inputs(bundle, inputs))
    names = tuple(f"{t + 1}" for t in range(n_months))
    return Use(alarms=tuple(find_alarms(names, measures, outcomes, rate)), outcomes=outcomes)


def _follow(to_event: Float64Array, leaving: Float64Array) -> FollowUp:
    return FollowUp.check(to_event <= leaving, np.minimum(to_event, leaving))


def _changed(cohort: Cohort, drift: Drift, new: Any, rng: np.random.Generator) -> Cohort:
    """Scale pathology, and take genomics away, of new patients; genomics of others, too."""
    lacking = rng.random(len(cohort)) < np.where(new, drift.absent, ABSENT)
    pathology = cohort.tables["pathology"] * np.where(new, drift.scale, 1.0)[:, None]
    genomics = np.where(lacking[:, None], np.nan, cohort.tables["genomics"])
    tables = {"pathology": pathology.astype("f4"), "genomics": genomics.astype("f4")}
    return replace(
        cohort, tables=tables, presence=np.stack([np.ones_like(lacking), ~lacking], axis=1)
    )


def _inputs(
    bundle: Any, cohort: Cohort, risk: Float64Array, day: Float64Array, n_months: int
) -> WatchedInputs:
    raw, known = encode(cohort, cohort.schema), bundle.reference.training_range
    by_input = check_inputs(cohort.clinical, raw, cohort.schema, known, ())
    return WatchedInputs(
        raw=raw,
        log_risk=risk,
        flagged=check_data(raw, cohort.schema, known).unlike | by_input.unlike,
        month=np.minimum((day / DAYS_PER_MONTH).astype(np.int64), n_months - 1),
        n_months=n_months,
    )


def _bundle(training: Cohort, risk: Float64Array, followed: FollowUp) -> Any:
    """What is watched by of a bundle."""
    schema, sd = training.schema, float(risk.std(ddof=1))
    whole = SimpleNamespace(
        validation=SimpleNamespace(
            modalities=schema.names, open_until=HORIZON, n_events=int(followed.event.sum())
        ),
        calibration=fit_calibration(risk, followed.event, followed.duration),
    )
    unread = ("digests", "seen", "spread", "strata", "curves", "bound", "follow_up")
    reference = Reference(
        mean=0.0,
        sd=sd,
        sorted_z=np.sort(risk / sd),
        sets=(cast(Any, whole),),
        training_range=fit_range(training),
        **cast(Any, dict.fromkeys(unread)),
    )
    keep = {m.name: {"keep": torch.ones(1, m.n_features)} for m in schema.modalities}
    clinical = np.nan_to_num(encode_clinical(training.clinical, schema))
    means = {CLINICAL: {"mean": torch.from_numpy(clinical.mean(axis=0))[None]}}
    have = training.presence.sum(axis=0).tolist()
    return SimpleNamespace(
        schema=schema,
        reference=reference,
        card=SimpleNamespace(
            data=SimpleNamespace(n_patients=len(training)),
            modalities=[SimpleNamespace(n_patients=n) for n in have],
        ),
        ensemble=SimpleNamespace(columns=keep | means),
    )
