"""Risk strata: cut-offs on the held-out z scale, frozen when a model is trained.

In go held-out z; out come one or two cut-offs, and the stratum of any z. Raises `ConfigError` for
cut-offs that are not ascending, `EstimationError` where too few patients fill the strata.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlif.exceptions import ConfigError, EstimationError
from camlif.statistics.outcome import check_numbers
from camlif.wording import count

NAMES = {1: ("low", "high"), 2: ("low", "intermediate", "high")}


@dataclass(frozen=True, slots=True)
class Strata:
    """Cut-offs that place a patient in a risk stratum by z.

    A z below a cut-off is in the lower stratum, a z equal to it in the upper one. A stratum may be
    empty in a cohort.

    Attributes
    ----------
    cutoffs : tuple of float
        One or two, ascending.

    Raises
    ------
    ConfigError
        For another number of cut-offs, or if they are not finite and ascending.
    """

    cutoffs: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.cutoffs) not in NAMES:
            raise ConfigError(f"One or two cut-offs make strata, not {len(self.cutoffs)}.")
        if not np.isfinite(self.cutoffs).all() or any(a >= b for a, b in pairwise(self.cutoffs)):
            raise ConfigError(f"Cut-offs must be finite and ascending, not {self.cutoffs}.")

    @property
    def names(self) -> tuple[str, ...]:
        """Strata in order of risk."""
        return NAMES[len(self.cutoffs)]

    @classmethod
    def from_median(cls, z: ArrayLike) -> Strata:
        """Cut at the median: low and high.

        Parameters
        ----------
        z : array_like, shape (n,)
            Held-out risks of the training cohort.

        Raises
        ------
        EstimationError
            If all risks are equal.
        DataError
            If a value is missing.
        """
        return cls._from_quantiles(z, (1 / 2,))

    @classmethod
    def from_tertiles(cls, z: ArrayLike) -> Strata:
        """Cut at one third and two thirds of the patients: low, intermediate and high.

        Parameters
        ----------
        z : array_like, shape (n,)
            Held-out risks of the training cohort.

        Raises
        ------
        EstimationError
            If the two cut-offs coincide because a third of the patients or more share one risk.
        DataError
            If a value is missing.
        """
        return cls._from_quantiles(z, (1 / 3, 2 / 3))

    @classmethod
    def _from_quantiles(cls, z: ArrayLike, levels: tuple[float, ...]) -> Strata:
        values = check_numbers("z", z)
        if len(values) < len(levels) + 1:
            raise EstimationError(
                f"{count(len(values), 'patient does', 'patients do')} not fill {len(levels) + 1} "
                "strata."
            )
        cutoffs = np.quantile(values, levels)
        if np.ptp(values) == 0 or (np.diff(cutoffs) <= 0).any():
            shared = int((values == cutoffs[0]).sum())
            raise EstimationError(
                f"{shared} of {count(len(values), 'patient')} share the risk z = "
                f"{cutoffs[0]:.3g}, so the "
                "cut-offs between strata coincide. Use the median, or give cut-offs."
            )
        return cls(tuple(cutoffs.tolist()))

    @classmethod
    def from_cutoffs(cls, cutoffs: Sequence[float]) -> Strata:
        """Build from one or two given cut-offs on z; errors as for the class."""
        return cls(tuple(float(c) for c in cutoffs))

    def assign(self, z: ArrayLike) -> NDArray[np.str_]:
        """Return the stratum of each patient, shape (n,).

        Raises
        ------
        DataError
            If a value is missing: an unscored patient has no stratum.
        """
        values = check_numbers("z", z)
        return np.array(self.names)[np.searchsorted(self.cutoffs, values, side="right")]

    def between(self, low: float, high: float) -> tuple[str, ...]:
        """Return the strata that an interval of z touches, in order of risk."""
        first, last = np.searchsorted(self.cutoffs, (low, high), side="right")
        return self.names[first : last + 1]

    def label(self, low: float, high: float) -> str:
        """Say in which stratum a z with this interval lies, or between which.

        Examples
        --------
        >>> strata = Strata((-0.5, 0.5))
        >>> strata.label(0.6, 0.9), strata.label(0.4, 0.6), strata.label(-0.6, 0.6)
        ('High risk', 'Borderline: intermediate-high', 'Borderline: low to high')
        """
        names = self.between(low, high)
        if len(names) == 1:
            return f"{names[0].capitalize()} risk"
        return f"Borderline: {names[0]}{' to ' if len(names) > 2 else '-'}{names[-1]}"

    def to_json(self) -> dict[str, Any]:
        """Return plain values that `from_json` reads back."""
        return {"cutoffs": list(self.cutoffs)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Strata:
        """Build from the values of `to_json`."""
        return cls.from_cutoffs(data["cutoffs"])
