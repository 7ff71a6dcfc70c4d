"""Records of cases by the tiny bundle, and readings of their PDFs."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pypdf

from camlif.data.cohort import Cohort
from camlif.explain import explain_features, explain_modalities
from camlif.model.bundle import Bundle
from camlif.model.case import CaseSummary, summarise_case
from camlif.model.scoring import ScoreResult
from camlif.statistics.gate import Verdict
from dashboard.figures.attribution import FeatureContribution
from dashboard.profiles import load_profile
from dashboard.report.build import CaseReport, ReportSource, case_report
from dashboard.report.record import CaseRecord, ExplanationRecord, FeaturesRecord
from tests.builders.bundles import new_patients, tiny_bundle, tiny_cohort
from tests.builders.validated import with_gates, with_parts

DAY = dt.date(2026, 3, 1)
VERDICT = "Integrated Gradients passes the check of explanations on this model (50 patients)."


def bundle_with_gates(*, is_open: bool) -> Bundle:
    """The tiny bundle with all gates open or closed, and every set of modalities scored."""
    bundle = tiny_bundle()
    verdict: Verdict = "open" if is_open else "untested"
    reason = "" if is_open else "only 3 events; 50 needed"
    reference = with_gates(
        bundle.reference, lambda gate: replace(gate, verdict=verdict, reason=reason, ratio=1.0)
    )
    reference = with_parts(reference, low=0.6, n_patients=200, n_events=80)
    return replace(bundle, reference=reference)


@cache
def _scored(*, is_open: bool, training: bool) -> tuple[Bundle, Cohort, ScoreResult]:
    bundle = bundle_with_gates(is_open=is_open)
    cohort = tiny_cohort() if training else new_patients()
    return bundle, cohort, bundle.score(cohort)


def source(*, is_open: bool = True, training: bool = False) -> ReportSource:
    """New patients scored by the tiny bundle, or its own training patients."""
    bundle, cohort, result = _scored(is_open=is_open, training=training)
    return ReportSource(
        cohort=cohort,
        tokens=[f"{i:016x}" for i in range(len(cohort))],
        cohort_digest="d" * 64,
        bundle=bundle,
        model_digest="b" * 64,
        result=result,
        profile=load_profile("generic"),
    )


def explanation(found: ReportSource, row: int) -> ExplanationRecord:
    """Contributions of a patient, without percentiles."""
    modalities = explain_modalities(found.bundle, found.cohort, [row])
    features = explain_features(found.bundle, found.cohort, [row], steps=16)
    merged = features.by_clinical_column(found.bundle.schema)
    shown = FeaturesRecord.of(
        [
            FeatureContribution(
                name=name, contribution=float(value), value=1234.5, unit="mm", group=group
            )
            for part in merged.contributions
            for name, group, value in zip(part.columns, part.groups, part.values[0], strict=True)
        ],
        method="Integrated Gradients",
        level="feature",
        steps=features.steps,
        completeness_gap=float(features.completeness_gap[0]),
    )
    return ExplanationRecord(
        baseline="training median",
        modalities=dict(zip(modalities.players, map(float, modalities.values[0]), strict=True)),
        features=shown,
        verdict=VERDICT,
    )


def summary_of(found: ReportSource, row: int) -> CaseSummary:
    """What the page says of a patient."""
    return summarise_case(found.bundle, found.result, row, modality=found.profile.modality)


def report(row: int = 0, found: ReportSource | None = None, **options: Any) -> CaseReport:
    """The report of a patient, explained."""
    found = found or source()
    why = explanation(found, row) if found.result.scored[row] else None
    return case_report(found, row, summary_of(found, row), created=DAY, explanation=why, **options)


def changed(report: CaseReport, **fields: Any) -> CaseReport:
    """A report whose record has other values."""
    data = report.record.model_dump() | fields
    return replace(report, record=CaseRecord.model_validate(data))


def read(pdf: bytes) -> pypdf.PdfReader:
    """Open a PDF."""
    return pypdf.PdfReader(io.BytesIO(pdf))


def fonts_of(pdf: bytes) -> dict[str, pypdf.generic.DictionaryObject]:
    """Descriptors of the fonts of all pages by name, without the tag of the subset."""
    found = {}
    for page in read(pdf).pages:
        for font in page["/Resources"]["/Font"].values():  # type: ignore[index]
            (face,) = font.get_object()["/DescendantFonts"]
            name = str(face.get_object()["/BaseFont"]).split("+")[-1]
            found[name] = face.get_object()["/FontDescriptor"]
    return found


def text_of(pdf: bytes) -> str:
    """All text of a PDF, spaces and line breaks as single spaces."""
    return squeezed(" ".join(page.extract_text() for page in read(pdf).pages))


def squeezed(text: str) -> str:
    """Text with single spaces."""
    return re.sub(r"\s+", " ", text)


LONG = "an unusually long name of a thing " * 40


def note(text: str, kind: str = "note", **more: str) -> dict[str, str]:
    """A note or decision of the board as a record holds it."""
    common = {"recorded": "2026-03-01T09:30:00+00:00", "author": "chair", "kind": kind}
    return common | {"text": text} | more


def _abstained() -> CaseReport:
    found = source()
    result = replace(
        found.result,
        scored=np.zeros(len(found.cohort), dtype=bool),
        presence=found.result.presence & np.array([True, False]),
        table=found.result.table.assign(
            warnings="not scored: ct missing, and the model was not validated on pathology alone"
        ),
    )
    return report(0, replace(found, result=result))


def _first(*, complete: bool) -> int:
    """Row of the first patient with all modalities, or without one."""
    return int(np.flatnonzero(source().cohort.presence.all(axis=1) == complete)[0])


KINDS: dict[str, Callable[[], CaseReport]] = {
    "whole": lambda: report(_first(complete=True)),
    "missing modality": lambda: report(_first(complete=False)),
    "closed gate": lambda: report(0, source(is_open=False)),
    "training patient": lambda: report(0, source(training=True)),
    "abstained": _abstained,
    "notes": lambda: report(board={"notes": [note(f"Note {i}. {LONG}") for i in range(9)]}),
}


@cache
def case_of(kind: str) -> CaseReport:
    """A case of a kind, made when it is first asked for."""
    return KINDS[kind]()
