"""The FHIR resource of a case."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from dashboard import messages
from dashboard.report.build import CaseReport
from dashboard.report.fhir import to_json
from tests.dashboard.report.cases import KINDS, case_of, report

RiskAssessment = pytest.importorskip("fhir.resources.R4B.riskassessment").RiskAssessment


def _resource(found: CaseReport) -> dict[str, Any]:
    """The resource as R4B's own models read and write it."""
    text = to_json(found.record)
    parsed = json.loads(RiskAssessment.model_validate_json(text).model_dump_json())
    assert parsed == json.loads(text)
    return dict(parsed)


@pytest.mark.parametrize("kind", KINDS)
def test_resource_is_valid_preliminary_and_marked_as_research(kind: str) -> None:
    resource = _resource(case_of(kind))
    assert resource["resourceType"] == "RiskAssessment"
    assert resource["status"] == "preliminary"
    assert resource["note"][0]["text"] == messages.BANNER
    assert resource["occurrenceDateTime"] == "2026-03-01"
    assert resource["subject"]["identifier"]["value"] == case_of(kind).record.case


def test_predictions_are_of_the_event_in_per_cent_by_each_open_horizon() -> None:
    result = case_of("whole").record.result
    assert result is not None
    group, *at = _resource(case_of("whole"))["prediction"]
    assert not any("relativeRisk" in prediction for prediction in (group, *at))  # no hazard ratio
    assert f"{result.hazard_ratio.value:.2f}" in group["rationale"]
    assert [p["whenRange"]["high"]["value"] for p in at] == [12, 36, 60]
    for prediction, horizon in zip(at, result.horizons, strict=True):
        assert horizon.survival is not None
        expected = 100 * (1 - horizon.survival.value)
        assert prediction["probabilityDecimal"] == pytest.approx(expected, abs=0.005)
        assert prediction["outcome"]["text"] == "death"
        assert prediction["whenRange"]["low"]["code"] == "mo"


def test_a_probability_that_no_model_is_sure_of_is_a_range() -> None:
    record = case_of("whole").record
    assert record.result is not None
    horizon = record.result.horizons[-1]
    assert horizon.survival is not None
    survival = replace(horizon.survival, value=0.012, low=0.001, high=0.04)
    result = replace(record.result, horizons=(replace(horizon, survival=survival),))
    resource = json.loads(to_json(record.model_copy(update={"result": result})))
    prediction = resource["prediction"][-1]
    assert "probabilityDecimal" not in prediction
    assert prediction["probabilityRange"] == {"low": {"value": 95}, "high": {"value": 100}}
    assert prediction["rationale"].startswith(
        "Per cent of patients with a score like this by 5 years. "
    )
    RiskAssessment.model_validate(resource)


def test_closed_gates_leave_no_probability_and_no_score_leaves_no_prediction() -> None:
    (group,) = _resource(case_of("closed gate"))["prediction"]
    assert "probabilityDecimal" not in group
    abstained = _resource(case_of("abstained"))
    assert "prediction" not in abstained
    assert any("E-32: CT is missing" in note["text"] for note in abstained["note"])


def test_resource_never_holds_an_identifier() -> None:
    found = report(0, show_id=True)
    assert found.record.patient_id is not None
    assert found.record.patient_id not in to_json(found.record)
