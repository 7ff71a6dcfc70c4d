"""Score patients with an ensemble: one immutable result from which every page and file is drawn.

Members' log risks and the patients' inputs go in; a `ScoreResult` comes out: risk, z, stratum,
agreement and warnings of each patient. Nothing fails here: a patient that cannot be scored has NaN
and a reason. A member that may have seen a patient in training does not count for it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlif.config import HORIZONS
from camlif.data.cohort import BoolArray, Cohort
from camlif.data.preprocessing import RawInputs
from camlif.data.schema import FeatureSchema
from camlif.model.recognition import Membership, Recognised, unclear_note
from camlif.model.reference import Reference
from camlif.model.training_range import (
    MAX_SHARE_OUTSIDE,
    UNLIKE_PERCENT,
    is_unlike,
)
from camlif.statistics import GateResult
from camlif.training.ensemble import Prediction

OUT_OF_MEMORY = "E-40: The GPU ran out of memory; continued on the CPU (slower)."
MIN_AGREEMENT = 0.8
MAX_SILENT_IMPUTATION = 0.05
SPREAD_Z = 1.96
_BY_PATIENT = (
    *("member_log_risk", "members_used", "membership", "held_out", "scored", "presence"),
    *("survival", "survival_low", "survival_high"),
)
_BY_MODALITY = ("out_of_range", "imputed", "without", "distance_percent")
COLUMNS = (
    "patient_id",
    "log_risk",
    "risk_sd",
    "z",
    "percentile",
    "stratum",
    "agreement",
    *(f"survival_{h}m" for h in HORIZONS),
    "in_training",
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
        False where the member saw the patient in training, or may have.
    membership : ndarray of Membership, shape (n,)
        Whether the patient was in the training cohort.
    held_out : bool, shape (n,)
        Whether no member used can have seen the patient.
    scored : bool, shape (n,)
    presence : bool, shape (n, m)
        Modalities used for the score.
    out_of_range : mapping of modality to float64, shape (n,)
        Share of the patient's values outside the training range; NaN where absent.
    imputed : mapping of modality to float64, shape (n,)
        Share of the model's columns that take the training median, see `imputed_share`.
    without : mapping of modality to str, shape (n,)
        Feature groups that the patient lacks altogether, which are masked; see `masked_groups`.
    distance_percent : mapping of modality to float64, shape (n,)
        Training patients of 100 nearer the middle; see `TrainingRange.distance_percent`.
    embedding : float32, shape (n, e * h), or (n, 0)
    times : float64, shape (t,), months
    survival, survival_low, survival_high : float64, shape (n, t)
        NaN beyond the last horizon whose calibration gate is open.
    gates : mapping of horizon in months to GateResult
    seconds : float
    device : str
        Where the risks were computed; several where memory ran out on the way.
    """

    table: pd.DataFrame
    member_log_risk: NDArray[np.float64]
    members_used: BoolArray
    membership: NDArray[np.object_]
    held_out: BoolArray
    scored: BoolArray
    presence: BoolArray
    out_of_range: Mapping[str, NDArray[np.float64]]
    imputed: Mapping[str, NDArray[np.float64]]
    without: Mapping[str, NDArray[np.str_]]
    distance_percent: Mapping[str, NDArray[np.float64]]
    embedding: NDArray[np.float32]
    times: NDArray[np.float64]
    survival: NDArray[np.float64]
    survival_low: NDArray[np.float64]
    survival_high: NDArray[np.float64]
    gates: Mapping[int, GateResult]
    seconds: float
    device: str

    def __len__(self) -> int:
        return len(self.table)

    @property
    def log_risk(self) -> NDArray[np.float64]:
        """Ensemble log risk, shape (n,)."""
        return self.table["log_risk"].to_numpy("float64")

    @property
    def z(self) -> NDArray[np.float64]:
        """Log risk on the scale of the training cohort's held-out risks, shape (n,)."""
        return self.table["z"].to_numpy("float64")

    @property
    def is_training(self) -> BoolArray:
        """Patients of the training cohort, shape (n,)."""
        return np.asarray(self.membership == Membership.TRAINING)

    @property
    def unclear(self) -> BoolArray:
        """Patients of whom it cannot be told whether they are, shape (n,)."""
        return np.asarray(self.membership == Membership.UNCLEAR)

    @property
    def unlike(self) -> BoolArray:
        """Scored patients of whom a modality is unlike the training data, shape (n,)."""
        outside = [
            is_unlike(self.out_of_range[name], percent)
            for name, percent in self.distance_percent.items()
        ]
        found: BoolArray = self.scored & np.any(outside, axis=0)
        return found


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
    """Share of the members used that place the patient in its stratum, shape (n,).

    Parameters
    ----------
    member_log_risk : float64, shape (n, e)
    used : bool, shape (n, e)
        Members that count for the patient.
    stratum : str, shape (n,)
        Where the ensemble places it.
    reference : Reference
        Has the scale of z and the strata.

    Returns
    -------
    float64, shape (n,)
        In [0, 1]; NaN where no member counts.
    """
    z = reference.z(np.where(used, member_log_risk, 0.0))
    same = reference.strata.assign(z.ravel()).reshape(z.shape) == stratum[:, None]
    count = used.sum(axis=1)
    return np.where(count > 0, (same & used).sum(axis=1) / np.maximum(count, 1), np.nan)


