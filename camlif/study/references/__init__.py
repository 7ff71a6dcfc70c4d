"""Classical references: models that no network should lose to.

Ridge, elastic net and late fusion run on our own code and permissive libraries; the two of trees
need scikit-survival (GPL-3.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from camlif.study.references.interface import (
    ClassicalInputs,
    ClassicalModel,
    FittedModel,
    classical_inputs,
)
from camlif.study.references.late import LateFusion
from camlif.study.references.penalised import (
    ClinicalCox,
    ConstantRisk,
    ElasticNetCox,
    RidgeCox,
)
from camlif.study.references.trees import GradientBoosting, RandomForest

__all__ = [
    "CLASSICAL",
    "ClassicalEntry",
    "ClassicalInputs",
    "ClassicalModel",
    "FittedModel",
    "classical_inputs",
]


@dataclass(frozen=True, slots=True)
class ClassicalEntry:
    """A registered classical model.

    Attributes
    ----------
    title : str
        Its name in figures.
    model : ClassicalModel
    takes_late_entry : bool
        Whether it counts patients from their entry on; the trees of scikit-survival cannot.
    """

    title: str
    model: ClassicalModel
    takes_late_entry: bool = True


CLASSICAL: Mapping[str, ClassicalEntry] = {
    "km": ClassicalEntry("Kaplan-Meier (constant risk)", ConstantRisk()),
    "cox_clinical": ClassicalEntry("Cox, clinical", ClinicalCox()),
    "cox_ridge": ClassicalEntry("Cox, ridge", RidgeCox()),
    "cox_enet": ClassicalEntry("Cox, elastic net", ElasticNetCox()),
    "linear_cox": ClassicalEntry("Cox, ridge, all columns", RidgeCox(max_columns=None)),
    "random_survival_forest": ClassicalEntry(
        "Random survival forest", RandomForest(), takes_late_entry=False
    ),
    "gradient_boosting": ClassicalEntry(
        "Gradient boosting", GradientBoosting(), takes_late_entry=False
    ),
    "late_mean": ClassicalEntry("Late fusion, mean", LateFusion("mean")),
    "late_stack": ClassicalEntry("Late fusion, stacked", LateFusion("stack")),
}
"""Every classical reference by its key in commands and files."""
