"""From a scored cohort to the record of a case.

A `CaseSummary` and what the page shows of the case go in; a `CaseReport` comes out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from camlif.data.course import before_prediction
from camlif.model.case import CaseSummary
from camlif.model.certainty import Certainty
from camlif.statistics import KaplanMeierCurve
from dashboard import messages
from dashboard.figures.kaplan_meier import case_curve_chart
from dashboard.known_outcome import subtype_curve
from dashboard.profiles import Profile, distinct, patient_facts
from dashboard.report.record import (
    CaseRecord,
    CohortRecord,
    CurveRecord,
    ExplanationRecord,
    ModelRecord,
)

if TYPE_CHECKING:
    from camlif.data.cohort import Cohort
    from camlif.model.bundle import Bundle
    from camlif.model.scoring import ScoreResult

HIDDEN = "Hidden until the board has recorded its own estimate."


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSource:
    """A scored cohort: what the Case page looks at."""

    cohort: Cohort
    tokens: Sequence[str]
    cohort_digest: str
    bundle: Bundle
    model_digest: str
    result: ScoreResult
    profile: Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReport:
    """A record with the curves of the training strata and of the subtype, which its figure draws.

    ``horizon`` is that of the icon array, months; None leaves the choice to the record. ``hidden``
    is whether the result waits for the board's estimate: the record then holds none.
    """

    record: CaseRecord
    curves: Mapping[str, KaplanMeierCurve]
    subtype: tuple[str, KaplanMeierCurve] | None = None
    horizon: int | None = None
    hidden: bool = False


def withhold(report: CaseReport) -> CaseReport:
    """Return a report without the result, and without anything that tells it."""
    nothing = {
        "result": None,
        "certainty": Certainty("can't say", "the result is hidden"),
        "reasons": (HIDDEN,),
        "curve": None,
        "course": before_prediction(report.record.course),
        "gates": (),
        "subgroups": (),
        "explanation": None,
        "caveats": (),
    }
    return replace(report, record=report.record.model_copy(update=nothing), hidden=True)


def case_report(
    source: ReportSource,
    row: int,
    summary: CaseSummary,
    *,
    created: dt.date,
    explanation: ExplanationRecord | None = None,
    board: Mapping[str, Any] | None = None,
    show_id: bool = False,
    horizon: int | None = None,
) -> CaseReport:
    """Collect all that is said of a patient.

    Parameters
    ----------
    source : ReportSource
    row : int
        Position in the cohort.
    summary : CaseSummary
        What the page says of the patient.
    created : date
        Printed on the report.
    explanation : ExplanationRecord, optional
    board : mapping, optional
        What the board kept: printed, and in the JSON file.
    show_id : bool
        Whether the record holds the identifier beside the token.
    horizon : int, optional
        Months of the icon array.
    """
    bundle, cohort = source.bundle, source.cohort
    subtype = subtype_curve(cohort, row, source.profile)
    record = CaseRecord(
        notice=messages.BANNER,
        created=created,
        case=source.tokens[row],
        patient_id=summary.patient_id if show_id else None,
        membership=summary.membership,
        facts=patient_facts(cohort, row, source.profile),
        clinical=_clinical(source, row, summary),
        modalities=summary.modalities,
        unlike=summary.unlike,
        cohort=_cohort(source),
        model=_model(source),
        strata=bundle.strata.names,
        cutoffs=tuple(float(cut) for cut in bundle.strata.cutoffs),
        result=summary.score,
        certainty=summary.certainty,
        reasons=(summary.no_score,) if summary.no_score else (),
        course=cohort.course_of(row),
        curve=_curve(source, summary, row, subtype),
        gates=summary.gates,
        subgroups=summary.subgroups,
        explanation=explanation if summary.score else None,
        caveats=summary.caveats,
        notes=tuple(board_words(board or {})),
        board=dict(board or {}),
    )
    return CaseReport(
        record=record, curves=bundle.reference.curves, subtype=subtype, horizon=horizon
    )


def board_words(kept: Mapping[str, Any]) -> list[str]:
    """Say the board's estimate, decisions and notes, each with its day and author.

    Parameters
    ----------
    kept : mapping
        As the store gives it; decisions and notes the newest first.
    """
    estimate = kept.get("estimate")
    rows = [*([estimate] if estimate else []), *kept.get("decisions", []), *kept.get("notes", [])]
    return [board_line(row) for row in rows]


def board_line(row: Mapping[str, Any]) -> str:
    """Say one estimate, decision or note."""
    return f"{row['recorded'][:10]}, {row['author']}, {row['kind']}: {board_text(row)}"


def board_text(row: Mapping[str, Any]) -> str:
    """Return the risk group and the words of one estimate, decision or note."""
    group = f"{row['risk_group']} risk" if row.get("risk_group") else ""
    return ": ".join(part for part in (group, row.get("text") or "") if part)


def _cohort(source: ReportSource) -> CohortRecord:
    info = source.cohort.info
    return CohortRecord(
        title=info.title,
        badge=info.badge,
        n_patients=len(source.cohort),
        digest=source.cohort_digest,
    )


def _clinical(source: ReportSource, row: int, summary: CaseSummary) -> dict[str, str | None]:
    """Values of the clinical inputs; None where the model treats one as missing."""
    clinical, profile = source.cohort.clinical.iloc[row], source.profile
    codes = [check.name for check in summary.inputs]
    names = distinct([profile.column_name(code) for code in codes], codes)
    return {
        name: profile.value_text(check.name, clinical.get(check.name)) if check.known else None
        for name, check in zip(names, summary.inputs, strict=True)
    }


def _model(source: ReportSource) -> ModelRecord:
    bundle = source.bundle
    card, endpoint = bundle.card, bundle.info.endpoint
    return ModelRecord(
        name=bundle.name,
        date=card.date,
        digest=source.model_digest,
        config_digest=card.config_digest,
        camlif_version=card.training.camlif_version,
        members=bundle.n_members,
        split_scheme=card.training.split_scheme,
        seed=card.training.seed,
        endpoint=endpoint.name,
        event_noun=endpoint.event_noun,
        event_free=endpoint.event_free,
        n_training=card.data.n_patients,
        n_events=card.data.n_events,
    )


def _curve(
    source: ReportSource,
    summary: CaseSummary,
    row: int,
    subtype: tuple[str, KaplanMeierCurve] | None,
) -> CurveRecord | None:
    if summary.score is None:
        return None
    bundle, result = source.bundle, source.result
    parts = (result.survival[row], result.survival_low[row], result.survival_high[row])
    chart = case_curve_chart(
        bundle.reference.curves,
        summary.score.stratum,
        result.times,
        *parts,
        endpoint=bundle.info.endpoint,
        theme="light",
        subtype=subtype,
    )
    shown = np.isfinite(parts[0])
    times, survival, low, high = (
        tuple(float(v) for v in values[shown]) for values in (result.times, *parts)
    )
    return CurveRecord(times=times, survival=survival, low=low, high=high, finding=chart.finding)
