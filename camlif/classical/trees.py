"""Tree ensembles by scikit-survival, which is imported when a model is fitted."""

from __future__ import annotations

from dataclasses import dataclass

from camlif.classical.interface import ClassicalInputs, Design, Fitted
from camlif.outcome import BoolArray, FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomForest:
    """Random survival forest (Ishwaran et al., Ann. Appl. Stat. 2008)."""

    n_estimators: int = 500
    min_samples_leaf: int = 10

    def fit(
        self, x: ClassicalInputs, event: BoolArray, duration: FloatArray, *, seed: int
    ) -> Fitted:
        """Fit on training patients; see `camlif.classical.interface.ClassicalModel`."""
        from sksurv.ensemble import RandomSurvivalForest
        from sksurv.util import Surv

        settings = {
            "n_estimators": self.n_estimators,
            "min_samples_leaf": self.min_samples_leaf,
            "max_features": "sqrt",
        }
        design = Design.fit(x, event, duration)
        # Low memory: without survival functions, which nothing here asks for.
        forest = RandomSurvivalForest(**settings, low_memory=True, n_jobs=1, random_state=seed)
        forest.fit(design(x), Surv.from_arrays(event, duration))
        return Fitted(design, forest.predict, settings | {"n_columns": design.n_columns})


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientBoosting:
    """Gradient boosting of small trees with Cox's loss (Ridgeway, Comput. Sci. Stat. 1999)."""

    n_estimators: int = 300
    learning_rate: float = 0.05
    subsample: float = 0.5
    max_depth: int = 2

    def fit(
        self, x: ClassicalInputs, event: BoolArray, duration: FloatArray, *, seed: int
    ) -> Fitted:
        """Fit on training patients; see `camlif.classical.interface.ClassicalModel`."""
        from sksurv.ensemble import GradientBoostingSurvivalAnalysis
        from sksurv.util import Surv

        settings = {
            "n_estimators": self.n_estimators,
            "learning_rate": self.learning_rate,
            "subsample": self.subsample,
            "max_depth": self.max_depth,
        }
        design = Design.fit(x, event, duration)
        trees = GradientBoostingSurvivalAnalysis(**settings, loss="coxph", random_state=seed)
        trees.fit(design(x), Surv.from_arrays(event, duration))
        return Fitted(design, trees.predict, settings | {"n_columns": design.n_columns})
