"""The Case page: what is known of a patient, how sure the model is, and where it abstains."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from camlif.data.cohort import Cohort
from camlif.data.samples import load_sample
from camlif.model.bundle import load_bundle
from camlif.model.case import summarise_case
from camlif.model.sentences import NO_COMPARISON
from dashboard.figures.attribution.bars import ordinal
from dashboard.session import resources, state
from tests.dashboard.conftest import OpenApp
from tests.dashboard.views.test_pages import problems_of, text_of, unescaped

SHIPPED = Path(__file__).resolve().parents[3] / "models"


def without(cohort: Cohort, modality: str, rows: list[int]) -> Cohort:
    """The cohort, with a modality absent in some patients."""
    table, presence = cohort.tables[modality].copy(), cohort.presence.copy()
    table[rows] = np.nan
    presence[rows, cohort.schema.names.index(modality)] = False
    return replace(cohort, tables={**cohort.tables, modality: table}, presence=presence)


def uploaded(cohort: Cohort) -> dict[str, object]:
    """Session state in which a cohort has been uploaded."""
    return {"cohort": state.UPLOADED, state.UPLOAD.name: resources.loaded(state.UPLOADED, cohort)}


def test_the_first_screen_gives_denominators_range_and_calibration(
    open_app: OpenApp, models: Path
) -> None:
    text = text_of(open_app())
    bundle = load_bundle(models / "glioma", device="cpu")
    assert f"of {bundle.card.data.n_patients} training patients" in text
    assert len(re.findall(r"(?:Pathology|Genomics): (?:in range|unusual|outside)", text)) == 2
    gate = bundle.reference.whole.gate(36)
    assert "Calibration at 3 years: recalibrated within this cohort; not an external check" in text
    assert f"Expected over observed events {gate.ratio:.2f}" in text
    assert re.search(r"of \d+ others in this cohort, same WHO subtype, \d+ of 100", text)


def test_the_answer_is_said_once_and_shown_three_ways(open_app: OpenApp) -> None:
    bundle = load_bundle(SHIPPED / "glioma", device="cpu")
    app = open_app(folder=SHIPPED)
    result = bundle.score(load_sample("glioma").take(np.arange(1)), embed=False)
    case = summarise_case(bundle, result, 0)
    assert case.score is not None
    horizon = case.score.horizons[1]
    for view in ("Icons", "Curve", "Words"):
        app.segmented_control(key="answer_view").select(view).run()
        assert sum(horizon.statement in unescaped(m.value) for m in app.markdown) == 1
        curves = [c.key for c in app.get("plotly_chart")]
        assert (view == "Curve") == any("case_predicted" in str(key) for key in curves)
        assert (horizon.sentence in [unescaped(c.value) for c in app.code]) == (view == "Words")
    reason = case.certainty.reason
    assert f"{case.certainty.state.upper()}] {reason[:1].upper()}{reason[1:]}." in text_of(app)
    assert problems_of(app) == []


def test_calibration_follows_the_horizon(open_app: OpenApp) -> None:
    app = open_app()
    for year in ("1 y", "5 y"):
        app.segmented_control(key="year").select(year).run()
        assert f"Calibration at {year[0]} year" in text_of(app)
    assert problems_of(app) == []


def test_imputed_shares_and_clinical_gaps_are_shown(open_app: OpenApp) -> None:
    cohort = load_sample("luad")
    table, clinical = cohort.tables["ct"].copy(), cohort.clinical.copy()
    first, *rest = cohort.schema["ct"].groups
    start, gaps = first.n_features, rest[0].n_features - 1
    table[0, : start + gaps] = np.nan  # all of the first group, some of the second
    clinical.iloc[0, clinical.columns.get_loc("age")] = np.nan
    gappy = replace(cohort, tables={**cohort.tables, "ct": table}, clinical=clinical)
    app = open_app(**uploaded(gappy))
    text = text_of(app)
    share = gaps / (table.shape[1] - start)
    assert f"without {first.name}, {100 * share:.0f}% imputed" in text
    assert "age missing" in text
    assert re.search(r"Clinical \(age, [^)]*sex", text)
    assert problems_of(app) == []


def test_a_word_that_the_model_does_not_know_is_told_beside_the_result(open_app: OpenApp) -> None:
    cohort = load_sample("luad")
    clinical = cohort.clinical.assign(sex=cohort.clinical["sex"].astype(object))
    clinical.iloc[0, clinical.columns.get_loc("sex")] = "diverse"
    app = open_app(**uploaded(replace(cohort, clinical=clinical)))
    text = text_of(app)
    assert "sex diverse unknown" in text
    assert "Sex: diverse is not known to the model, treated as missing" in text
    assert "Scored without sex, with a wider interval" in text
    assert problems_of(app) == []


def test_a_missing_modality_abstains_and_its_range_is_an_interval(open_app: OpenApp) -> None:
    app = open_app(**uploaded(without(load_sample("luad"), "ct", [0])))
    warnings = [unescaped(w.value) for w in app.warning]
    assert any(
        w.startswith("E-32: CT is missing for this case. The model was not") for w in warnings
    )
    assert not app.get("plotly_chart")
    assert "draws" not in text_of(app)
    app.toggle(key="case_sensitivity").set_value(True).run()
    found = re.search(
        r"With CT of (\d+) (?:same-subtype|other) patients \(200 draws\), z would lie between "
        r"(\S+) and (\S+) in 95 of 100 draws",
        text_of(app),
    )
    assert found is not None
    assert float(found[2]) < float(found[3])
    assert "Exploration, not a result" in text_of(app)
    assert problems_of(app) == []


def test_without_donors_the_range_says_so(open_app: OpenApp) -> None:
    cohort = load_sample("luad")
    app = open_app(**uploaded(without(cohort, "ct", list(range(len(cohort))))))
    app.toggle(key="case_sensitivity").set_value(True).run()
    assert any("Only 0 reference patients have ct" in unescaped(i.value) for i in app.info)
    assert problems_of(app) == []


def test_a_reduced_modality_result_stands_beside_how_it_was_validated(open_app: OpenApp) -> None:
    cohort, bundle = load_sample("glioma"), load_bundle(SHIPPED / "glioma", device="cpu")
    lacking = np.flatnonzero(~cohort.presence.all(axis=1))
    (row,) = lacking[bundle.score(cohort.take(lacking)).scored][:1]
    known = np.array(cohort.schema.names)[cohort.presence[row]].tolist()
    validated = bundle.reference.validated(frozenset(known))
    assert validated is not None
    subset = validated.validation
    app = open_app(folder=SHIPPED, **{state.CASE.name: int(row)})

    said = (
        f"Scored from {known[0]}, age and sex only: held-out C-index of the model without the rest "
        f"{subset.c_index:.2f} "
        f"({subset.low:.2f} to {subset.high:.2f}; n = {subset.n_patients:,}"
    )
    assert said in text_of(app)
    assert problems_of(app) == []


def test_a_patient_that_every_model_saw_gets_no_prediction(
    open_app: OpenApp, models: Path, tmp_path: Path
) -> None:
    bundle = load_bundle(models / "glioma", device="cpu")
    seen = np.ones_like(bundle.reference.seen)
    replace(bundle, reference=replace(bundle.reference, seen=seen)).save(tmp_path / "glioma")
    app = open_app(folder=tmp_path)
    assert any(
        "No unbiased prediction, every model saw this patient" in w.value for w in app.warning
    )
    assert not app.get("plotly_chart")
    assert problems_of(app) == []


def test_similar_cases_name_the_models_that_compare_them_and_their_outcomes(
    open_app: OpenApp,
) -> None:
    app = open_app()
    text = text_of(app)
    assert re.search(r"\d of 5 cases had the event \(death\)", text)
    assert NO_COMPARISON in text
    assert re.search(r"fused space of the \d+ models? that did not see this patient", text)


def test_age_has_a_percentile_of_the_cohort(open_app: OpenApp) -> None:
    app = open_app(folder=SHIPPED, why_features=True)  # its strongest clinical input is age
    age = load_sample("glioma").clinical["age"]
    own = age.iloc[0]
    percent = 100 * ((age < own).mean() + 0.5 * (age == own).mean())
    assert f"{own:g} years, {ordinal(percent)} percentile" in text_of(app)


def test_without_a_model_the_page_says_where_to_look(open_app: OpenApp, tmp_path: Path) -> None:
    app = open_app(folder=tmp_path)
    assert any("No installed model fits" in i.value for i in app.info)
    assert problems_of(app) == []


def test_a_case_quotes_its_own_subgroup_and_none_is_scored_whose_subgroup_is_not_ranked(
    open_app: OpenApp,
) -> None:
    cohort, bundle = load_sample("transbig"), load_bundle(SHIPPED / "transbig", device="cpu")
    assert cohort.subtype is not None
    subgroups = {s.level: s for s in bundle.reference.subgroups or () if s.kind == "subtype"}
    ranked, unranked = subgroups["positive"], subgroups["negative"]
    first = {s: int(np.flatnonzero(cohort.subtype == s)[0]) for s in subgroups}

    opened = {"cohort": "transbig", "folder": SHIPPED}
    app = open_app(**opened, **{state.CASE.name: first["positive"]})
    said = f"Among patients of ER status positive: held-out {ranked.numbers}."
    assert text_of(app).count(said) == 2  # How sure, and the caveats
    assert problems_of(app) == []

    app = open_app(**opened, **{state.CASE.name: first["negative"]})
    (warning,) = (unescaped(w.value) for w in app.warning)
    assert warning == (
        "The model did not rank patients of ER status negative in validation (C-index "
        f"{unranked.c_index:.2f} ({unranked.low:.2f} to {unranked.high:.2f}), n = 64, 23 events). "
        "No score is shown."
    )
    assert "HIGH RISK" not in text_of(app)
    assert problems_of(app) == []
