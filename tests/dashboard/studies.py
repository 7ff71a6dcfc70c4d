"""A finished study of a sample cohort, made of numbers drawn at random, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from camlif.data.cohort import Cohort
from camlif.data.samples import load_sample
from camlif.data.splits import make_splits
from camlif.study import store
from camlif.study.records import (
    FAILED_COLUMNS,
    CohortFacts,
    NotApplicable,
    StudySettings,
    StudySummary,
)
from camlif.study.summary import Key, notes, summarise, variant_p_values

FAILURE = "It ran out of memory."
REASON = "It reads a grade, which this cohort does not name."
VARIANTS: dict[str, list[tuple[str, str, str, str, str]]] = {
    "glioma": [
        ("camlif", "default", "matched", "camlif", "CA-MLIF"),
        ("camlif", "no_ca", "matched", "ablation", "w/o CA"),
        ("pg_mlif", "pg_mlif", "matched", "rival", "PG-MLIF"),
        ("pg_mlif", "pg_mlif", "native", "rival", "PG-MLIF"),
        ("unimodal", "pathology", "matched", "single modality", "pathology (encoder)"),
        ("unimodal", "genomics", "matched", "single modality", "genomics (encoder)"),
        ("cox_ridge", "cox_ridge", "own", "classical", "Ridge Cox"),
    ],
    "luad": [
        ("camlif", "default", "matched", "camlif", "CA-MLIF"),
        ("camlif", "no_ca", "matched", "ablation", "w/o CA"),
        ("gpdbn", "gpdbn", "matched", "rival", "GPDBN"),
        ("unimodal", "ct", "matched", "single modality", "ct (encoder)"),
    ],
}


def write_study(home: Path, sample: str = "glioma", *, splits: int = 5) -> Path:
    """Write a study of a sample's complete cases; a cell failed, and a rival does not apply."""
    whole = load_sample(sample)
    settings = StudySettings(data=sample, splits=splits, clinical=("age", "sex"), heads="both")
    cohort = whole.take(whole.presence.all(axis=1)).select(clinical=settings.clinical)
    event, _ = cohort.outcome()
    folds = make_splits(cohort.patient_ids, event, n_splits=splits, seed=0)
    facts = _facts(whole, cohort)
    results, risks = _results(cohort, folds.test, VARIANTS[sample])
    p_values = {
        key: variant_p_values(_of(results, key), _of(risks, key), cohort=cohort, splits=folds)
        for key in {tuple(row[:3]) for row in VARIANTS[sample]}
    }
    rows = summarise(results, p_values)  # type: ignore[arg-type]  # keys of three
    failed = pd.DataFrame(
        [["a", "mcat", "mcat", "matched", 0, splits - 1, FAILURE]], columns=list(FAILED_COLUMNS)
    )
    summary = StudySummary(
        reference="CA-MLIF",
        rows=rows,
        not_applicable=(
            NotApplicable(
                method="multicofusion",
                variant="multicofusion",
                head="matched",
                family="rival",
                title="MultiCoFusion",
                reason=REASON,
            ),
        ),
        n_cells=len(rows) + 1,
        n_done=len(rows),
        n_failed=1,
        notes=notes(settings, facts, rows),
    )
    store.open_study(home, settings, facts, folds)
    store.write_tables(home, results=results, risks=risks, failed=failed, summary=summary)
    return home


def _of(table: pd.DataFrame, key: Key) -> pd.DataFrame:
    return table[(table[["method", "variant", "head"]] == list(key)).all(axis=1)]


def _facts(whole: Cohort, cohort: Cohort) -> CohortFacts:
    info = whole.info
    event, _ = cohort.outcome()
    return CohortFacts(
        title=info.title,
        badge=info.badge,
        profile=info.profile,
        endpoint=info.endpoint.name,
        event_noun=info.endpoint.event_noun,
        event_free=info.endpoint.event_free,
        subtype_column=info.subtype_column,
        grade_column=info.grade_column,
        digest=cohort.digest,
        modalities={m.name: m.n_features for m in cohort.schema.modalities},
        n_patients=len(cohort),
        n_events=int(event.sum()),
        n_without_outcome=0,
        n_incomplete=len(whole) - len(cohort),
        n_never_tested=0,
        oracle_c_index=info.oracle_c_index,
    )


def _results(
    cohort: Cohort, test: np.ndarray, variants: list[tuple[str, str, str, str, str]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(0)
    _, duration = cohort.outcome()
    results, risks = [], []
    for method, variant, head, family, title in variants:
        names = {"method": method, "variant": variant, "head": head}
        for split, rows in enumerate(test):
            n = int(rows.sum())
            log_risk = rng.normal(size=n) - np.log1p(duration[rows])
            risks.append(
                pd.DataFrame(
                    {
                        **names,
                        "split": split,
                        "patient_id": cohort.patient_ids[rows],
                        "log_risk": log_risk,
                    }
                )
            )
            c_index = 0.75 + 0.02 * rng.normal()
            results.append(
                names
                | {"family": family, "title": title, "split": split, "seed": split}
                | {"n_train": len(rows) - n, "n_test": n, "events": n // 3}
                | dict.fromkeys(("c_index", "c_index_strict", "ipcw_c"), c_index)
                | {"ibs": 0.2, "auc_12": np.nan, "auc_36": c_index, "auc_60": c_index}
                | {"train_median": 0.0, "parameters": 1000.0, "seconds": 2.0}
            )
    return pd.DataFrame(results), pd.concat(risks, ignore_index=True)
