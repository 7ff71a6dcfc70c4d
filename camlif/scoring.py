"""Score patients with an ensemble: one immutable result from which every page and file is drawn."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlif.data.cohort import BoolArray, Cohort, FloatArray
from camlif.data.preprocessing import RawInputs
from camlif.data.schema import FeatureSchema
from camlif.domain import MAX_SHARE_OUTSIDE
from camlif.reference import HORIZONS, Reference, feature_digests
from camlif.survival import GateResult
from camlif.training.ensemble import Prediction

MIN_AGREEMENT = 0.8
MAX_SILENT_IMPUTATION = 0.05
SPREAD_Z = 1.96
COLUMNS = (
    "patient_id",
    "log_risk",
    "risk_sd",
    "z",
    "percentile",
    "stratum",
    "agreement",
    *(f"survival_{h}m" for h in HORIZONS),
    "missing",
    "warnings",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreResult:
    """Risks of n patients by e members, with everything pages and files show.

    Attributes
    ----------
    table : DataFrame
        One row per patient of the cohort, columns `COLUMNS`. Unscored patients have the reason in
        ``warnings``.
    member_log_risk : float64, shape (n, e)
        NaN where unscored.
    members_used : bool, shape (n, e)
        False where the member saw the patient in training.
    is_training : bool, shape (n,)
    scored : bool, shape (n,)
    presence : bool, shape (n, m)
        Modalities used for the score.
    out_of_range : mapping of modality to float64, shape (n,)
        Share of the patient's values outside the training range; NaN where absent.
    embedding : float32, shape (n, e * h), or (n, 0)
    times : float64, shape (t,), months
    survival, survival_low, survival_high : float64, shape (n, t)
        NaN beyond the last horizon whose calibration gate is open.
    gates : mapping of horizon in months to GateResult
    seconds : float
    device : str
    """

    table: pd.DataFrame
    member_log_risk: NDArray[np.float64]
    members_used: BoolArray
    is_training: BoolArray
    scored: BoolArray
    presence: BoolArray
    out_of_range: Mapping[str, NDArray[np.float64]]
    embedding: NDArray[np.float32]
    times: NDArray[np.float64]
    survival: NDArray[np.float64]
    survival_low: NDArray[np.float64]
    survival_high: NDArray[np.float64]
    gates: Mapping[int, GateResult]
    seconds: float
    device: str

    @property
    def log_risk(self) -> NDArray[np.float64]:
        """Ensemble log risk, shape (n,)."""
        return self.table["log_risk"].to_numpy("float64")

    @property
    def z(self) -> NDArray[np.float64]:
        """Log risk on the scale of the training cohort's held-out risks, shape (n,)."""
        return self.table["z"].to_numpy("float64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """Members' risks combined under the held-out rule, each shape (n,)."""

    log_risk: NDArray[np.float64]
    spread: NDArray[np.float64]
    used: BoolArray


def combine(member_log_risk: NDArray[np.float64], seen: BoolArray) -> Combined:
    """Average the members that did not see the patient; NaN where all did.

    Parameters
    ----------
    member_log_risk : float64, shape (n, e)
    seen : bool, shape (n, e)

    Returns
    -------
    Combined
        ``spread`` is the SD over the members used (NaN for fewer than two).
    """
    used = ~seen & np.isfinite(member_log_risk)
    count = used.sum(axis=1)
    values = np.where(used, member_log_risk, 0.0)
    mean = values.sum(axis=1) / np.maximum(count, 1)
    squares = np.where(used, (member_log_risk - mean[:, None]) ** 2, 0.0).sum(axis=1)
    spread = np.sqrt(squares / np.maximum(count - 1, 1))
    return Combined(
        log_risk=np.where(count > 0, mean, np.nan),
        spread=np.where(count > 1, spread, np.nan),
        used=used,
    )


def agreement(
    member_log_risk: NDArray[np.float64],
    used: BoolArray,
    stratum: NDArray[np.str_],
    reference: Reference,
) -> NDArray[np.float64]:
    """Share of the members used that place the patient in its stratum, shape (n,)."""
    z = reference.z(np.where(used, member_log_risk, 0.0))
    same = reference.strata.assign(z.ravel()).reshape(z.shape) == stratum[:, None]
    count = used.sum(axis=1)
    return np.where(count > 0, (same & used).sum(axis=1) / np.maximum(count, 1), np.nan)


def recognise(raw: RawInputs, schema: FeatureSchema, reference: Reference) -> BoolArray:
    """Members that saw each patient in training, shape (n, e), found by feature-row digests."""
    return reference.seen_by(feature_digests(raw, schema))


def unscored_reasons(
    presence: BoolArray, names: tuple[str, ...], reference: Reference
) -> list[str | None]:
    """Why each patient cannot be scored; None where it can.

    A patient who lacks a modality is scored only if the model was validated on exactly the
    modalities at hand.
    """
    cache: dict[bytes, str | None] = {}
    reasons = []
    for row in presence:
        key = row.tobytes()
        if key not in cache:
            cache[key] = _reason(frozenset(np.array(names)[row].tolist()), names, reference)
        reasons.append(cache[key])
    return reasons


def _reason(present: frozenset[str], names: tuple[str, ...], reference: Reference) -> str | None:
    if len(present) == len(names):
        return None
    if not present:
        return "not scored: no modality of the model is present"
    absent = " and ".join(n for n in names if n not in present)
    shown = " + ".join(n for n in names if n in present)
    subset = reference.subset(present)
    if subset is None:
        return f"not scored: {absent} missing, and the model was not validated on {shown} alone"
    if not subset.valid:
        return (
            f"not scored: {absent} missing, and {shown} alone did not rank patients in validation "
            f"(C-index {subset.c_index:.2f}, {subset.low:.2f} to {subset.high:.2f})"
        )
    return None


def assemble_result(
    *,
    cohort: Cohort,
    raw: RawInputs,
    schema: FeatureSchema,
    reference: Reference,
    prediction: Prediction,
    rows: NDArray[np.int_],
    reasons: list[str | None],
    seen: BoolArray,
    started: float,
    device: str,
) -> ScoreResult:
    """Combine members, place patients in strata and collect warnings; see `Bundle.score`."""
    n, e = len(cohort), seen.shape[1]
    member = np.full((n, e), np.nan)
    member[rows] = prediction.log_risk
    embedding = np.full((n, prediction.embedding.shape[1]), np.nan, dtype=np.float32)
    embedding[rows] = prediction.embedding
    combined = combine(member, seen)
    z = reference.z(combined.log_risk)
    scored = np.isfinite(z)
    stratum = np.full(n, "", dtype=object)
    stratum[scored] = reference.strata.assign(z[scored])
    share = agreement(member, combined.used, stratum.astype(str), reference)
    out_of_range = {
        m: reference.training_range.share_outside(m, _rows_of(raw, m)) for m in schema.names
    }
    warnings = case_warnings(
        names=schema.names,
        raw=raw,
        out_of_range=out_of_range,
        agreement_share=share,
        subset_notes=_subset_notes(raw.presence, schema.names, reference),
    )
    for row, reason in enumerate(reasons):
        if reason is not None:
            warnings[row] = [reason]
        elif seen[row].all():
            warnings[row] = ["not scored: no unbiased prediction, every model saw this patient"]
    curves = _curves(combined, reference)
    table = pd.DataFrame(
        {
            "patient_id": cohort.patient_ids,
            "log_risk": combined.log_risk,
            "risk_sd": combined.spread,
            "z": z,
            "percentile": reference.percentile(z),
            "stratum": [name or None for name in stratum],
            "agreement": np.where(scored, share, np.nan),
            **_tabulated(combined.log_risk, reference),
            "missing": _missing(cohort, raw.presence, schema),
            "warnings": ["; ".join(w) for w in warnings],
        },
        columns=list(COLUMNS),
    )
    return ScoreResult(
        table=table,
        member_log_risk=member,
        members_used=combined.used,
        is_training=np.asarray(seen.any(axis=1)),
        scored=scored,
        presence=raw.presence,
        out_of_range=out_of_range,
        embedding=embedding,
        **curves,
        gates=reference.gates,
        seconds=time.perf_counter() - started,
        device=device,
    )


def _rows_of(raw: RawInputs, modality: str) -> FloatArray:
    """Values of a modality as one row per patient: bags by their mean."""
    table = raw.tables[modality]
    if table.ndim == 2:
        return table
    observed = np.isfinite(table)
    count = observed.sum(axis=1)
    mean = np.where(observed, table, 0).sum(axis=1) / np.maximum(count, 1)
    return np.where(count > 0, mean, np.nan).astype(np.float32)


def _tabulated(
    log_risk: NDArray[np.float64], reference: Reference
) -> dict[str, NDArray[np.float64]]:
    """Survival at the horizons, empty where the calibration gate is closed."""
    survival = reference.calibration.survival(log_risk, np.asarray(HORIZONS, dtype=float))
    return {
        f"survival_{h}m": survival[:, i]
        if reference.gates[h].open
        else np.full(len(log_risk), np.nan)
        for i, h in enumerate(HORIZONS)
    }


def _curves(combined: Combined, reference: Reference) -> dict[str, NDArray[np.float64]]:
    """Survival curves with the members' spread, up to the last horizon whose gate is open."""
    horizons = [h for h in HORIZONS if reference.gates[h].open]
    times = np.arange(0.0, (horizons[-1] if horizons else 0) + 1.0)
    calibration = reference.calibration
    spread = SPREAD_Z * np.nan_to_num(combined.spread)
    if not horizons:
        empty = np.full((len(spread), 1), np.nan)
        return {"times": times, "survival": empty, "survival_low": empty, "survival_high": empty}
    return {
        "times": times,
        "survival": calibration.survival(combined.log_risk, times),
        "survival_low": calibration.survival(combined.log_risk + spread, times),
        "survival_high": calibration.survival(combined.log_risk - spread, times),
    }


def _missing(cohort: Cohort, presence: BoolArray, schema: FeatureSchema) -> list[str]:
    """Names of absent modalities and clinical inputs of each patient."""
    absent = {name: ~presence[:, i] for i, name in enumerate(schema.names)}
    for column in schema.clinical:
        values = cohort.clinical.get(column.name)
        absent[column.name] = (
            np.ones(len(cohort), dtype=bool) if values is None else values.isna().to_numpy()
        )
    return ["; ".join(name for name, rows in absent.items() if rows[i]) for i in range(len(cohort))]


def _subset_notes(
    presence: BoolArray, names: tuple[str, ...], reference: Reference
) -> list[str | None]:
    """Beside a reduced-modality result: how well the model ranks with these modalities alone."""
    notes: list[str | None] = []
    for row in presence:
        subset = reference.subset(frozenset(np.array(names)[row].tolist()))
        if subset is None or not subset.valid:
            notes.append(None)
        else:
            notes.append(
                f"scored from {' + '.join(subset.modalities)} only "
                f"(validation C-index {subset.c_index:.2f}, n = {subset.n_patients})"
            )
    return notes


def case_warnings(
    *,
    names: tuple[str, ...],
    raw: RawInputs,
    out_of_range: Mapping[str, NDArray[np.float64]],
    agreement_share: NDArray[np.float64],
    subset_notes: list[str | None],
) -> list[list[str]]:
    """Collect sentences a reader must see beside each patient's result."""
    warnings: list[list[str]] = [[note] if note else [] for note in subset_notes]
    for i, name in enumerate(names):
        values = _rows_of(raw, name)
        imputed = 1 - np.isfinite(values).mean(axis=1)
        for row in np.flatnonzero(out_of_range[name] > MAX_SHARE_OUTSIDE):
            share = 100 * out_of_range[name][row]
            warnings[row].append(f"{name}: {share:.0f}% of values outside the training range")
        for row in np.flatnonzero(raw.presence[:, i] & (imputed > MAX_SILENT_IMPUTATION)):
            warnings[row].append(f"{name}: {100 * imputed[row]:.0f}% of values imputed")
    for row in np.flatnonzero(agreement_share < MIN_AGREEMENT):
        warnings[row].append(
            f"borderline: {100 * agreement_share[row]:.0f}% of models agree on the risk group"
        )
    return warnings
