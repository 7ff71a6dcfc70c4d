"""Ablation and Comparison in process: with a small study, without, and with another cohort's."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from camlif.data.samples import load_sample
from camlif.study import read_study
from dashboard import messages
from dashboard.runs import run_folder
from dashboard.session import resources, settings, state
from dashboard.views.study.data import OpenStudy
from dashboard.views.study.paper_figures import FIGURE_A5, FIGURE_A6A, FIGURE_A6B
from dashboard.views.study.table import as_displayed, summary_table
from tests.dashboard.conftest import OpenApp, PointAt
from tests.dashboard.studies import FAILURE, REASON, write_study
from tests.dashboard.views.test_pages import (
    GLIOMA_WORDS,
    LUNG_WORDS,
    problems_of,
    text_of,
    unescaped,
)

PAGES = ("ablation", "comparison")
VIEWS = ("Measures", "Differences", "Curves by variant", "Hazard by subtype", "Table")
PAPER = "Figures of the paper"
CAPTION = r"Data: .*; paper values: .*; this run: .*"


@pytest.fixture
def runs(models: Path, point_at: PointAt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of a user's own studies, empty; no study ships with a sample."""
    point_at(models)
    monkeypatch.setattr(resources, "SAMPLE_FOLDER", tmp_path / "samples")
    return settings.settings().home / "runs"


@pytest.fixture
def study(runs: Path, study_folder: Path) -> Iterator[Path]:
    """A study of the glioma sample among the user's own."""
    folder = runs / "mine"
    shutil.copytree(study_folder, folder)
    _forget_studies()
    yield folder
    shutil.rmtree(folder)
    _forget_studies()


def _forget_studies() -> None:
    for cached in (resources.studies, resources.study):
        cached.clear()


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study") / "glioma")


def view(app: AppTest, page: str, name: str) -> AppTest:
    return app.segmented_control(key=f"{page}_view").select(name).run()


def specs(app: AppTest) -> list[str]:
    return [chart.proto.spec for chart in app.get("plotly_chart")]


def captions(app: AppTest) -> str:
    return "\n".join(unescaped(caption.value) for caption in app.caption)


@pytest.mark.parametrize("page", PAGES)
def test_every_view_opens_with_its_caption(open_app: OpenApp, study: Path, page: str) -> None:
    app = open_app(page)
    title = load_sample("glioma").info.title
    for name in VIEWS:
        view(app, page, name)
        assert problems_of(app) == [], name
        assert messages.BANNER in text_of(app)
        assert len(specs(app)) + len(app.dataframe) > 0, name
        assert re.search(CAPTION, captions(app)), name
        assert f"this run: {title}" in captions(app), name
        assert "not comparable, since these patients are simulated" in captions(app), name


def test_rows_of_the_pages_are_their_own(open_app: OpenApp, study: Path) -> None:
    ablation, comparison = (text_of(open_app(page)) for page in PAGES)
    assert "w/o CA" in ablation
    assert "Ridge Cox" not in ablation
    assert "w/o CA" not in comparison.split("methods are not in this study")[0]
    for title in ("PG-MLIF, native", "Ridge Cox", "genomics (encoder)"):
        assert title in comparison


def test_the_verdict_stands_first_and_an_ablation_is_of_whole_inputs(
    open_app: OpenApp, study: Path
) -> None:
    whole = {"camlif", "ablation"}
    rows = read_study(study).summary.rows
    for page in PAGES:
        families = {row.family for row in rows} - ({"ablation"} if page == "comparison" else set())
        wanted = whole if page == "ablation" else families
        n = sum(row.family in wanted and row.comparison is not None for row in rows)
        first = open_app(page).markdown
        assert any(
            f"{n} variant" in each.value and "on the same splits" in each.value for each in first
        )


def test_the_chart_shows_the_means_of_the_summary(open_app: OpenApp, study: Path) -> None:
    (spec,) = specs(open_app("ablation"))
    for row in read_study(study).summary.rows:
        if row.family in ("camlif", "ablation", "single modality"):
            assert f"{row.mean:.3f} ({row.low:.3f} to {row.high:.3f})" in spec


def test_printed_values_are_those_of_the_disease(open_app: OpenApp, study: Path) -> None:
    app = open_app("comparison")
    assert app.selectbox(key="comparison_printed").value == "gbmlgg"
    drawn = next(t for t in json.loads(specs(app)[0])["data"] if t["meta"] == "printed")
    assert drawn["x"] == [0.908, 0.895]
    assert "Simulated patients: not comparable with printed values" in specs(app)[0]
    app.selectbox(key="comparison_printed").select("kirc").run()
    drawn = next(t for t in json.loads(specs(app)[0])["data"] if t["meta"] == "printed")
    assert drawn["x"] == [0.732, 0.728]
    assert "paper values: TCGA-KIRC" in captions(app)


