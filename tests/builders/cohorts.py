"""Small cohorts in memory with a known truth.

Each modality has one latent number per patient, z ~ N(0, 1), that all its features load on. The log
hazard is a function of the latents; follow-up is exponential with exponential censoring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlif.data.cohort import Cohort
from camlif.data.schema import (
    BagSpec,
    ClinicalColumn,
    CohortInfo,
    FeatureSchema,
    GroupSpec,
    ModalitySpec,
)

TWO_MODALITIES: Mapping[str, tuple[int, ...]] = {"pathology": (3, 4), "ct": (5, 2)}
LOADING = 0.8
MONTHS = 24.0
Signal = Literal["main", "interaction", "none"]


class Simulated(NamedTuple):
    """A cohort and the log hazard that drew its outcomes, shape (n,)."""

    cohort: Cohort
    log_risk: NDArray[np.float64]


def make_schema(
    groups: Mapping[str, tuple[int, ...]] = TWO_MODALITIES,
    *,
    bags: Mapping[str, int] | None = None,
    clinical: bool = False,
) -> FeatureSchema:
    """Build a schema from group widths by modality and instance widths by bag modality."""
    modalities = [
        ModalitySpec(
            name,
            tuple(
                GroupSpec(f"group{g}", tuple(f"{name}_{g}_{i}" for i in range(width)))
                for g, width in enumerate(widths)
            ),
        )
        for name, widths in groups.items()
    ]
    for name, width in (bags or {}).items():
        columns = tuple(f"{name}_{i}" for i in range(width))
        modalities.append(ModalitySpec(name, (GroupSpec("instances", columns),), BagSpec(width)))
    inputs = (
        ClinicalColumn("age", "numeric"),
        ClinicalColumn("sex", "category", ("female", "male")),
    )
    return FeatureSchema(tuple(modalities), inputs if clinical else ())


def simulate(
    n: int,
    groups: Mapping[str, tuple[int, ...]] = TWO_MODALITIES,
    *,
    seed: int = 0,
    bags: Mapping[str, int] | None = None,
    clinical: bool = False,
    gaps: float | Mapping[str, float] = 0.0,
    missing_values: float = 0.0,
    signal: Signal = "main",
    strength: float = 1.5,
    event_share: float = 0.6,
) -> Simulated:
    """Draw a cohort.

    Parameters
    ----------
    n : int
    groups : mapping of modality to feature group widths
    seed : int
    bags : mapping of modality to instance width, optional
        Bag modalities, after the others; a patient has 1 to 5 instances.
    clinical : bool
        Add age and sex (no effect on the outcome).
    gaps : float, or mapping of modality to float
        Share of patients without the modality; everyone keeps one at least.
    missing_values : float
        Share of single table values that are missing.
    signal : {"main", "interaction", "none"}
        Log hazard: ``strength`` times the mean of the latents, their product, or zero.
    event_share : float
        Share of patients with an event; censoring is scaled to it.
    """
    rng = np.random.default_rng(seed)
    schema = make_schema(groups, bags=bags, clinical=clinical)
    latent = rng.standard_normal((n, len(schema.modalities)))
    effects = {"main": latent.mean(1), "interaction": latent.prod(1), "none": np.zeros(n)}
    log_risk = strength * effects[signal]
    presence = _draw_presence(n, schema, gaps, rng)
    tables, instances = {}, {}
    for i, modality in enumerate(schema.modalities):
        loadings = LOADING * rng.standard_normal(modality.n_features)
        if modality.bag:
            counts = np.where(presence[:, i], rng.integers(1, 6, n), 0)
            instances[modality.name] = tuple(
                (latent[row, i] * loadings + rng.standard_normal((k, len(loadings)))).astype("f4")
                for row, k in enumerate(counts)
            )
            continue
        table = latent[:, i, None] * loadings + rng.standard_normal((n, len(loadings)))
        table[rng.random(table.shape) < missing_values] = np.nan
        table[~presence[:, i]] = np.nan
        tables[modality.name] = table.astype(np.float32)
    event, duration = _draw_outcome(log_risk, event_share, rng)
    patient_ids = np.array([f"P{i:04d}" for i in range(n)])
    cohort = Cohort(
        info=CohortInfo(title="Simulated", badge="synthetic"),
        schema=schema,
        patient_ids=patient_ids,
        tables=tables,
        bags=instances,
        presence=presence,
        clinical=_draw_clinical(patient_ids, rng, present=clinical),
        duration=duration,
        event=event,
    )
    return Simulated(cohort, log_risk)


def make_cohort(
    n: int, groups: Mapping[str, tuple[int, ...]] = TWO_MODALITIES, **options: object
) -> Cohort:
    """Return the cohort of `simulate`."""
    return simulate(n, groups, **options).cohort  # type: ignore[arg-type]  # checked by simulate


def _draw_presence(
    n: int, schema: FeatureSchema, gaps: float | Mapping[str, float], rng: np.random.Generator
) -> NDArray[np.bool_]:
    chances = [gaps if isinstance(gaps, float) else gaps.get(m, 0.0) for m in schema.names]
    presence = rng.random((n, len(chances))) >= chances
    presence[~presence.any(1), 0] = True
    return presence


def _draw_outcome(
    log_risk: NDArray[np.float64], event_share: float, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    until_event = rng.exponential(size=len(log_risk)) * np.exp(-log_risk)
    until_leaving = rng.exponential(size=len(log_risk))
    until_leaving *= np.quantile(until_event / until_leaving, event_share)
    event = until_event <= until_leaving
    # Rounded, since processors differ in the last digit of exp, and a digest in all of them.
    return event, (MONTHS * np.where(event, until_event, until_leaving)).round(6)


def _draw_clinical(
    patient_ids: NDArray[np.str_], rng: np.random.Generator, *, present: bool
) -> pd.DataFrame:
    table = pd.DataFrame(index=pd.Index(patient_ids, name="patient_id"))
    if present:
        table["age"] = rng.normal(60, 10, len(table)).round()
        table["sex"] = rng.choice(["female", "male"], len(table))
    return table
