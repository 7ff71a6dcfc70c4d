"""How the model does among patients like this one: by subtype, else by age.

In go held-out risks of a training cohort, out come the C-index of each subtype and age band, and
for scored patients to which of them they belong. Nothing fails. Where a patient's own subgroup is
not ranked, no risk group is said: "right in 68 of 100 pairs" is then not true of patients like it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlif.arrays import BoolArray
from camlif.data.cohort import Cohort
from camlif.data.levels import as_levels
from camlif.model.input_worth import measure_ranking
from camlif.statistics.over_time import MIN_EVENTS
from camlif.wording import AGE, count, with_interval

AGE_BANDS = ((0, 50, "under 50"), (50, 65, "50 to 64"), (65, 200, "65 and over"))
"""From, below (years) and name; the same for every cohort, so that none is looked for."""
MAX_LEVELS = 12
"""Of a column with more levels, the most frequent ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubgroupValidation:
    """Held-out ranking among the training patients of one subgroup.

    Attributes
    ----------
    kind : {"subtype", "age"}
    column : str
        Of the clinical table: that of the subtype, or age.
    level : str
        As in the training table, or the name of an age band.
    n_patients, n_events : int
        Training patients of it who have a held-out risk, with the modalities that they have.
    c_index, low, high : float or None
        With the 95 % bootstrap interval; None with fewer than `MIN_EVENTS` events.
    """

    kind: Literal["subtype", "age"]
    column: str
    level: str
    n_patients: int
    n_events: int
    c_index: float | None
    low: float | None
    high: float | None

    @property
    def name(self) -> str:
        """Say which patients are meant: ``er_status negative``, ``age under 50``."""
        return f"{self.column} {self.level}"

    @property
    def known(self) -> bool:
        """Whether it has events enough to tell how its patients are ranked."""
        return self.c_index is not None

    @property
    def numbers(self) -> str:
        """Say its C-index with interval and denominators; that it has too few events, if so."""
        n = f"n = {self.n_patients:,}, {count(self.n_events, 'event')}"
        if self.c_index is None or self.low is None or self.high is None:
            return f"too few events for a C-index ({n}; {MIN_EVENTS} events are needed)"
        return f"C-index {with_interval(self.c_index, self.low, self.high)}, {n}"

    @property
    def verdict(self) -> str:
        """Say whether its patients are ranked, in a word."""
        if not self.known:
            return "too few events"
        return "no" if self.fault else "yes"

    @property
    def fault(self) -> str:
        """Why its patients are not scored; empty where they are, or it cannot tell."""
        if self.low is None or self.low > 0.5:
            return ""
        return f"did not rank patients of {self.name} in validation ({self.numbers})"


def validate_subgroups(cohort: Cohort, risk: NDArray[np.float64]) -> tuple[SubgroupValidation, ...]:
    """Measure the ranking of held-out risks within each subtype, then within each age band.

    Parameters
    ----------
    cohort : Cohort
        The n training patients, with outcome.
    risk : float64, shape (n,)
        Held-out; NaN where a patient has none, who is left out.

    Returns
    -------
    tuple of SubgroupValidation
        Subtypes first. None of a column with a single level, which is no subgroup.

    Notes
    -----
    What counts as a subgroup is fixed before any result: the levels of the column that the cohort
    names as its subtype, and `AGE_BANDS`. Of a patient's two subgroups one decides, see
    `find_deciding`.
    """
    found = []
    for kind, column, level, members in _groups(cohort):
        rows = np.flatnonzero(members & np.isfinite(risk))
        n_events = int(cohort.follow_up(rows).event.sum()) if len(rows) else 0
        enough = n_events >= MIN_EVENTS
        ranking = measure_ranking(risk[rows], cohort.follow_up(rows)) if enough else (None,) * 3
        found.append(
            SubgroupValidation(
                kind=kind,
                column=column,
                level=level,
                n_patients=len(rows),
                n_events=n_events,
                c_index=ranking[0],
                low=ranking[1],
                high=ranking[2],
            )
        )
    return tuple(found)