def test_the_ablation_names_the_cohort_of_the_printed_values(
    open_app: OpenApp, study: Path
) -> None:
    assert "paper values: multi-centre LUAD, not public" in captions(open_app("ablation"))


def test_another_measure_has_no_printed_values(open_app: OpenApp, study: Path) -> None:
    app = open_app("ablation")
    app.selectbox(key="ablation_measure").select("Integrated Brier score").run()
    assert problems_of(app) == []
    assert '"printed"' not in specs(app)[0]
    assert "Lowest mean Integrated Brier score" in text_of(app)


def test_a_measure_that_is_never_defined_says_so(open_app: OpenApp, study: Path) -> None:
    app = open_app("ablation")
    app.selectbox(key="ablation_measure").select("AUC at 12 months").run()
    assert problems_of(app) == []
    assert "No variant has a AUC at 12 months in the splits chosen." in text_of(app)


def test_chosen_variants_and_splits_only_are_shown(open_app: OpenApp, study: Path) -> None:
    app = open_app("comparison")
    app.multiselect(key="comparison_variants").set_value([("pg_mlif", "pg_mlif", "native")]).run()
    app.multiselect(key="comparison_splits").set_value([0, 1, 2]).run()
    assert problems_of(app) == []
    assert "of 2 rows" in text_of(app)
    assert "3 splits of this run" in text_of(app)
    assert "3 of 5 splits" in captions(app)
    view(app, "comparison", "Differences")
    assert "of 3 splits against PG-MLIF, native" in text_of(app)


def test_rows_that_rest_on_fewer_splits_are_said_to(open_app: OpenApp, study: Path) -> None:
    results = pd.read_csv(study / "results.csv")
    kept = (results["variant"] != "pg_mlif") | (results["split"] < 2)
    results[kept].to_csv(study / "results.csv", index=False)
    _forget_studies()

    assert "2 to 5 of 5 splits" in captions(open_app("comparison"))
    assert "; 5 of 5 splits" in captions(open_app("ablation"))


def test_the_curves_carry_the_mandated_caption(open_app: OpenApp, study: Path) -> None:
    app = view(open_app("ablation"), "ablation", "Curves by variant")
    words = "Separation of risk groups within this variant; not a test between variants."
    assert words in captions(app)
    n = read_study(study).cohort.n_patients
    assert f"one row per patient, the mean z over the splits that tested it: {n} patients" in (
        captions(app).lower()
    )
    app.segmented_control(key="ablation_curves_unit").select("pooled").run()
    # Each of these patients is in the test part of one split only.
    assert f"{n} rows of {n} patients" in captions(app)
    assert "Patients repeat" not in captions(app)
    assert problems_of(app) == []


def test_figure_3_has_two_modalities_an_earlier_method_and_ca_mlif(
    open_app: OpenApp, study: Path
) -> None:
    app = view(open_app("ablation"), "ablation", "Hazard by subtype")
    picked = app.multiselect(key="ablation_hazard_models").value
    assert [key[:2] for key in picked] == [
        ("unimodal", "pathology"),
        ("unimodal", "genomics"),
        ("pg_mlif", "pg_mlif"),
        ("camlif", "default"),
    ]
    assert "Median hazard z of CA-MLIF: IWA" in text_of(app)
    app.toggle(key="ablation_hazard_boxes").set_value(True).run()
    assert problems_of(app) == []


def test_no_patient_reaches_the_browser_by_name(open_app: OpenApp, study: Path) -> None:
    ids = load_sample("glioma").patient_ids.tolist()
    app = open_app("comparison")
    for name in (*VIEWS, PAPER):
        shown = text_of(view(app, "comparison", name))
        assert not any(str(patient) in shown for patient in ids), name


def test_failed_and_inapplicable_methods_are_listed_with_reasons(
    open_app: OpenApp, study: Path
) -> None:
    shown = text_of(view(open_app("comparison"), "comparison", "Table"))
    assert "1 unit of work failed" in shown
    assert f"mcat, mcat, matched head, splits 1 to 5: {FAILURE}" in shown
    assert f"MultiCoFusion: {REASON}" in shown
    assert "No difference shown" in shown


def test_the_table_equals_the_summary(study: Path) -> None:
    summary = read_study(study).summary
    table = summary_table(summary)
    by_title = table.set_index(["variant", "head"])
    for row in summary.rows:
        title = f"{row.title}, native" if row.head == "native" else row.title
        found = by_title.loc[(title, row.head)]
        assert found["mean"] == row.mean
        assert found["verdict"] == row.verdict
        if row.comparison is not None:
            assert found["p (Holm)"] == row.comparison.adjusted
            assert found["wins"] == f"{row.comparison.wins} of 5"
    interval = as_displayed(table).loc[0, "95 % interval"]
    assert interval == f"{summary.rows[0].low:.3f} to {summary.rows[0].high:.3f}"


