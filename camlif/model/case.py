"""One case in words and numbers: the one record that page, PDF, JSON and FHIR are drawn from.

In goes a row of a score result with its bundle, out comes a frozen `CaseSummary`. Its sentences say
the numbers as a reader may quote them: with denominator, endpoint and interval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from camlif.config import HORIZONS
from camlif.model import sentences
from camlif.model.card import reference_limits
from camlif.model.certainty import Certainty, case_certainty
from camlif.model.inputs import WITHOUT, InputCheck
from camlif.model.modality_check import ModalityCheck, check_modality
from camlif.model.modality_sets import SubsetValidation
from camlif.model.recognition import Membership
from camlif.model.scoring import OUTLIVED, ScoreResult
from camlif.model.subgroups import SubgroupValidation, find_deciding
from camlif.statistics import GateResult
from camlif.statistics.splits import Interval
from camlif.wording import in_sentence, listed

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonSurvival:
    """Survival probability with the model's interval; None with the reason where it is hidden.

    ``statement`` says it in one line, empty where it is hidden; ``sentence`` with its denominator.
    """

    months: int
    survival: Interval | None
    reason: str
    statement: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlivedTime:
    """Months that 9 of 10 such patients outlive; None with the reason where none are given.

    See `camlif.statistics.SurvivalBound`.
    """

    months: float | None
    reason: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPlace:
    """Where one member places the case; ``used`` is false if it saw the patient, or may have."""

    z: float | None
    used: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseScore:
    """The numbers of a scored patient, and the sentences that say them.

    Attributes
    ----------
    label : str
        Risk group as shown everywhere: "High risk" or "Borderline: intermediate-high".
    stratum : str
        Risk group of the z itself, by the frozen cut-offs.
    groups : tuple of str
        Risk groups that the interval of z touches; more than one of a borderline case.
    unlike : bool
        Whether the patient's data are unlike the training data.
    percentile : float
        Percentage of training patients with a lower held-out risk.
    z, hazard_ratio : Interval
        Low to high is where an ensemble of many members would lie, see
        `camlif.model.member_spread`: about the model, not about a person. The hazard ratio is
        against the median training patient, after the calibration slope.
    horizons : tuple of HorizonSurvival
    outlived : OutlivedTime
    agreement : float
        Chance, by the same interval, that many members would place the patient in ``stratum``.
    members_used : int
        Members that the score rests on; those that saw the patient in training, or may have,
        are left out.
    members : tuple of MemberPlace
    left_out : str
        What members are called that are not used; empty where all are.
    frequencies : str
        Survival at all open horizons; empty where none is open.
    subset_sentence : str
        How the model did with just the modalities that the patient has; empty where all are there.
    subgroup_sentence : str
        How the model ranks patients of the subgroup by which this one is judged; empty where none
        has enough events.
    borderline_sentence : str or None
        Why the case is borderline; None where it is not.
    """

    label: str
    stratum: str
    groups: tuple[str, ...]
    unlike: bool
    percentile: float
    percentile_words: str
    z: Interval
    hazard_ratio: Interval
    spread_words: str
    horizons: tuple[HorizonSurvival, ...]
    frequencies: str
    outlived: OutlivedTime
    agreement: float
    members_used: int
    members: tuple[MemberPlace, ...]
    left_out: str
    subset_sentence: str
    subgroup_sentence: str
    agreement_sentence: str
    borderline_sentence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSummary:
    """What a board is told about one patient.

    Attributes
    ----------
    patient_id : str
    score : CaseScore or None
        None where the patient is not scored; ``no_score`` then says why.
    certainty : Certainty
        How sure the risk group is, and why.
    no_score : str
        Empty where the patient is scored.
    members : int
        Of the model.
    membership : Membership
        Whether the patient was in the training cohort.
    held_out : bool
        Whether no member used can have seen the patient.
    present, absent : tuple of str
        Modalities of the model that the patient has and lacks.
    modalities : tuple of ModalityCheck
    unlike : str or None
        The warning that the case is unlike the training data.
    inputs : tuple of InputCheck
        What the patient has of the model's clinical inputs.
    gates : tuple of GateResult
        Whether absolute risk from the patient's modalities is calibrated, by horizon; none without
        a score. See `sentences.calibration_sentence`.
    judged : tuple of GateResult
        What the outcomes of the scored cohort say of it, for a patient not known from training.
    subgroups : tuple of SubgroupValidation
        Subtype and age band of the patient, as far as the model knows how it ranks within them; a
        patient without score may owe it to one of them.
    withheld : bool
        Whether there is no score since the model does not rank the patient's subgroup.
    notes : tuple of str
        Warnings of the score file, or why there is no score.
    caveats : tuple of str
        What a reader must keep in mind: warnings of the case, then limits of the model for every
        case.
    """

    patient_id: str
    score: CaseScore | None
    certainty: Certainty
    no_score: str
    members: int
    membership: Membership
    held_out: bool
    present: tuple[str, ...]
    absent: tuple[str, ...]
    modalities: tuple[ModalityCheck, ...]
    unlike: str | None
    inputs: tuple[InputCheck, ...]
    gates: tuple[GateResult, ...]
    judged: tuple[GateResult, ...]
    subgroups: tuple[SubgroupValidation, ...]
    withheld: bool
    notes: tuple[str, ...]
    caveats: tuple[str, ...]


def summarise_case(
    bundle: Bundle,
    result: ScoreResult,
    row: int,
    *,
    modality: Callable[[str], str] = str,
    column: Callable[[str], str] = str,
) -> CaseSummary:
    """Summarise one row of a score result.

    Parameters
    ----------
    bundle : Bundle
        The one that made ``result``.
    result : ScoreResult
    row : int
        Position of the patient in ``result``.
    modality, column : callable
        Say what people call a modality of the schema, and a column.
    """
    record = result.table.iloc[row]
    names, presence = bundle.schema.names, result.presence[row]
    absent = tuple(m for m, there in zip(names, presence, strict=True) if not there)
    notes = tuple(note for note in str(record["warnings"]).split("; ") if note)
    score = _score(bundle, result, row, modality, column) if result.scored[row] else None
    modalities = tuple(
        _check(result, row, name, label=modality(name), present=bool(there), column=column)
        for name, there in zip(names, presence, strict=True)
    )
    inputs = result.inputs.of(row)
    said_inputs = [replace(check, name=in_sentence(column(check.name))) for check in inputs]
    reduced = f"{WITHOUT} {' and '.join(absent)} ("  # the score's own sentence says it, too
    warnings = [
        _renamed(note, modalities, inputs, said_inputs)
        for note in notes
        if not note.startswith(reduced)
    ]
    if score and result.is_training[row]:
        warnings.append(sentences.held_out_sentence(score.members_used, bundle.n_members))
    ranking = sentences.ranking_sentence(bundle.card)
    subgroups = _subgroups(bundle, result, row)
    called = [_called(found, column) for found in subgroups]
    lacks = bool(absent)
    within = [sentences.subgroup_sentence(found, reduced=lacks) for found in called]
    own = _deciding(bundle, result, row)
    withheld = own is not None and notes == (f"not scored: the model {own.fault}",)
    lacking = [] if withheld else [modality(m) for m in absent]
    said = [f"not scored: the model {_called(own, column).fault}"] if own and withheld else notes
    return CaseSummary(
        patient_id=str(record["patient_id"]),
        score=score,
        certainty=case_certainty(bundle, result, row, modality=modality),
        no_score="" if score else sentences.no_score_sentence(said, lacking),
        members=bundle.n_members,
        membership=result.membership[row],
        held_out=bool(result.held_out[row]),
        present=tuple(m for m, there in zip(names, presence, strict=True) if there),
        absent=absent,
        modalities=modalities,
        unlike=_unlike(modalities, said_inputs),
        inputs=inputs,
        gates=_validated(bundle, result, row).gates if score else (),
        judged=tuple(_judged(result, row).values()) if score else (),
        subgroups=subgroups,
        withheld=withheld,
        notes=notes,
        caveats=tuple(
            line[:1].upper() + line[1:]
            for line in (
                *((*warnings, ranking, *within) if score else ()),
                *_general_limits(bundle),
            )
        ),
    )


def _general_limits(bundle: Bundle) -> list[str]:
    """Limits of the model for every case; those of other patients are told by the card alone."""
    of_some = reference_limits(bundle.reference)
    return [limit for limit in bundle.card.limits if limit not in of_some]


def _called(subgroup: SubgroupValidation, column: Callable[[str], str]) -> SubgroupValidation:
    """A subgroup whose column goes by the name that people know, as within a sentence."""
    return replace(subgroup, column=in_sentence(column(subgroup.column)))


def _check(
    result: ScoreResult,
    row: int,
    name: str,
    *,
    label: str,
    present: bool,
    column: Callable[[str], str],
) -> ModalityCheck:
    checks, farthest = result.checks, str(result.checks.farthest[name][row])
    distance = _known(checks.distance_percent[name][row])
    return check_modality(
        name,
        label=label,
        present=present,
        imputed=_known(checks.imputed[name][row]),
        without=str(checks.without[name][row]),
        far=int(checks.far[name][row]),
        farthest=column(farthest) if farthest else "",
        outside=_known(checks.out_of_range[name][row]),
        distance_percent=None if distance is None else int(distance),
    )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _score(
    bundle: Bundle,
    result: ScoreResult,
    row: int,
    modality: Callable[[str], str],
    column: Callable[[str], str],
) -> CaseScore:
    record, n_training = result.table.iloc[row], bundle.card.data.n_patients
    membership, held_out = result.membership[row], bool(result.held_out[row])
    stratum, used = str(result.stratum[row]), result.members_used[row]
    z = Interval(value=float(record["z"]), low=float(record["z_low"]), high=float(record["z_high"]))
    ratio, groups = _hazard_ratio(bundle, result, row, z), bundle.strata.between(z.low, z.high)
    agreement, n_used = float(record["agreement"]), int(used.sum())
    horizons = tuple(_horizon(bundle, result, row, months) for months in HORIZONS)
    validated, own = _validated(bundle, result, row), _deciding(bundle, result, row)
    part = None if result.presence[row].all() else validated
    return CaseScore(
        label=str(record["risk_group"]),
        stratum=stratum,
        groups=groups,
        unlike=bool(result.unlike[row]),
        percentile=float(record["percentile"]),
        percentile_words=sentences.percentile_words(float(record["percentile"]), n_training),
        z=z,
        hazard_ratio=ratio,
        spread_words=sentences.spread_words(z, ratio),
        horizons=horizons,
        frequencies=sentences.frequencies(
            {h.months: h.survival for h in horizons if h.survival}, bundle.info.endpoint
        ),
        outlived=_bound(bundle, result, row),
        agreement=agreement,
        members_used=n_used,
        members=tuple(
            MemberPlace(z=_known(value), used=bool(counted))
            for value, counted in zip(
                bundle.reference.z(result.member_log_risk[row]), used, strict=True
            )
        ),
        subset_sentence=sentences.subset_sentence(
            part,
            [in_sentence(modality(name)) for name in validated.modalities],
            [in_sentence(column(c.name)) for c in result.inputs.of(row) if c.known],
        ),
        subgroup_sentence=(
            ""
            if own is None
            else sentences.subgroup_sentence(_called(own, column), reduced=part is not None)
        ),
        left_out=("" if used.all() else sentences.left_out_words(membership, held_out=held_out)),
        agreement_sentence=sentences.agreement_sentence(
            agreement, n_used, stratum, membership=membership, held_out=held_out
        ),
        borderline_sentence=(
            sentences.borderline_sentence(z, bundle.strata.cutoffs) if len(groups) > 1 else None
        ),
    )


def _validated(bundle: Bundle, result: ScoreResult, row: int) -> SubsetValidation:
    """How the model does with just the modalities of a scored patient."""
    sets = bundle.reference.by_set(result.presence[[row]])
    return next(found.validation for found, rows in sets if len(rows))


def _subgroups(bundle: Bundle, result: ScoreResult, row: int) -> tuple[SubgroupValidation, ...]:
    """Subgroups of the patient that have events enough, the subtype first."""
    pairs = zip(bundle.reference.subgroups, result.subgroups[row].tolist(), strict=True)
    return tuple(subgroup for subgroup, member in pairs if member and subgroup.known)


def _deciding(bundle: Bundle, result: ScoreResult, row: int) -> SubgroupValidation | None:
    """The subgroup by which the patient is judged, if there is one."""
    return find_deciding(bundle.reference.subgroups, result.subgroups[[row]])[0]


def _judged(result: ScoreResult, row: int) -> Mapping[int, GateResult]:
    """What outcomes of others than training patients say of the risk of one of them, by horizon."""
    return {} if result.membership[row] == Membership.TRAINING else result.judged


def _hazard_ratio(bundle: Bundle, result: ScoreResult, row: int, z: Interval) -> Interval:
    """Hazard ratio against the median training patient, both seen with the same modalities."""
    validated, reference = _validated(bundle, result, row), bundle.reference
    risk = reference.mean + reference.sd * np.array([z.value, z.low, z.high])
    slope = validated.slope or 0.0  # a scored patient's set has one
    value, *ends = np.exp(slope * (risk - validated.median)).tolist()
    return Interval(value=value, low=min(ends), high=max(ends))


def _horizon(bundle: Bundle, result: ScoreResult, row: int, months: int) -> HorizonSurvival:
    gate, reference = _validated(bundle, result, row).gate(months), bundle.reference
    judged = _judged(result, row).get(months)
    reason = "" if gate.open else sentences.closed_words(gate)
    if not reason and judged is not None and judged.verdict == "closed":
        reason = sentences.contradicted_words(judged)
    if result.unlike[row]:
        reason = sentences.UNLIKE_REASON
    if reason:
        hidden = sentences.hidden_sentence(months, reason)
        return HorizonSurvival(
            months=months, survival=None, reason=reason, statement="", sentence=hidden
        )
    z = result.table[["z", "z_high", "z_low"]].iloc[row].to_numpy("float64")
    risks = reference.mean + reference.sd * z
    presence = np.repeat(result.presence[[row]], len(risks), axis=0)
    value, low, high = reference.survival(risks, presence, [float(months)])[:, 0].tolist()
    survival = Interval(value=value, low=low, high=high)
    return HorizonSurvival(
        months=months,
        survival=survival,
        reason="",
        statement=sentences.survival_statement(survival, months, bundle.info.endpoint),
        sentence=sentences.survival_sentence(
            survival, months, bundle.info.endpoint, bundle.card.data.n_patients
        ),
    )


def _bound(bundle: Bundle, result: ScoreResult, row: int) -> OutlivedTime:
    fitted, endpoint = bundle.reference.bound, bundle.info.endpoint
    months = float(result.table[OUTLIVED].iloc[row])
    if np.isfinite(months):
        sentence = sentences.outlived_sentence(months, fitted, endpoint)
        return OutlivedTime(months=months, reason="", sentence=sentence)
    reason = fitted.reason
    if result.unlike[row]:
        reason = sentences.UNLIKE_REASON
    elif not result.presence[row].all():
        reason = "it was fitted for patients with all modalities"
    elif closed := [g for g in _judged(result, row).values() if g.verdict == "closed"]:
        reason = sentences.contradicted_words(closed[0])
    sentence = f"No time that 9 of 10 such patients outlive is given: {reason}."
    return OutlivedTime(months=None, reason=reason, sentence=sentence)


def _unlike(modalities: Sequence[ModalityCheck], inputs: Sequence[InputCheck]) -> str | None:
    reasons = [f"{check.label} {listed(check.reasons)}" for check in modalities if check.reasons]
    reasons += [check.words for check in inputs if check.status == "far"]
    if not reasons:
        return None
    return (
        f"E-33: This case is unlike the training data ({'; '.join(reasons)}). "
        "Treat the score as unreliable."
    )


def _renamed(
    note: str,
    modalities: Sequence[ModalityCheck],
    inputs: Sequence[InputCheck],
    said: Sequence[InputCheck],
) -> str:
    """Return a warning with the names that people know modalities and inputs by."""
    name, colon, rest = note.partition(": ")
    labels = {check.name: check.label for check in modalities}
    labels |= {check.name: named.name for check, named in zip(inputs, said, strict=True)}
    lacking, called = (listed([c.name for c in checks if not c.known]) for checks in (inputs, said))
    if lacking and note.startswith(f"{WITHOUT} {lacking},"):
        return note.replace(lacking, called, 1)
    return f"{labels.get(name, name)}{colon}{rest}"
