"""Patients with a known time to the event, and the risks that an imperfect model gives them."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from camlif.data.simulator import LONGEST_MONTHS, SCALE_MONTHS, WEIBULL_SHAPE, simulate

POOL = 10_000
LEARNED, UNLEARNED = 0.55, 0.45
"""What a model's risk is of the true log hazard, and the SD of what else is in it."""
MEMBER_SD = 0.5
LATE = 24.0
"""Months from which hazards come together where they are not proportional."""


class Predicted(NamedTuple):
    """Risks, true time to the event and time of censoring, each shape (n,); months."""

    risk: NDArray[np.float64]
    to_event: NDArray[np.float64]
    censoring: NDArray[np.float64]

    @property
    def event(self) -> NDArray[np.bool_]:
        return self.to_event <= self.censoring

    @property
    def duration(self) -> NDArray[np.float64]:
        return np.minimum(self.to_event, self.censoring)


@cache
def _log_hazards(scenario: str) -> NDArray[np.float64]:
    log_hazard = simulate(scenario, n_patients=POOL, seed=0).truth.log_hazard
    return log_hazard - log_hazard.mean()


def draw_predicted(
    n: int,
    rng: np.random.Generator,
    *,
    scenario: str = "glioma",
    event_share: float = 0.33,
    members: int = 3,
    risk_censors: bool = False,
    proportional: bool = True,
) -> Predicted:
    """Draw patients whose log hazards are those of a simulated cohort.

    Parameters
    ----------
    members : int
        Members whose mean the risk is.
    risk_censors : bool
        Patients with a higher risk leave sooner.
    proportional : bool
        Hazards are; otherwise they come together after `LATE` months.
    """
    hazard = rng.choice(_log_hazards(scenario), n)
    known = LEARNED * hazard + UNLEARNED * rng.standard_normal(n)
    risk = known + MEMBER_SD * rng.standard_normal(n) / np.sqrt(members)
    scale = SCALE_MONTHS[scenario] * np.exp(-hazard / WEIBULL_SHAPE)
    to_event = scale * rng.exponential(size=n) ** (1 / WEIBULL_SHAPE)
    if not proportional:
        slower = np.exp(0.7 * hazard)
        to_event = np.where(to_event > LATE, LATE + (to_event - LATE) * slower, to_event)
    unit = rng.exponential(size=n)
    if risk_censors:
        unit *= np.exp(-0.7 * (known - known.mean()) / known.std())

    def excess(log_mean: float) -> float:
        seen = to_event <= np.minimum(unit * np.exp(log_mean), LONGEST_MONTHS)
        return float(seen.mean()) - event_share

    mean = np.exp(brentq(excess, -7.0, 14.0))
    return Predicted(risk, to_event, np.minimum(unit * mean, LONGEST_MONTHS))