@pytest.mark.parametrize("figure", ["Figure 3", FIGURE_A5, FIGURE_A6A, FIGURE_A6B])
@pytest.mark.parametrize("unit", ["patient", "pooled"])
def test_figures_of_the_paper_say_what_was_pooled(
    open_app: OpenApp, study: Path, figure: str, unit: str
) -> None:
    app = view(open_app("comparison"), "comparison", PAPER)
    app.segmented_control(key="paper_figure").select(figure).run()
    key = "paper_hazard_unit" if figure == "Figure 3" else "paper_unit"
    app.segmented_control(key=key).select(unit).run()
    assert problems_of(app) == []
    assert len(specs(app)) == {"Figure 3": 1, FIGURE_A6A: 4}.get(figure, 2)
    n = read_study(study).cohort.n_patients
    words = (
        f"{n} patients, 5 splits" if unit == "patient" else f"{n} rows of {n} patients, 5 splits"
    )
    assert words in captions(app)


def test_figure_a5_is_drawn_within_a_subtype_with_its_own_cuts(
    open_app: OpenApp, study: Path
) -> None:
    app = view(open_app("comparison"), "comparison", PAPER)
    app.segmented_control(key="paper_figure").select(FIGURE_A5).run()
    app.selectbox(key="paper_subtype").select("ODG").run()
    assert problems_of(app) == []
    assert "percentiles 33 and 66 within ODG; grade IV is not drawn" in captions(app)
    for spec in specs(app):
        assert "grade IV" not in spec
        assert "grade II" in spec


def test_models_stand_side_by_side_under_their_names(open_app: OpenApp, study: Path) -> None:
    app = view(open_app("comparison"), "comparison", PAPER)
    app.segmented_control(key="paper_figure").select(FIGURE_A5).run()
    picked = app.multiselect(key="paper_models")
    assert len(picked.value) == len(specs(app)) == 2
    headings = [unescaped(m.value) for m in app.markdown]
    assert [h for h in headings if h in ("**CA-MLIF**", "**PG-MLIF**")] == [
        "**PG-MLIF**",
        "**CA-MLIF**",
    ]
    picked.unselect(picked.value[0]).run()
    assert problems_of(app) == []
    assert len(specs(app)) == 1
    app.multiselect(key="paper_models").set_value([]).run()
    assert [i.value for i in app.info] == ["Pick at least one model."]


