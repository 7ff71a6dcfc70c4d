"""Hypothesis strategies. Durations are drawn from few integers, so that ties happen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray

# Tests assert no times: a reference library is imported within the first example.
settings.register_profile("camlif", deadline=None)
settings.load_profile("camlif")


class Patients(NamedTuple):
    """Risk, event and duration of n patients."""

    risk: NDArray[np.float64]
    event: NDArray[np.bool_]
    duration: NDArray[np.float64]


@st.composite
def patients(
    draw: st.DrawFn,
    *,
    min_size: int = 1,
    max_size: int = 25,
    last_month: int = 6,
    min_events: int = 0,
    tied_risks: bool = False,
) -> Patients:
    """Draw a small cohort; ``tied_risks`` takes risks from few values, too."""
    n = draw(st.integers(max(min_size, min_events), max_size))

    def column(values: st.SearchStrategy[float]) -> NDArray[np.float64]:
        return np.array(draw(st.lists(values, min_size=n, max_size=n)), dtype=np.float64)

    risk = column(
        st.integers(-2, 2).map(float) if tied_risks else st.floats(-5, 5, allow_subnormal=False)
    )
    event = column(st.booleans().map(float)).astype(bool)
    event[:min_events] = True
    return Patients(risk, event, column(st.integers(1, last_month).map(float)))
