"""Made-up rows and held-out patients, and every figure of a study drawn from them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from camlif.data.schema import Endpoint
from camlif.statistics.outcome import FollowUp
from camlif.study.heldout import MEDIAN, TERTILES, HeldOut, Unit, cut_strata
from dashboard.figures.chart import Chart
from dashboard.figures.palette import Theme
from dashboard.figures.study.differences import slope_chart
from dashboard.figures.study.dots import dot_chart
from dashboard.figures.study.hazard_panels import HazardPanel, hazard_panels
from dashboard.figures.study.rows import C_INDEX, Key, paired_rows, study_rows
from dashboard.figures.study.small_multiples import CurvePanel, curves_by_variant
from dashboard.figures.study.strata_and_grades import HeldOutPatients, strata_chart

EVIL = '<a href="javascript:x">%{y}</a>&'
REFERENCE: Key = ("camlif", "default", "matched")
NO_CA: Key = ("camlif", "no_ca", "matched")
PRINTED: dict[Key, float] = {REFERENCE: 0.719, NO_CA: 0.696}
VARIANTS = [
    (*REFERENCE, "camlif", "CA-MLIF", 0.0),
    (*NO_CA, "ablation", "w/o CA", -0.005),
    ("gpdbn", "gpdbn", "matched", "rival", "GPDBN", -0.05),
    ("gpdbn", "gpdbn", "native", "rival", "GPDBN", -0.04),
    ("mcat", "mcat", "matched", "rival", "MCAT", 0.03),
    ("cox", "cox", "own", "classical", EVIL, 0.01),
]
N_SPLITS = 15


def results(n_splits: int = N_SPLITS) -> pd.DataFrame:
    """Results of six variants; the mean C-index of CA-MLIF is near 0.85."""
    rng = np.random.default_rng(3)
    base = rng.normal(0.85, 0.02, n_splits)
    rows = []
    for method, variant, head, family, title, shift in VARIANTS:
        c_index = base + shift + rng.normal(0, 0.015, n_splits)
        rows += [
            {
                "method": method,
                "variant": variant,
                "head": head,
                "family": family,
                "title": title,
                "split": split,
                "n_train": 80,
                "n_test": 20,
                "c_index": c_index[split],
                "ibs": 0.3 - c_index[split] / 5,
                "auc_60": np.nan if split == 2 else c_index[split],
            }
            for split in range(n_splits)
        ]
    return pd.DataFrame(rows)


def patients(n: int = 240, *, unit: Unit = "patient", seed: int = 0) -> HeldOutPatients:
    """Held-out patients whose risk says something of their survival; some lack a grade."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    time, leave = rng.exponential(40 * np.exp(-z)), rng.uniform(20, 150, n)
    n_patients = n if unit == "patient" else n // 3
    return HeldOutPatients(
        held=HeldOut(
            unit=unit,
            patient_id=np.array([f"P{i % n_patients}" for i in range(n)]),
            z=z,
            risk=z if unit == "patient" else 2 * z + 1,
            n_patients=n_patients,
            n_splits=15,
        ),
        followed=FollowUp(time <= leave, np.minimum(time, leave)),
        subtype=[("IWA", "IMA", "ODG", None)[i % 4] for i in range(n)],
        grade=[("II", "III", "IV", EVIL, None)[i % 5] for i in range(n)],
    )


def panel(title: str = EVIL, n: int = 1000) -> HazardPanel:
    found = patients(n)
    return HazardPanel(title=title, z=found.held.z, subtype=found.subtype, grade=found.grade)


def curve_panel(title: str = EVIL, n: int = 240, seed: int = 0) -> CurvePanel:
    found = patients(n, seed=seed)
    return CurvePanel(
        title=title,
        followed=found.followed,
        stratum=cut_strata(found.held.risk, MEDIAN),
    )


def dots(theme: Theme = "light") -> Chart:
    rows = study_rows(results(), C_INDEX, printed=PRINTED)
    return dot_chart(
        rows, C_INDEX, theme=theme, reference=REFERENCE, printed_of=EVIL, not_comparable=EVIL
    )


def slopes(theme: Theme = "light") -> Chart:
    pairs = paired_rows(study_rows(results(), C_INDEX), REFERENCE, C_INDEX)
    return slope_chart(pairs, C_INDEX, theme=theme, reference="CA-MLIF")


def curves(theme: Theme = "light") -> Chart:
    panels = [curve_panel(seed=k) for k in range(5)]
    return curves_by_variant(panels, theme=theme, endpoint=Endpoint("os", EVIL, EVIL))


def hazards(theme: Theme = "light", *, boxes: bool = False) -> Chart:
    panels = [panel() for _ in range(4)]
    return hazard_panels(panels, theme=theme, unit="u", column_title=EVIL, boxes=boxes)


def strata(theme: Theme = "light") -> Chart:
    return strata_chart(patients(1000), TERTILES, theme=theme, endpoint=Endpoint())


STUDY_FIGURES: dict[str, Callable[[Theme], Chart]] = {
    "study dots": dots,
    "study slopes": slopes,
    "study curves": curves,
    "study hazards": hazards,
    "study boxes": lambda theme: hazards(theme, boxes=True),
    "study strata": strata,
}
