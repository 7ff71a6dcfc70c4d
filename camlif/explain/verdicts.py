"""Which contributions may be shown of a model: those of a method that passes its check.

A model and a cohort go in, verdicts come out (`check_model`); verdicts go in, an
`ExplanationChoice` comes out (`choose`). Raises nothing of its own: with too few patients a
model has no verdicts.

Methods whose contributions do not add up are never chosen: what they leave out has no name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from camlif.data.cohort import Cohort
from camlif.explain.faithfulness import MIN_PATIENTS, check_explanations
from camlif.explain.methods import METHODS
from camlif.explain.results import Level
from camlif.model.card import ExplanationVerdict
from camlif.wording import count

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle

N_PATIENTS = 50
"""Patients of a check, over the range of risks."""

NOUNS: Mapping[Level, str] = {"feature": "features", "group": "feature groups"}
CHECK = "the check of explanations on this model"


def _adding_up(level: Level) -> tuple[str, ...]:
    return tuple(key for key, m in METHODS.items() if m.adds_up and m.levels[0] == level)


BY_FEATURE = _adding_up("feature")
BY_GROUP = _adding_up("group")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationChoice:
    """What to show of a model.

    Attributes
    ----------
    method : str or None
        A key of `METHODS`; None where only modalities may be shown.
    limit : str
        What alone may be shown; empty where single features may.
    sentence : str
        What the check found of the method.
    failures : str
        What the check found of the methods that it was preferred to; empty where none failed.
    """

    method: str | None
    limit: str
    sentence: str
    failures: str

    @property
    def level(self) -> Level | None:
        """Whether single features or groups are shown; None for modalities only."""
        return None if self.method is None else METHODS[self.method].levels[0]

    @property
    def verdict(self) -> str:
        """All that the check found."""
        return " ".join(filter(None, (self.limit, self.sentence, self.failures)))


def spread_by_risk(z: NDArray[np.float64], rows: NDArray[np.int_], n: int) -> NDArray[np.int_]:
    """At most ``n`` of the rows, evenly spaced by risk, so that all risk groups are among them.

    Parameters
    ----------
    z : float64, shape (n_patients,)
        Risks of all patients of the cohort.
    rows : int, shape (r,)
        Patients to choose from.
    n : int
        At least 1.
    """
    if len(rows) <= n:
        return rows
    ordered = rows[np.argsort(z[rows], kind="stable")]
    return np.sort(ordered[np.linspace(0, len(ordered) - 1, n).astype(int)])


def check_model(bundle: Bundle, cohort: Cohort) -> Bundle:
    """Check the methods in turn until one passes, and write the verdicts into the card.

    Methods for single features come first, those for groups only if all of them fail. With fewer
    than `MIN_PATIENTS` scored patients the card says nothing.

    Parameters
    ----------
    bundle : Bundle
    cohort : Cohort
        The patients it was trained on; each is explained by the members that did not see it.
    """
    result = bundle.score(cohort, embed=False)
    rows = spread_by_risk(result.z, result.scored.nonzero()[0], N_PATIENTS)
    found: list[ExplanationVerdict] = []
    for method in BY_FEATURE + BY_GROUP if len(rows) >= MIN_PATIENTS else ():
        found.append(check_explanations(bundle, cohort, rows, method=method).verdict)
        if found[-1].passes:
            break
    return replace(bundle, card=bundle.card.model_copy(update={"explanations": tuple(found)}))


def choose(verdict: Callable[[str], ExplanationVerdict | None]) -> ExplanationChoice:
    """Choose the method to show: one that passes, else one not checked yet, else none.

    Parameters
    ----------
    verdict : callable
        Of a key of `METHODS`: what the check found, None if it was not made.
    """
    known = {key: verdict(key) for key in BY_FEATURE + BY_GROUP}
    failures = " ".join(
        f"{METHODS[key].label} fails it: {'; '.join(found.failures)}."
        for key, found in known.items()
        if found is not None and not found.passes
    )
    for methods, limit in ((BY_FEATURE, ""), (BY_GROUP, "Modalities and feature groups only.")):
        for key in methods:
            found = known[key]
            if found is not None and found.passes:
                said = (
                    f"{METHODS[key].label} passes {CHECK} ({count(found.n_patients, 'patient')})."
                )
                return ExplanationChoice(method=key, limit=limit, sentence=said, failures=failures)
        for key in methods:
            if known[key] is None:
                said = f"{METHODS[key].label} has not been through {CHECK}."
                return ExplanationChoice(method=key, limit=limit, sentence=said, failures=failures)
    said = f"No method for features or groups passes {CHECK}."
    return ExplanationChoice(
        method=None, limit="Modalities only.", sentence=said, failures=failures
    )