def test_figure_3_says_that_there_are_no_subtypes(
    open_app: OpenApp, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_study = OpenStudy.patients
    monkeypatch.setattr(
        OpenStudy,
        "patients",
        lambda *a: replace(of_study(*a), subtype=[None] * len(of_study(*a).grade)),
    )
    app = view(open_app("comparison"), "comparison", PAPER)
    assert specs(app) == []
    assert any("is not given in this cohort" in unescaped(i.value) for i in app.info)


def test_grade_and_subtype_are_tabulated_within_intervals(open_app: OpenApp, study: Path) -> None:
    app = view(open_app("comparison"), "comparison", PAPER)
    app.segmented_control(key="paper_figure").select(FIGURE_A6B).run()
    tables = [d.value for d in app.dataframe if "z" in d.value and "n" in d.value]
    assert len(tables) == 4  # of two models
    assert tables[0]["z"].tolist() == ["−1.00 to −0.50", "+1.00 to +1.25", "+1.25 to +1.50"]
    assert {"II", "III", "IV"} <= set(tables[0])
    assert (tables[0][["II", "III", "IV"]].sum(axis=1) <= tables[0]["n"]).all()


# Without a study, and with that of another cohort


@pytest.mark.parametrize("page", PAGES)
def test_a_cohort_without_a_study_says_so_and_offers_one(
    open_app: OpenApp, runs: Path, page: str
) -> None:
    app = open_app(page)
    assert problems_of(app) == []
    title = load_sample("glioma").info.title
    assert f"No study of {title} has been run on this machine yet." in text_of(app)
    assert app.button(key=f"{page}_run_missing").label == "Run a study of this cohort"


@pytest.mark.parametrize("page", PAGES)
def test_filters_that_leave_nobody_leave_the_study(
    open_app: OpenApp, study: Path, page: str
) -> None:
    app = open_app(page, subtype=["oligodendroglioma"], grade=["4"])
    assert problems_of(app) == []
    assert len(specs(app)) == 1


@pytest.mark.parametrize(
    ("cohort", "forbidden"), [("luad", GLIOMA_WORDS), ("transbig", f"{GLIOMA_WORDS}|{LUNG_WORDS}")]
)
@pytest.mark.parametrize("page", PAGES)
def test_no_study_of_another_disease_lends_its_words(
    open_app: OpenApp, study: Path, page: str, cohort: str, forbidden: str
) -> None:
    app = open_app(page, cohort)
    assert problems_of(app) == []
    assert not re.findall(forbidden, text_of(app))


def test_a_damaged_study_is_named_and_the_page_goes_on(open_app: OpenApp, study: Path) -> None:
    (study / "study.json").write_text("{", "utf-8")
    _forget_studies()
    app = open_app("ablation")
    assert problems_of(app) == []
    assert "Study mine cannot be read and is left out: JSONDecodeError" in captions(app)


def test_studies_of_other_cohorts_are_shown_on_request(open_app: OpenApp, study: Path) -> None:
    app = open_app("ablation", "luad")
    assert "No study of" in text_of(app)
    app.toggle(key="ablation_others").set_value(True).run()
    assert problems_of(app) == []
    assert f"this run: {load_sample('glioma').info.title}" in captions(app)
    assert not [button for button in app.button if button.key == "ablation_run_missing"]
    view(app, "ablation", "Curves by variant")
    assert len(specs(app)) == 1  # the study names its cohort, which is at hand


def test_a_study_of_other_data_under_the_same_title_draws_no_patient(
    open_app: OpenApp, study: Path
) -> None:
    header = json.loads((study / "study.json").read_text("utf-8"))
    header["cohort"]["digest"] = "0" * 64
    (study / "study.json").write_text(json.dumps(header), "utf-8")
    _forget_studies()
    app = open_app("ablation")
    assert len(specs(app)) == 1
    view(app, "ablation", "Curves by variant")
    assert specs(app) == []
    assert "The patients of this study are not at hand" in text_of(app)


def _job(folder: Path, digest: str) -> None:
    request = run_folder.JobRequest(
        kind="study",
        title="Upload",
        cohort_digest=digest,
        arguments=(),
        settings={},
        result="study",
        private=True,
    )
    job = run_folder.Job(id=folder.name, request=request, state="finished", created=0.0)
    run_folder.write_job(folder, job)


@pytest.mark.parametrize("own", [True, False], ids=["own upload", "of somebody else"])
def test_a_study_of_an_upload_is_shown_to_its_owner_only(
    open_app: OpenApp, runs: Path, study_folder: Path, own: bool
) -> None:
    upload = resources.loaded(state.UPLOADED, load_sample("glioma"))
    run = runs / "20260101-000000-abcdef"
    folder = run / "study"
    shutil.copytree(study_folder, folder)
    tokens = dict(zip(upload.cohort.patient_ids.tolist(), upload.tokens, strict=True))
    for name in ("folds.csv", "risks.parquet"):
        _rename_patients(folder / name, tokens)
    _job(run, upload.digest if own else "another")
    _forget_studies()
    app = open_app("ablation", state.UPLOADED, **{state.UPLOAD.name: upload})
    assert problems_of(app) == []
    assert ("No study of" not in text_of(app)) == own
    if own:
        view(app, "ablation", "Curves by variant")
        assert len(specs(app)) == 1
    shutil.rmtree(run)
    _forget_studies()


def _rename_patients(path: Path, tokens: dict[str, str]) -> None:
    if path.suffix == ".csv":
        table = pd.read_csv(path, dtype=str)
        table.assign(patient_id=table["patient_id"].map(tokens)).to_csv(path, index=False)
        return
    table = pd.read_parquet(path)
    table.assign(patient_id=table["patient_id"].map(tokens)).to_parquet(path, index=False)


def test_a_study_without_grades_says_what_cannot_be_drawn(open_app: OpenApp, runs: Path) -> None:
    folder = write_study(runs / "luad", "luad")
    _forget_studies()
    app = view(open_app("comparison", "luad"), "comparison", PAPER)
    assert problems_of(app) == []
    for figure in (FIGURE_A5, FIGURE_A6A, FIGURE_A6B):
        app.segmented_control(key="paper_figure").select(figure).run()
        assert problems_of(app) == [], figure
    shutil.rmtree(folder)


@pytest.mark.parametrize("page", PAGES)
def test_missing_methods_are_named_with_an_estimate(
    open_app: OpenApp, study: Path, page: str
) -> None:
    app = open_app(page)
    assert "in this study: " in captions(app)
    assert re.search(r"About \d+ min on one core, at the 2\.0 s", captions(app))
    assert app.button(key=f"{page}_run_missing").label.startswith("Run missing")


def test_missing_ablations_are_filled_in_on_the_runs_page(open_app: OpenApp, study: Path) -> None:
    app = open_app("ablation")
    app.button(key="ablation_run_missing").click().run()
    assert problems_of(app) == []
    filled = app.multiselect(key="study_form_methods").value
    assert {"camlif", "no_alignment", "no_second_fusion", "rank_8"} <= set(filled)
    assert "no_ca" not in filled