_Group = tuple[Literal["subtype", "age"], str, str, BoolArray]


def _groups(cohort: Cohort) -> list[_Group]:
    """Kind, column, level and members of every subgroup of a training cohort."""
    subtypes: list[_Group] = []
    column = cohort.info.subtype_column
    if cohort.subtype is not None and column is not None:
        text = cohort.subtype.map(str, na_action="ignore")
        levels = text.value_counts().index[:MAX_LEVELS]
        subtypes = [("subtype", column, str(v), (text == v).to_numpy(dtype=bool)) for v in levels]
    ages = _ages(cohort)
    bands: list[_Group] = [
        ("age", AGE, name, (ages >= low) & (ages < high)) for low, high, name in AGE_BANDS
    ]
    bands = [band for band in bands if band[3].any()]
    return [group for groups in (subtypes, bands) if len(groups) > 1 for group in groups]


def _ages(cohort: Cohort) -> NDArray[np.float64]:
    """Age of each patient in years; NaN where it is not given."""
    if AGE not in cohort.clinical:
        return np.full(len(cohort), np.nan)
    return pd.to_numeric(cohort.clinical[AGE], errors="coerce").to_numpy("float64")


def find_members(subgroups: Sequence[SubgroupValidation], cohort: Cohort) -> BoolArray:
    """Say to which subgroups of a model the patients of a cohort belong.

    Parameters
    ----------
    subgroups : sequence of SubgroupValidation, length g
        Of the model.
    cohort : Cohort
        With n patients. A subtype is read from the model's column, else from the one that the
        cohort names as its own.

    Returns
    -------
    bool, shape (n, g)
    """
    members = np.zeros((len(cohort), len(subgroups)), dtype=bool)
    ages, bands = _ages(cohort), {name: (low, high) for low, high, name in AGE_BANDS}
    levels = [s.level for s in subgroups if s.kind == "subtype"]
    for j, subgroup in enumerate(subgroups):
        if subgroup.kind == "age":
            low, high = bands[subgroup.level]
            members[:, j] = (ages >= low) & (ages < high)
            continue
        own = subgroup.column in cohort.clinical
        given = cohort.clinical[subgroup.column] if own else cohort.subtype
        if given is not None:
            members[:, j] = (as_levels(given, levels) == subgroup.level).to_numpy(dtype=bool)
    return members


def find_deciding(
    subgroups: Sequence[SubgroupValidation], members: BoolArray
) -> list[SubgroupValidation | None]:
    """Return the one subgroup by which each patient is judged; None where none can tell.

    Its subtype, if that has events enough; else its age band. One look a patient, in an order fixed
    beforehand: a subtype is another disease, to which a model's columns may say nothing; a band is
    a cut through a scale, and all of its patients are of some subtype.

    Parameters
    ----------
    subgroups : sequence of SubgroupValidation, length g
    members : bool, shape (n, g)
        See `find_members`.

    Notes
    -----
    A sound model has subgroups withheld by chance, since few events cannot show that it ranks.
    Simulated: risks are the true log hazard, a third to a half of the patients censored, subtypes
    of 50, 30 and 20 % and age bands of 30, 40 and 30 %, both without effect (400 cohorts each):

    ======= ====== ================== ================== =======================
    C-index events patients withheld  were either enough some subtype withheld
    ======= ====== ================== ================== =======================
    0.65    100    20 %               34 %               50 % of models
    0.66    200    4.5 %              7.5 %              21 %
    0.72    100    2.7 %              5.3 %              10 %
    0.72    200    0.3 %              0.3 %              1.5 %
    ======= ====== ================== ================== =======================

    The last but one column is why one subgroup decides, and not the worse of the two.
    """
    order = [(j, subgroup) for j, subgroup in enumerate(subgroups) if subgroup.known]
    return [next((s for j, s in order if own[j]), None) for own in members.tolist()]
