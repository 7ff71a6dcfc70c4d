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

from camlif.arrays import BoolArray, IntArray
from camlif.config import HORIZONS
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import RawInputs
from camlif.data.schema import FeatureSchema
from camlif.model.abstention import subgroup_notes, subset_notes
from camlif.model.data_checks import DataChecks, check_data, join_checks
from camlif.model.inputs import InputChecks, check_inputs, join_inputs
from camlif.model.member_spread import MemberInterval
from camlif.model.recognition import Membership, Recognised, unclear_note
from camlif.model.reference import Reference
from camlif.statistics import GateResult
from camlif.training.ensemble import Prediction

OUT_OF_MEMORY = "E-40: The GPU ran out of memory; continued on the CPU (slower)."
OUTLIVED = "outlived_by_90_percent_months"
UNLIKE = ", unlike the training data"
"""What the label of a case says after the risk group where its data are."""
_BY_PATIENT = (
    *("member_log_risk", "members_used", "membership", "held_out", "scored", "stratum"),
    *("presence", "subgroups"),
    *("survival", "survival_low", "survival_high"),
)
COLUMNS = (
    "patient_id",
    "log_risk",
    "z",
    "z_low",
    "z_high",
    "percentile",
    "risk_group",
    "agreement",
    *(f"survival_{h}m" for h in HORIZONS),
    OUTLIVED,
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
    stratum : str, shape (n,)
        Group of the z itself, by which patients are counted and curves drawn; None where unscored.
        What is said of a patient is the column ``risk_group``, which knows the interval.
    presence : bool, shape (n, m)
        Modalities used for the score.
    subgroups : bool, shape (n, g)
        Subgroups of the model that the patient belongs to.
    checks : DataChecks
        Of the features that the score rests on.
    inputs : InputChecks
        Of the clinical inputs.
    embedding : float32, shape (n, e * h), or (n, 0)
    times : float64, shape (t,), months
    survival, survival_low, survival_high : float64, shape (n, t)
        By the calibration of the patient's modalities. NaN beyond the last horizon at which its
        gate is open, and for a patient unlike the training data.
    judged : mapping of horizon in months to GateResult
        What the outcomes of patients not known from training say of their absolute risk; empty
        where there are none. See `camlif.model.outcome_check`.
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
    stratum: NDArray[np.object_]
    presence: BoolArray
    subgroups: BoolArray
    checks: DataChecks
    inputs: InputChecks
    embedding: NDArray[np.float32]
    times: NDArray[np.float64]
    survival: NDArray[np.float64]
    survival_low: NDArray[np.float64]
    survival_high: NDArray[np.float64]
    seconds: float
    device: str
    judged: Mapping[int, GateResult]

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
        """Scored patients whose data are unlike the training data, shape (n,)."""
        found: BoolArray = self.scored & (self.checks.unlike | self.inputs.unlike)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """Members' risks combined under the held-out rule, each shape (n,)."""

    log_risk: NDArray[np.float64]
    used: BoolArray


def combine(member_log_risk: NDArray[np.float64], seen: BoolArray) -> Combined:
    """Average the members that did not see the patient; NaN where all did.

    Parameters
    ----------
    member_log_risk : float64, shape (n, e)
    seen : bool, shape (n, e)
    """
    used = ~seen & np.isfinite(member_log_risk)
    count = used.sum(axis=1)
    values = np.where(used, member_log_risk, 0.0)
    mean = values.sum(axis=1) / np.maximum(count, 1)
    return Combined(log_risk=np.where(count > 0, mean, np.nan), used=used)


def chance_of_stratum(
    z: NDArray[np.float64],
    stratum: NDArray[np.object_],
    interval: MemberInterval,
    reference: Reference,
) -> NDArray[np.float64]:
    """Chance that many members would place each patient in its stratum, shape (n,).

    Parameters
    ----------
    z : float64, shape (n,)
    stratum : str or None, shape (n,)
        Where the ensemble places it.
    interval : MemberInterval
        Of the same patients.
    reference : Reference
        Has the scale of z and the strata.

    Returns
    -------
    float64, shape (n,)
        In [0, 1]; NaN where no member counts.
    """
    strata = reference.strata
    place = np.array([strata.names.index(name) if name else 0 for name in stratum], dtype=int)
    edges = np.array([-np.inf, *strata.cutoffs, np.inf])
    below, above = z - edges[place], edges[place + 1] - z
    return interval.chance(below * reference.sd, above * reference.sd)


def assemble_result(
    *,
    cohort: Cohort,
    raw: RawInputs,
    schema: FeatureSchema,
    reference: Reference,
    prediction: Prediction,
    rows: NDArray[np.int_],
    subgroups: BoolArray,
    reasons: list[str | None],
    recognised: Recognised,
    started: float,
    device: str,
    notes: Mapping[str, str] | None = None,
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
    subgroups : bool, shape (n, g)
        See `camlif.model.subgroups.find_members`.
    reasons : list of str or None, shape (n,)
        Why a patient is not scored.
    recognised : Recognised
        Which members saw which patient.
    started : float
        ``time.perf_counter()`` when scoring began.
    device : str
        Where it ran, such as ``cpu``.
    notes : mapping of modality to sentence, optional
        What is to be known of the whole table, for every patient who is in it; of the clinical
        inputs under `CLINICAL`.
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
    stratum = np.full(n, None, dtype=object)
    stratum[scored] = reference.strata.assign(z[scored])
    known = reference.training_range
    checks = check_data(raw, schema, known)
    inputs = check_inputs(cohort.clinical, raw, schema, known, reference.inputs)
    interval = reference.spread.interval(member, combined.used, z).widened(inputs.change)
    half = interval.half_width
    unlike = checks.unlike | inputs.unlike
    shown_risk = np.where(unlike, np.nan, combined.log_risk)
    warnings = _warnings(
        raw.presence, subgroups, schema.names, checks, inputs, reference, notes or {}
    )
    _add_reasons(warnings, reasons, recognised, n_used=combined.used.sum(axis=1))
    low, high = z - half / reference.sd, z + half / reference.sd
    table = pd.DataFrame(
        {
            "patient_id": cohort.patient_ids,
            "log_risk": combined.log_risk,
            "z": z,
            "z_low": low,
            "z_high": high,
            "percentile": reference.percentile(z),
            "risk_group": _labels(low, high, unlike, reference),
            "agreement": chance_of_stratum(z, stratum, interval, reference),
            **_tabulated(shown_risk, raw.presence, reference),
            OUTLIVED: _bounds(shown_risk, raw.presence, reference),
            "in_training": [str(membership) for membership in recognised.membership],
            "missing": _missing(raw.presence, schema.names, inputs),
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
        stratum=stratum,
        presence=raw.presence,
        subgroups=subgroups,
        checks=checks,
        inputs=inputs,
        embedding=embedding,
        **_curves(shown_risk, half, raw.presence, reference),
        seconds=time.perf_counter() - started,
        device=device,
        judged={},
    )


def join_results(parts: Sequence[ScoreResult], *, seconds: float) -> ScoreResult:
    """Join the results of patients scored one block after another by one bundle."""
    first = parts[0]
    if len(parts) == 1:
        return replace(first, seconds=seconds)
    width = max(p.embedding.shape[1] for p in parts)

    def stacked(name: str) -> Any:
        return np.concatenate([getattr(p, name) for p in parts])

    return replace(
        first,
        table=pd.concat([p.table for p in parts], ignore_index=True),
        **{name: stacked(name) for name in _BY_PATIENT},
        checks=join_checks([p.checks for p in parts]),
        inputs=join_inputs([p.inputs for p in parts]),
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


def _tabulated(
    log_risk: NDArray[np.float64], presence: BoolArray, reference: Reference
) -> dict[str, NDArray[np.float64]]:
    """Survival at the horizons, empty where the gate of the patient's modalities is not open."""
    survival = reference.survival(log_risk, presence, HORIZONS)
    for found, rows in reference.by_set(presence):
        shown = np.array([found.validation.gate(h).open for h in HORIZONS])
        survival[rows] = np.where(shown, survival[rows], np.nan)
    return {f"survival_{h}m": survival[:, i] for i, h in enumerate(HORIZONS)}


def _labels(
    low: NDArray[np.float64], high: NDArray[np.float64], unlike: BoolArray, reference: Reference
) -> list[str | None]:
    """Say each patient's risk group, in the one way that pages and files say it."""
    return [
        None if np.isnan(a) else reference.strata.label(a, b) + (UNLIKE if outside else "")
        for a, b, outside in zip(low.tolist(), high.tolist(), unlike.tolist(), strict=True)
    ]


def _bounds(
    log_risk: NDArray[np.float64], presence: BoolArray, reference: Reference
) -> NDArray[np.float64]:
    """Months that 9 of 10 such patients outlive; fitted for patients with all modalities."""
    whole = np.where(presence.all(axis=1), log_risk, np.nan)
    return reference.bound.times(reference.calibration, whole)


def _curves(
    log_risk: NDArray[np.float64],
    half: NDArray[np.float64],
    presence: BoolArray,
    reference: Reference,
) -> dict[str, NDArray[np.float64]]:
    """Survival curves with the model's interval, each up to the last horizon with an open gate."""
    last = np.zeros(len(log_risk))
    for found, rows in reference.by_set(presence):
        last[rows] = found.validation.open_until
    times = np.arange(0.0, max(found.validation.open_until for found in reference.sets) + 1.0)
    beyond = (times > last[:, None]) | (last == 0)[:, None]

    def curve(risk: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(beyond, np.nan, reference.survival(risk, presence, times))

    return {
        "times": times,
        "survival": curve(log_risk),
        "survival_low": curve(log_risk + half),
        "survival_high": curve(log_risk - half),
    }


def _missing(presence: BoolArray, names: tuple[str, ...], inputs: InputChecks) -> list[str]:
    """Names of absent modalities and clinical inputs of each patient."""
    absent = np.concatenate([~presence, inputs.missing], axis=1).tolist()
    every = (*names, *inputs.names)
    return ["; ".join(n for n, lacks in zip(every, row, strict=True) if lacks) for row in absent]


def _add_reasons(
    warnings: list[list[str]],
    reasons: list[str | None],
    recognised: Recognised,
    *,
    n_used: IntArray,
) -> None:
    """Say of patients without a score why, and of the others where membership is unclear."""
    for row, reason in enumerate(reasons):
        if reason is not None:
            warnings[row] = [reason]
        elif recognised.seen[row].all():
            warnings[row] = ["not scored: no unbiased prediction, every model saw this patient"]
        elif recognised.membership[row] == Membership.UNCLEAR:
            warnings[row].append(unclear_note(recognised, row, int(n_used[row])))


def _warnings(
    presence: BoolArray,
    members: BoolArray,
    names: tuple[str, ...],
    checks: DataChecks,
    inputs: InputChecks,
    reference: Reference,
    notes: Mapping[str, str],
) -> list[list[str]]:
    """What a reader must know of each patient's data; ``notes`` are of the whole table."""
    found = []
    for there, subset, subgroup, by_table, by_input in zip(
        presence,
        subset_notes(presence, reference),
        subgroup_notes(members, reference),
        checks.warnings(),
        inputs.warnings(reference.inputs),
        strict=True,
    ):
        absent = {name for name, has in zip(names, there.tolist(), strict=True) if not has}
        of_table = [note for name, note in notes.items() if name not in absent]
        validated = [note for note in (subset, subgroup) if note]
        found.append([*validated, *of_table, *by_table, *by_input])
    return found