def unscored_reasons(
    presence: BoolArray, names: tuple[str, ...], reference: Reference
) -> list[str | None]:
    """Why each patient cannot be scored; None where it can.

    A patient who lacks a modality is scored only if the model was validated on exactly the
    modalities at hand.

    Parameters
    ----------
    presence : bool, shape (n, m)
        Which modalities each patient has.
    names : tuple of str, shape (m,)
        Modalities of the model.
    reference : Reference
        Says on which subsets the model was validated.
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
    recognised: Recognised,
    started: float,
    device: str,
) -> ScoreResult:
    """Combine members, place patients in strata and collect warnings; see `Bundle.score`.

    Parameters
    ----------
    cohort : Cohort
        All n patients.
    raw : RawInputs
        The same, with the model's columns.
    schema : FeatureSchema
        Of the model.
    reference : Reference
        What the model compares a patient with.
    prediction : Prediction
        Of the q patients that are scored.
    rows : int, shape (q,)
        Their places among the n.
    reasons : list of str or None, shape (n,)
        Why a patient is not scored.
    recognised : Recognised
        Which members saw which patient.
    started : float
        ``time.perf_counter()`` when scoring began.
    device : str
        Where it ran, such as ``cpu``.
    """
    seen = recognised.seen
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
    known = reference.training_range
    rows_by_modality = {m: raw.rows(m) for m in schema.names}
    out_of_range = {m: known.share_outside(m, x) for m, x in rows_by_modality.items()}
    imputed = {m: imputed_share(raw, schema, m) for m in schema.names}
    without = {m: masked_groups(raw, schema, m) for m in schema.names}
    distance_percent = {
        m: known.distance_percent(m, known.distance(m, x)) for m, x in rows_by_modality.items()
    }
    warnings = case_warnings(
        imputed=imputed,
        without=without,
        out_of_range=out_of_range,
        distance_percent=distance_percent,
        agreement_share=share,
        subset_notes=_subset_notes(raw.presence, schema.names, reference),
    )
    for row, reason in enumerate(reasons):
        if reason is not None:
            warnings[row] = [reason]
        elif seen[row].all():
            warnings[row] = ["not scored: no unbiased prediction, every model saw this patient"]
        elif recognised.membership[row] == Membership.UNCLEAR:
            warnings[row].append(unclear_note(recognised, row, int(combined.used[row].sum())))
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
            "in_training": [str(membership) for membership in recognised.membership],
            "missing": _missing(cohort, raw.presence, schema),
            "warnings": ["; ".join(w) for w in warnings],
        },
        columns=list(COLUMNS),
    )
    return ScoreResult(
        table=table,
        member_log_risk=member,
        members_used=combined.used,
        membership=recognised.membership,
        held_out=recognised.held_out,
        scored=scored,
        presence=raw.presence,
        out_of_range=out_of_range,
        imputed=imputed,
        without=without,
        distance_percent=distance_percent,
        embedding=embedding,
        **curves,
        gates=reference.gates,
        seconds=time.perf_counter() - started,
        device=device,
    )


def join_results(parts: Sequence[ScoreResult], *, seconds: float) -> ScoreResult:
    """Join the results of patients scored one block after another by one bundle."""
    first = parts[0]
    if len(parts) == 1:
        return replace(first, seconds=seconds)
    width = max(p.embedding.shape[1] for p in parts)

    def by_modality(name: str) -> Any:
        return {m: np.concatenate([getattr(p, name)[m] for p in parts]) for m in first.imputed}

    def stacked(name: str) -> Any:
        return np.concatenate([getattr(p, name) for p in parts])

    return replace(
        first,
        table=pd.concat([p.table for p in parts], ignore_index=True),
        **{name: stacked(name) for name in _BY_PATIENT},
        **{name: by_modality(name) for name in _BY_MODALITY},
        # A block in which nobody is scored has no embedding.
        embedding=np.concatenate(
            [
                p.embedding if p.embedding.shape[1] else np.full((len(p), width), np.nan, "f4")
                for p in parts
            ]
        ),
        seconds=seconds,
        device=" and ".join(dict.fromkeys(p.device for p in parts)),
    )


def imputed_share(raw: RawInputs, schema: FeatureSchema, modality: str) -> NDArray[np.float64]:
    """Share of a modality's columns that take the training median, shape (n,); NaN where absent.

    Columns of a group of which the patient has nothing are masked, not imputed, and count nowhere.

    Parameters
    ----------
    raw : RawInputs
        The n patients, before imputation.
    schema : FeatureSchema
        Of the model.
    modality : str
    """
    observed = np.isfinite(raw.rows(modality))
    read = np.ones_like(observed)
    if not schema[modality].bag:
        widths = [group.n_features for group in schema[modality].groups]
        read = np.repeat(raw.masks[modality], widths, axis=1)
    count = read.sum(axis=1)
    share = (read & ~observed).sum(axis=1) / np.maximum(count, 1)
    present = raw.presence[:, schema.names.index(modality)]
    return np.where(present & (count > 0), share, np.nan)


def masked_groups(raw: RawInputs, schema: FeatureSchema, modality: str) -> NDArray[np.str_]:
    """Names of the feature groups of which a patient has nothing, shape (n,): ``cd3, cd8``.

    Empty where the modality is absent or a bag.

    Parameters
    ----------
    raw, schema, modality
        As in `imputed_share`.
    """
    names = np.array([group.name for group in schema[modality].groups])
    present = raw.presence[:, schema.names.index(modality)]
    if schema[modality].bag:
        return np.full(len(raw), "", dtype=object)
    return np.array(
        [
            ", ".join(names[~mask]) if there else ""
            for mask, there in zip(raw.masks[modality], present, strict=True)
        ],
        dtype=object,
    )


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
    imputed: Mapping[str, NDArray[np.float64]],
    without: Mapping[str, NDArray[np.str_]],
    out_of_range: Mapping[str, NDArray[np.float64]],
    distance_percent: Mapping[str, NDArray[np.float64]],
    agreement_share: NDArray[np.float64],
    subset_notes: list[str | None],
) -> list[list[str]]:
    """Collect sentences a reader must see beside each patient's result.

    Parameters
    ----------
    imputed, out_of_range : mapping of str to float64, shape (n,)
        Shares of each modality's columns, in [0, 1]; NaN where it is absent.
    without : mapping of str to str, shape (n,)
        Feature groups that a patient lacks altogether, as `masked_groups` names them.
    distance_percent : mapping of str to float64, shape (n,)
        Percentile of distance among the training patients; NaN where absent.
    agreement_share : float64, shape (n,)
        As `agreement` returns it.
    subset_notes : list of str or None, shape (n,)
        What is to be said of a patient without all modalities.

    Returns
    -------
    list of list of str, shape (n,)
    """
    warnings: list[list[str]] = [[note] if note else [] for note in subset_notes]
    for name, share_imputed in imputed.items():
        for row in np.flatnonzero(out_of_range[name] > MAX_SHARE_OUTSIDE):
            share = 100 * out_of_range[name][row]
            warnings[row].append(f"{name}: {share:.0f}% of values outside the training range")
        for row in np.flatnonzero(distance_percent[name] >= UNLIKE_PERCENT):
            warnings[row].append(f"{name}: beyond the {UNLIKE_PERCENT}th percentile of distance")
        for row in np.flatnonzero(without[name] != ""):
            warnings[row].append(f"{name}: {without[name][row]} missing, masked")
        for row in np.flatnonzero(share_imputed > MAX_SILENT_IMPUTATION):
            warnings[row].append(f"{name}: {100 * share_imputed[row]:.0f}% of values imputed")
    for row in np.flatnonzero(agreement_share < MIN_AGREEMENT):
        warnings[row].append(
            f"borderline: {100 * agreement_share[row]:.0f}% of models agree on the risk group"
        )
    return warnings
