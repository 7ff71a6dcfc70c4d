"""Validation in process: who is measured and how, and what stays out when it cannot be."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from camlif.config import HORIZONS
from camlif.data.reading.readers import load_cohort
from camlif.data.samples import load_sample
from camlif.data.simulator import simulate, write_simulated
from camlif.model.bundle import load_bundle
from camlif.statistics import calibration_gates, concordance_index
from dashboard.session import resources, state
from dashboard.views.validation.data import MEASURED, Measured
from tests.dashboard.conftest import OpenApp
from tests.dashboard.views.test_pages import DEATH_WORDS, problems_of, text_of


def measured_of(app: AppTest) -> Measured:
    found: Measured = app.session_state[MEASURED.name][1]
    return found


def table_of(app: AppTest, column: str) -> pd.DataFrame:
    """The table that has a column of this name."""
    return next(f.value for f in app.dataframe if column in f.value.columns)


def test_training_patients_are_measured_by_members_that_did_not_see_them(
    open_app: OpenApp, models: Path
) -> None:
    app = open_app("validation")
    assert problems_of(app) == []
    shown = text_of(app)
    assert "All are patients of the training cohort" in shown
    assert "only from members that did not see the patient" in shown
    cohort, bundle = load_sample("glioma"), load_bundle(models / "glioma", device="cpu")
    result, (event, duration) = bundle.score(cohort), cohort.outcome()
    rows = np.flatnonzero(result.scored)
    predictions = measured_of(app).predictions
    np.testing.assert_array_equal(predictions.outcome.rows, rows)
    np.testing.assert_allclose(predictions.risk, result.log_risk[rows])
    # Cross-fitted probabilities give the ratio of the gate that the bundle was trained with.
    gates = calibration_gates(result.log_risk[rows], event[rows], duration[rows], horizons=HORIZONS)
    for panel, gate in zip(measured_of(app).panels, gates, strict=True):
        assert panel.result.ratio == pytest.approx(gate.ratio)
    row = table_of(app, "Group").iloc[0]
    c = concordance_index(predictions.risk, event[rows], duration[rows])
    assert row["C-index"].startswith(f"{c:.2f} (")
    assert row["n"] == len(rows)


def test_other_patients_are_measured_with_the_frozen_calibration(
    open_app: OpenApp, models: Path, tmp_path: Path
) -> None:
    write_simulated(simulate("glioma", n_patients=150, seed=11), tmp_path)
    open_app()
    loaded = resources.loaded(state.UPLOADED, load_cohort(tmp_path))
    app = open_app("validation", state.UPLOADED, **{state.UPLOAD.name: loaded})
    assert problems_of(app) == []
    assert "None is of the training cohort" in text_of(app)
    predictions = measured_of(app).predictions
    assert not predictions.is_training.any()
    bundle = load_bundle(models / "glioma", device="cpu")
    presence = bundle.prepare(loaded.cohort).presence[predictions.outcome.rows]
    expected = bundle.reference.survival(predictions.risk, presence, predictions.times)
    np.testing.assert_allclose(predictions.survival, expected)
    app.button(key="forget").click().run()
    assert MEASURED.name not in app.session_state or len(measured_of(app).predictions.risk) != 150


def test_new_patients_are_validated_when_asked_whatever_the_filters_show(
    open_app: OpenApp, tmp_path: Path
) -> None:
    write_simulated(simulate("glioma", n_patients=150, seed=11), tmp_path)
    open_app()
    loaded = resources.loaded(state.UPLOADED, load_cohort(tmp_path))
    app = open_app("validation", state.UPLOADED, **{state.UPLOAD.name: loaded})
    assert "What this shows" not in text_of(app)
    app.button(key="validate_new").click().run()
    assert problems_of(app) == []
    shown = text_of(app)
    assert "ranks these patients" in shown
    assert "read" in table_of(app, "n")["Patients"].tolist()
    assert {b.label for b in app.get("download_button")} >= {
        f"Report ({kind})" for kind in ("PDF", "HTML", "JSON")
    }
    everyone = table_of(app, "Shift")
    app.slider(key="age_range").set_value((20, 35)).run()
    pd.testing.assert_frame_equal(table_of(app, "Shift"), everyone)


def test_a_training_cohort_offers_no_validation_of_new_patients(open_app: OpenApp) -> None:
    app = open_app("validation")
    assert "Patients new to the model" not in text_of(app)


def test_the_gate_is_said_in_words_for_every_horizon(open_app: OpenApp) -> None:
    app = open_app("validation")
    gate = table_of(app, "Training cohort")
    assert gate["Horizon"].tolist() == ["1 year", "3 years", "5 years"]
    for column in ("These patients", "Training cohort"):
        assert all(v == "open" or v.startswith(("closed: ", "untested: ")) for v in gate[column])
    assert gate["ICI (points)"].str.contains(r"\(at most ").all()
    assert "recalibrated within this cohort; not an external check" in text_of(app)
    app.slider(key="age_range").set_value((20, 35)).run()
    few = table_of(app, "Training cohort")
    assert few["These patients"].str.startswith("untested: only ").all()
    assert problems_of(app) == []


def test_filters_change_who_is_measured_but_not_how_they_are_predicted(open_app: OpenApp) -> None:
    app = open_app("validation")
    before = measured_of(app).predictions
    app.multiselect(key="grade").select("4").run()
    after = measured_of(app).predictions
    assert 0 < len(after.risk) < len(before.risk)
    same = np.isin(before.outcome.rows, after.outcome.rows)
    columns = np.searchsorted(before.times, 36.0), np.searchsorted(after.times, 36.0)
    np.testing.assert_array_equal(before.survival[same, columns[0]], after.survival[:, columns[1]])


def test_small_subgroups_are_marked_too_few(open_app: OpenApp) -> None:
    app = open_app("validation")
    app.segmented_control(key="subgroup_horizon").select(12).run()
    table = table_of(app, "Group")
    by_year = next(c for c in table.columns if c.startswith("Events by 1 year"))
    assert {"Sex", "Age", "WHO subtype"} <= set(table["By"])
    few = table[by_year] < 20
    assert few.any()
    assert not few.all()
    assert (table.loc[few, "Expected / observed"] == "too few").all()
    assert not (table.loc[~few, "Expected / observed"] == "too few").any()
    assert (table["Events"] >= table[by_year]).all()


@pytest.mark.parametrize("horizon", [12, 60])
def test_the_decision_curve_has_a_horizon(open_app: OpenApp, horizon: int) -> None:
    app = open_app("validation")
    app.segmented_control(key="decision_horizon").select(horizon).run()
    assert problems_of(app) == []
    assert f"by {horizon // 12} year" in text_of(app)


def test_distances_stand_against_the_stored_percentiles(open_app: OpenApp) -> None:
    shown = text_of(open_app("validation"))
    assert "Beyond the training 99th percentile" in shown
    assert "stored with the model" in shown


def test_another_endpoint_is_never_called_death(open_app: OpenApp) -> None:
    app = open_app("validation", "transbig")
    assert problems_of(app) == []
    assert "distant metastasis" in text_of(app)
    assert not re.findall(DEATH_WORDS, text_of(app), re.IGNORECASE)


def test_without_follow_up_only_the_distances_are_shown(open_app: OpenApp) -> None:
    open_app()
    cohort = replace(load_sample("glioma"), duration=None, event=None)
    loaded = resources.loaded(state.UPLOADED, cohort)
    app = open_app("validation", state.UPLOADED, **{state.UPLOAD.name: loaded})
    assert problems_of(app) == []
    assert any("E-08" in i.value for i in app.info)
    assert "Unlike the training data" in [s.value for s in app.header]
    assert "Calibration" not in [s.value for s in app.header]
