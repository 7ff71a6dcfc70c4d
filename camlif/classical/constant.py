"""A risk without information, which shows whether a study's measures are sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from camlif.classical.interface import ClassicalInputs
from camlif.outcome import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class ConstantRisk:
    """The same risk for everyone, fitted or not: the C-index is exactly 0.5."""

    @property
    def settings(self) -> dict[str, str]:
        """Nothing is chosen."""
        return {}

    def fit(
        self, x: ClassicalInputs, event: BoolArray, duration: FloatArray, *, seed: int
    ) -> ConstantRisk:
        """Return itself; a constant depends on none of the arguments of the protocol."""
        del x, event, duration, seed
        return self

    def risk(self, x: ClassicalInputs) -> FloatArray:
        """Return zeros, shape (n,)."""
        return np.zeros(len(x))
