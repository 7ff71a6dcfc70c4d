"""What the score of a patient could be, had the missing modality been that of a similar patient.

A patient and donors who have the modality go in; the interval of z over draws comes out, without a
point estimate. Raises `EstimationError` where nothing is missing, donors are too few, or every
member saw the patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from camlif.arrays import BoolArray
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import RawInputs
from camlif.exceptions import EstimationError
from camlif.model.scoring import combine
from camlif.wording import count

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle

DRAWS = 200
MIN_DONORS = 10
LIMITS = (2.5, 97.5)
RESAMPLES = 500
"""Of the draws, for the standard errors of the limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityRange:
    """Where 95 of 100 scores fall when the absent modalities are drawn from other patients.

    Attributes
    ----------
    low, high : float
        z. There is no point estimate: the middle of draws is not a score of this patient.
    low_error, high_error : float
        Standard errors of the limits, by bootstrap of the draws: other draws give other limits.
    strata : tuple of str
        Risk groups that the range touches, lowest risk first.
    absent : tuple of str
        Modalities that were drawn.
    donors, draws : int
    """

    low: float
    high: float
    low_error: float
    high_error: float
    strata: tuple[str, ...]
    absent: tuple[str, ...]
    donors: int
    draws: int


def sensitivity_range(
    bundle: Bundle,
    cohort: Cohort,
    row: int,
    donors: BoolArray,
    *,
    missing: tuple[str, ...] = (),
    draws: int = DRAWS,
    seed: int = 0,
) -> SensitivityRange:
    """Score a patient with its absent modalities drawn from reference patients.

    Parameters
    ----------
    bundle : Bundle
    cohort : Cohort
    row : int
        The patient.
    donors : bool, shape (n,)
        Reference patients, those of the same subtype say; of them only patients that have all
        modalities that this one lacks are drawn from.
    missing : tuple of str
        Modalities to treat as missing in everyone.
    draws : int
    seed : int

    Raises
    ------
    EstimationError
        If the patient lacks none or all modalities, every member saw it in training, or fewer than
        `MIN_DONORS` reference patients have what it lacks.
    """
    raw = bundle.prepare(cohort, missing=missing)
    absent = ~raw.presence[row]
    if not absent.any() or absent.all():
        raise EstimationError("A sensitivity range needs a patient that lacks some modality.")
    names = tuple(np.array(bundle.schema.names)[absent].tolist())
    able = donors & raw.presence[:, absent].all(axis=1)
    able[row] = False
    pool = np.flatnonzero(able)
    if len(pool) < MIN_DONORS:
        raise EstimationError(
            f"Only {count(len(pool), 'reference patient has', 'reference patients have')} "
            f"{' and '.join(names)}; "
            f"{MIN_DONORS} are needed."
        )
    rng = np.random.default_rng(seed)
    chosen = rng.choice(pool, draws, replace=len(pool) < draws)
    drawn = _with_modalities(raw.take(np.full(draws, row)), raw.take(chosen), names, bundle)
    own = bundle.recognise(raw.take(np.array([row])), cohort.patient_ids[[row]])
    seen = np.repeat(own.seen, draws, axis=0)
    if seen.all():
        raise EstimationError("No unbiased prediction: every model saw this patient in training.")
    z = bundle.reference.z(combine(bundle.ensemble.predict(drawn).log_risk, seen).log_risk)
    low, high = np.percentile(z, LIMITS).tolist()
    again = np.percentile(rng.choice(z, (RESAMPLES, draws)), LIMITS, axis=1)
    low_error, high_error = again.std(axis=1, ddof=1).tolist()
    first, last = (
        bundle.strata.names.index(s) for s in bundle.strata.assign(np.array([low, high]))
    )
    return SensitivityRange(
        low=low,
        high=high,
        low_error=low_error,
        high_error=high_error,
        strata=bundle.strata.names[first : last + 1],
        absent=names,
        donors=len(pool),
        draws=draws,
    )


def _with_modalities(
    own: RawInputs, donors: RawInputs, names: tuple[str, ...], bundle: Bundle
) -> RawInputs:
    """Patients with some modalities of others."""
    source = {name: donors if name in names else own for name in own.tables}
    return RawInputs(
        tables={name: patients.tables[name] for name, patients in source.items()},
        masks={name: patients.masks[name] for name, patients in source.items()},
        presence=own.presence | np.isin(bundle.schema.names, names),
        clinical=own.clinical,
    )
