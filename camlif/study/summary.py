"""The table of a study: means with honest intervals, paired comparisons, and what may be said.

Results and risks of all splits go in; a `StudySummary` comes out, None where a number is undefined.
Intervals are those of Nadeau and Bengio, Machine Learning 2003; p-values are Holm's (1979).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlif.config import HORIZONS, QUICK_SPLITS
from camlif.data.cohort import Cohort
from camlif.data.splits import Splits
from camlif.exceptions import EstimationError
from camlif.statistics import SplitPValues, split_p_values
from camlif.statistics.splits import corrected_interval, corrected_t_test, holm, plain_half_width
from camlif.study.methods import REFERENCE
from camlif.study.printed import PRINTED
from camlif.study.records import CohortFacts, Comparison, StudySettings, VariantSummary
from camlif.wording import count

LEVEL = 0.05

Key = tuple[str, str, str]
KEY_COLUMNS = ["method", "variant", "head"]


def variant_p_values(
    results: pd.DataFrame, risks: pd.DataFrame, *, cohort: Cohort, splits: Splits
) -> SplitPValues | None:
    """Compute the three log-rank p-values of one variant; None where they are undefined.

    Parameters
    ----------
    results, risks : DataFrame
        Rows of the variant.
    cohort : Cohort
        The study's patients, in the order of ``splits``.
    splits : Splits
    """
    followed = cohort.follow_up()
    row_of = pd.Series(np.arange(len(cohort)), index=cohort.patient_ids)
    found = results.sort_values("split")
    numbers = found["split"].to_list()
    # A training part stands for its median, which is all that the cut-off of its split needs.
    matrix = np.tile(found["train_median"].to_numpy(np.float64), (len(cohort), 1))
    for column, split in enumerate(numbers):
        own = risks[risks["split"] == split]
        matrix[row_of[own["patient_id"]].to_numpy(), column] = own["log_risk"]
    try:
        return split_p_values(
            matrix,
            followed.event,
            followed.duration,
            test=splits.test[numbers],
            entry=followed.entry,
        )
    except EstimationError:
        return None


def summarise(
    results: pd.DataFrame, p_values: Mapping[Key, SplitPValues | None]
) -> tuple[VariantSummary, ...]:
    """Summarise every variant, in the order of the results.

    Parameters
    ----------
    results : DataFrame
        `RESULT_COLUMNS`.
    p_values : mapping
        Of each variant; see `variant_p_values`.

    Notes
    -----
    Interval and test have the variance of Nadeau and Bengio, since training parts overlap. Holm's
    correction is over all comparisons of the study. A difference is one of C-indices on the same
    test parts.
    """
    groups: dict[Key, pd.DataFrame] = {}
    for key in results[KEY_COLUMNS].drop_duplicates().itertuples(index=False, name=None):
        chosen = (results[KEY_COLUMNS] == list(key)).all(axis=1)
        groups[key] = results[chosen].sort_values("split")
    reference = groups.get(REFERENCE)
    rows = [
        _row(group, p_values.get(key), _comparison(key, group, reference))
        for key, group in groups.items()
    ]
    return _judged(rows)


def _row(
    group: pd.DataFrame, p_values: SplitPValues | None, comparison: Comparison | None
) -> VariantSummary:
    first = group.iloc[0]
    values = group["c_index"].to_numpy(np.float64)
    several = len(values) > 1
    interval = corrected_interval(values, **_sizes(group), within=(0.0, 1.0)) if several else None
    parameters = first["parameters"]
    printed = PRINTED.get((first["method"], first["variant"]), {})
    return VariantSummary(
        method=first["method"],
        variant=first["variant"],
        head=first["head"],
        family=first["family"],
        title=first["title"],
        n_splits=len(values),
        mean=float(values.mean()),
        sd=interval.sd if interval else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        half_width=plain_half_width(values) if several else None,
        strict_mean=float(group["c_index_strict"].mean()),
        ipcw_mean=_mean(group["ipcw_c"]),
        ibs_mean=_mean(group["ibs"]),
        auc_means={str(h): _mean(group[f"auc_{h}"]) for h in HORIZONS},
        p_values=p_values,
        comparison=comparison,
        parameters=None if math.isnan(parameters) else int(parameters),
        seconds=float(group["seconds"].sum()),
        printed={cohort: value.mean for cohort, value in printed.items()},
    )


def _mean(values: pd.Series[float]) -> float | None:
    known = values.dropna()
    return float(known.mean()) if len(known) else None


class _Sizes(TypedDict):
    n_train: float
    n_test: float


def _sizes(group: pd.DataFrame) -> _Sizes:
    return {"n_train": float(group["n_train"].mean()), "n_test": float(group["n_test"].mean())}


def _comparison(key: Key, group: pd.DataFrame, reference: pd.DataFrame | None) -> Comparison | None:
    if reference is None or key == REFERENCE:
        return None
    pair = group.merge(reference[["split", "c_index"]], on="split", suffixes=("", "_reference"))
    if pair.empty:
        return None
    difference: NDArray[np.float64] = (pair["c_index"] - pair["c_index_reference"]).to_numpy()
    found: dict[str, Any] = {"low": None, "high": None, "p_value": None}
    if len(difference) > 1:
        interval = corrected_interval(difference, **_sizes(pair))
        found |= {"low": interval.low, "high": interval.high}
        with suppress(EstimationError):  # the difference is the same in every split
            found["p_value"] = corrected_t_test(difference, **_sizes(pair)).p_value
    return Comparison(
        n_splits=len(difference),
        wins=int((difference > 0).sum()),
        losses=int((difference < 0).sum()),
        difference=float(difference.mean()),
        **found,
    )


def _judged(rows: Sequence[VariantSummary]) -> tuple[VariantSummary, ...]:
    """Add Holm's correction over all comparisons, and the verdicts."""
    tested = [i for i, r in enumerate(rows) if r.comparison and r.comparison.p_value is not None]
    adjusted = holm([_p(rows[i]) for i in tested])
    by_row = dict(zip(tested, adjusted.tolist(), strict=True))
    judged = []
    for i, row in enumerate(rows):
        comparison = row.comparison
        if comparison is not None:
            comparison = replace(comparison, adjusted=by_row.get(i))
        judged.append(replace(row, comparison=comparison, verdict=_verdict(row, comparison)))
    return tuple(judged)


