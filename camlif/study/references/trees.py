"""Ensembles of trees, by scikit-survival: a random survival forest and gradient boosting.

Training patients go in, a fitted model that gives risks (n,) comes out (Ishwaran et al., Ann. Appl.
Stat. 2008; Ridgeway, Comput. Sci. Stat. 1999). scikit-survival is GPL-3.0 and is imported when a
model is fitted; where it is missing, the fit says so (`MissingPackageError`) and everything else
works.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from camlif.exceptions import MissingPackageError
from camlif.statistics.outcome import FollowUp
from camlif.study.references.interface import ClassicalInputs, Design, Fitted


def _scikit_survival(what: str) -> tuple[Any, Any]:
    """Import its ensembles, and what makes its outcomes."""
    try:
        from sksurv import ensemble
        from sksurv.util import Surv
    except ImportError as error:
        raise MissingPackageError(what, "scikit-survival") from error
    return ensemble, Surv


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomForest:
    """Random survival forest (Ishwaran et al., Ann. Appl. Stat. 2008)."""

    n_estimators: int = 500
    min_samples_leaf: int = 10

    def fit(self, x: ClassicalInputs, followed: FollowUp, *, seed: int) -> Fitted:
        """Fit on training patients; see `camlif.study.references.interface.ClassicalModel`.

        Parameters
        ----------
        x, followed, seed
            As in `ClassicalModel.fit`.
        """
        trees, surv = _scikit_survival("A random survival forest")
        settings = {
            "n_estimators": self.n_estimators,
            "min_samples_leaf": self.min_samples_leaf,
            "max_features": "sqrt",
        }
        design = Design.fit(x, followed)
        # Low memory: without survival functions, which nothing here asks for.
        forest = trees.RandomSurvivalForest(
            **settings, low_memory=True, n_jobs=1, random_state=seed
        )
        forest.fit(design(x), surv.from_arrays(followed.event, followed.duration))
        return Fitted(design, forest.predict, settings | {"n_columns": design.n_columns})


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientBoosting:
    """Gradient boosting of small trees with Cox's loss (Ridgeway, Comput. Sci. Stat. 1999)."""

    n_estimators: int = 300
    learning_rate: float = 0.05
    subsample: float = 0.5
    max_depth: int = 2

    def fit(self, x: ClassicalInputs, followed: FollowUp, *, seed: int) -> Fitted:
        """Fit on training patients; see `camlif.study.references.interface.ClassicalModel`.

        Parameters
        ----------
        x, followed, seed
            As in `ClassicalModel.fit`.
        """
        trees, surv = _scikit_survival("Gradient boosting")
        settings = {
            "n_estimators": self.n_estimators,
            "learning_rate": self.learning_rate,
            "subsample": self.subsample,
            "max_depth": self.max_depth,
        }
        design = Design.fit(x, followed)
        boosting = trees.GradientBoostingSurvivalAnalysis(
            **settings, loss="coxph", random_state=seed
        )
        boosting.fit(design(x), surv.from_arrays(followed.event, followed.duration))
        return Fitted(design, boosting.predict, settings | {"n_columns": design.n_columns})
