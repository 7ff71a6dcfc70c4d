"""Survival by actual grade against strata cut on held-out risks: Figures A5 and A6(a).

Held-out patients with grade and outcome go in, a `Chart` comes out. Raises `EstimationError` where
nobody has a grade or strata cannot be cut.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from camlif.data.schema import Endpoint
from camlif.exceptions import EstimationError
from camlif.statistics.outcome import FollowUp
from camlif.statistics.split_p_values import WITHHELD_SENTENCE
from camlif.study.heldout import STRATUM_NAMES, HeldOut, cut_strata
from camlif.wording import count
from dashboard.figures.chart import Chart
from dashboard.figures.hazard import ordered_grades
from dashboard.figures.kaplan_meier import (
    Grouping,
    KmGroup,
    compare_groupings_chart,
    kaplan_meier_chart,
)
from dashboard.figures.palette import Theme

NO_GRADE = "No patient has a grade, so predicted groups cannot be set against grades."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldOutPatients:
    """Held-out risks beside outcome and clinical words; one entry per row of ``held``.

    Attributes
    ----------
    held : HeldOut
    followed : FollowUp
        Months.
    subtype, grade : sequence of str or None
    """

    held: HeldOut
    followed: FollowUp
    subtype: Sequence[str | None]
    grade: Sequence[str | None]

    def take(self, keep: NDArray[np.bool_]) -> HeldOutPatients:
        """Return some of the rows."""
        held = replace(
            self.held,
            patient_id=self.held.patient_id[keep],
            z=self.held.z[keep],
            risk=self.held.risk[keep],
            n_patients=len(set(self.held.patient_id[keep].tolist())),
        )
        rows = np.flatnonzero(keep).tolist()
        return HeldOutPatients(
            held=held,
            followed=self.followed.take(keep),
            subtype=[self.subtype[i] for i in rows],
            grade=[self.grade[i] for i in rows],
        )


def pooling_words(held: HeldOut) -> str:
    """Say what was pooled and how many patients it comes from."""
    splits = count(held.n_splits, "split")
    if held.unit == "patient":
        return (
            f"one row per patient, the mean z over the splits that tested it: "
            f"{count(held.n_patients, 'patient')}, {splits}"
        )
    return (
        f"one row per patient and split, pooled: {count(len(held), 'row')} of "
        f"{count(held.n_patients, 'patient')}, {splits}"
    )


def name_rows(chart: Chart, held: HeldOut) -> Chart:
    """Call the rows of a chart's finding what they are: pooled rows are not patients."""
    if held.unit == "patient":
        return chart
    finding = re.sub(r"\bpatient(s?)\b", lambda found: f"pooled row{found[1]}", chart.finding)
    return replace(chart, finding=finding)


def strata_chart(
    patients: HeldOutPatients,
    percentiles: Sequence[float],
    *,
    theme: Theme,
    endpoint: Endpoint,
    against_grades: bool = True,
) -> Chart:
    """Draw the survival of strata cut at percentiles, over that of the actual grades if asked.

    Parameters
    ----------
    patients : HeldOutPatients
    percentiles : sequence of float
        Of the rows given; a subtype is therefore cut at its own.
    theme : {"light", "dark"}
    endpoint : Endpoint
    against_grades : bool

    Raises
    ------
    EstimationError
        If ties leave a stratum empty, or no patient has a grade though grades are asked for.

    Notes
    -----
    The finding says why strata are not tested; the paper tests neighbouring ones.

    References
    ----------
    CA-MLIF (AAAI 2025), Figures A5 and A6(a).
    """
    stratum = cut_strata(patients.held.risk, percentiles)
    names = STRATUM_NAMES[len(percentiles) + 1]
    predicted = [
        _group(name, patients.followed.take(stratum == name), name if len(names) < 4 else None)
        for name in names
    ]
    tests = WITHHELD_SENTENCE
    if not against_grades:
        chart = kaplan_meier_chart(
            predicted, theme=theme, endpoint=endpoint, months_or_years="years"
        )
        return _with_tests(chart, tests, patients.held)
    kinds = (Grouping("predicted", predicted), Grouping("actual", _graded(patients)))
    chart = compare_groupings_chart(*kinds, theme=theme, endpoint=endpoint, months_or_years="years")
    n_ungraded = sum(grade is None for grade in patients.grade)
    tests += f" {count(n_ungraded, 'row')} without grade left out of the grades." * bool(n_ungraded)
    return _with_tests(chart, tests, patients.held)


def _with_tests(chart: Chart, tests: str, held: HeldOut) -> Chart:
    counts = name_rows(chart, held)
    return replace(counts, finding=f"{counts.finding} {tests}")


def _graded(patients: HeldOutPatients) -> list[KmGroup]:
    grades = np.array([grade or "" for grade in patients.grade])
    levels = ordered_grades([grade for grade in patients.grade if grade is not None])
    if not levels:
        raise EstimationError(NO_GRADE)
    return [
        _group(f"grade {level}", patients.followed.take(member), None)
        for level in levels
        if (member := grades == level).any()
    ]


def _group(name: str, followed: FollowUp, role: str | None) -> KmGroup:
    return KmGroup(name, followed.event, followed.duration, role, followed.entry)