def _p(row: VariantSummary) -> float:
    if row.comparison is None or row.comparison.p_value is None:
        raise ValueError(f"{row.title} was not compared.")
    return row.comparison.p_value


def _verdict(row: VariantSummary, comparison: Comparison | None) -> str:
    if row.key == REFERENCE:
        return "What the others are compared with."
    if comparison is None:
        return "Not compared: CA-MLIF has no split in common."
    if comparison.adjusted is None:
        if comparison.n_splits < 2:
            return "Not tested: too few splits."
        same = comparison.wins == comparison.losses == 0
        alike = "Not tested: the difference is the same in every split."
        return "The same in every split." if same else alike
    amount = f"{abs(comparison.difference):.3f}"
    detail = f"wins {comparison.wins} of {count(comparison.n_splits, 'split')}"
    if comparison.adjusted >= LEVEL:
        return f"No difference shown ({detail})."
    word = "Higher" if comparison.difference > 0 else "Lower"
    return f"{word} than CA-MLIF by {amount} ({detail})."


PROBABILITIES = {
    "nested": "Survival probabilities behind the Brier score are fitted on inner risks: of models "
    "that saw neither the patient nor the test part, two more for each split of every method "
    "(calibration slope, then Breslow's baseline).",
    "in_sample": "Survival probabilities behind the Brier score come from each model's risks of "
    "its own training part (calibration slope, then Breslow's baseline), which orders methods by "
    "how closely they fit: compare them by C-index.",
}


def notes(
    settings: StudySettings, facts: CohortFacts, rows: Sequence[VariantSummary]
) -> tuple[str, ...]:
    """Return the sentences that belong under the table.

    Parameters
    ----------
    settings : StudySettings
        Protocol of the study.
    facts : CohortFacts
        Counts of its cohort.
    rows : sequence of VariantSummary
        Rows of the table.
    """
    found = [
        f"{count(facts.n_patients, 'patient')}, {count(facts.n_events, 'event')} "
        f"({facts.endpoint}); "
        f"{settings.splits} {settings.scheme.replace('_', ' ')} splits of 80 % to 20 %, "
        f"seed {settings.seed}.",
        "Intervals and tests use the variance of Nadeau and Bengio, since training parts overlap; "
        "p-values of differences are Holm's over all comparisons of the study.",
        "Every difference is taken to CA-MLIF (default) on the same test parts.",
        PROBABILITIES[settings.probabilities],
    ]
    if facts.n_incomplete:
        kept = "kept; networks without a mask for it read the training mean"
        fate = kept if settings.gaps else "left out for every method"
        found.append(f"{count(facts.n_incomplete, 'patient')} without some modality: {fate}.")
    if settings.clinical:
        found.append(
            f"Clinical inputs of every method, single modalities included: "
            f"{', '.join(settings.clinical)}; native heads take none."
        )
    short = [row for row in rows if row.n_splits < max(settings.splits, QUICK_SPLITS)]
    if short:
        counts = ", ".join(map(str, sorted({row.n_splits for row in short})))
        found.append(
            f"Quick look: {_rest(len(short))} on {counts} splits instead of "
            f"{max(settings.splits, QUICK_SPLITS)}."
        )
    if settings.epochs is not None:
        epochs = count(settings.epochs, "epoch")
        found.append(f"Quick look: networks trained for {epochs} only.")
    if facts.n_never_tested:
        found.append(
            f"{count(facts.n_never_tested, 'patient is', 'patients are')} in the test part of no "
            "split."
        )
    if facts.badge == "synthetic":
        found.append("Simulated patients: not comparable with numbers of real cohorts.")
    found.append("Values printed in the paper are of its own cohorts, not of this one.")
    return tuple(found)


def _rest(n_rows: int) -> str:
    return count(n_rows, "row rests", "rows rest")
