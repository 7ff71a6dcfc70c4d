"""A case as a FHIR R4B RiskAssessment (http://hl7.org/fhir/R4B/riskassessment.html).

Written as plain JSON: the models of ``fhir.resources`` (27 MB) check it in the tests, and running
does not need them.
"""

from __future__ import annotations

import json
from typing import Any

from camlif.model.case import CaseScore, HorizonSurvival
from camlif.wording import FEWEST_OF_100, count, period
from dashboard.report.record import CaseRecord

TOKENS = "urn:camlif:case-token"
DIGESTS = "urn:camlif:sha256"
MONTHS = {"unit": "months", "system": "http://unitsofmeasure.org", "code": "mo"}
DIGITS = 2


def risk_assessment(record: CaseRecord) -> dict[str, Any]:
    """Return the resource.

    The subject is the case token, never an identifier. Each open horizon is a prediction of the
    event with its probability in per cent, which is a range where hardly anybody is expected to be
    free of it; the risk group is one of its own, with the hazard ratio in its rationale: FHIR's
    ``relativeRisk`` is a ratio of risks to those of the population. A case without a score has no
    prediction and says why in its notes. The status is ``preliminary``: nobody has signed it.
    """
    model = record.model
    resource: dict[str, Any] = {
        "resourceType": "RiskAssessment",
        "meta": {"tag": [{"display": "Research use only. Not a medical device."}]},
        "identifier": [{"system": TOKENS, "value": f"{record.case}/{model.digest}"}],
        "status": "preliminary",
        "method": {
            "coding": [{"system": DIGESTS, "code": model.digest, "display": model.name}],
            "text": (
                f"CA-MLIF ensemble {model.name} of {model.date}, {count(model.members, 'member')}; "
                f"training cohort n = {model.n_training}, {count(model.n_events, 'event')}"
            ),
        },
        "code": {"text": f"Prognosis: {model.endpoint}"},
        "subject": {"type": "Patient", "identifier": {"system": TOKENS, "value": record.case}},
        "occurrenceDateTime": record.created.isoformat(),
        "basis": _basis(record),
        "note": [{"text": text} for text in (record.notice, *record.reasons, *record.caveats)],
    }
    if record.result is not None:
        resource["prediction"] = _predictions(record, record.result)
    return resource


def to_json(record: CaseRecord) -> str:
    """Return the resource as a JSON file."""
    return json.dumps(risk_assessment(record), indent=1, ensure_ascii=False) + "\n"


def _basis(record: CaseRecord) -> list[dict[str, Any]]:
    digest = {"system": DIGESTS, "value": record.cohort.digest}
    data = {"identifier": digest, "display": f"Tables of the cohort {record.cohort.title}"}
    parts = [{"display": f"{m.label}: {m.status}"} for m in record.modalities]
    given = [
        {"display": f"{name}: {'missing' if value is None else 'given'}"}
        for name, value in record.clinical.items()
    ]
    return [data, *parts, *given]


def _predictions(record: CaseRecord, result: CaseScore) -> list[dict[str, Any]]:
    outcome = {"text": record.model.event_noun}
    group = {
        "outcome": outcome,
        "qualitativeRisk": {"text": f"{result.label} (risk group of the model)"},
        "rationale": f"{result.spread_words}. {result.agreement_sentence}",
    }
    shown = [h for h in result.horizons if h.survival is not None]
    return [group, *(_at(h, outcome) for h in shown)]


def _at(horizon: HorizonSurvival, outcome: dict[str, str]) -> dict[str, Any]:
    survival = horizon.survival
    assert survival is not None  # noqa: S101
    value, low, high = (100 * (1 - s) for s in (survival.value, survival.high, survival.low))
    most = 100 - FEWEST_OF_100
    probability: dict[str, Any] = (
        {"probabilityDecimal": round(value, DIGITS)}
        if value <= most
        else {"probabilityRange": {"low": {"value": most}, "high": {"value": 100}}}
    )
    limits = f" (model interval {low:.1f} to {high:.1f})" if high <= most else ""
    return {
        "outcome": outcome,
        **probability,
        "whenRange": {"low": {"value": 0, **MONTHS}, "high": {"value": horizon.months, **MONTHS}},
        "rationale": (
            f"Per cent of patients with a score like this by {period(horizon.months)}{limits}. "
            f"{horizon.sentence}"
        ),
    }
