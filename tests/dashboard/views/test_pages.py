"""Every page in process: what it shows with data, without a model, without patients."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest

from camlif.data.samples import SAMPLES, load_sample
from camlif.data.simulator import simulate
from dashboard import messages
from dashboard.session import address, resources, state
from dashboard.shell.gate import ACCEPTED
from dashboard.views.case import picker as case_picker
from tests.browser.accessibility import FRAMEWORK
from tests.builders.pages import page_file
from tests.dashboard.conftest import OpenApp

PAGES = (
    "case",
    "meeting",
    "cohort",
    "explain",
    "ablation",
    "comparison",
    "validation",
    "data",
    "runs",
    "model_card",
    "records",
    "help",
)
VIEWS = (
    "Kaplan-Meier",
    "Hazard by subtype",
    "Table",
    "Forest",
    "Early and late events",
)
GLIOMA_WORDS = r"\b(IWA|IMA|ODG|IDH|WHO|[Gg]lioma|astrocytoma|oligodendroglioma)\b"
LUNG_WORDS = r"\b([Ll]ung|[Hh]istological subtype|[Ss]tage|[Ss]moking|CT)\b"
WORDS_OF_OTHERS = {
    "luad": GLIOMA_WORDS,
    "glioma": LUNG_WORDS,
    "transbig": f"{GLIOMA_WORDS}|{LUNG_WORDS}",
}
WITHOUT_OTHER_DISEASES = ("case", "cohort", "explain", "model_card", "help")
DEATH_WORDS = r"\b(alive|deaths?|dead|died|dying)\b"


def unescaped(text: str) -> str:
    return re.sub(r"\\([\\`*_{}\[\]()#+\-.!|~:$<>&])", r"\1", text)


def strings_of(message: Message) -> Iterator[str]:
    """Every text in an element as it is sent to the browser."""
    for _, value in message.ListFields():
        several = isinstance(value, Sequence) and not isinstance(value, str)
        for item in value if several else [value]:
            if isinstance(item, str):
                yield item
            elif isinstance(item, Message):
                yield from strings_of(item)


def text_of(app: AppTest, *, sidebar: bool = False) -> str:
    """Everything a page shows in its main part: text, tables, charts, labels."""
    parts = []
    for element in [*app.main, *(app.sidebar if sidebar else ())]:
        if element.type == "dataframe":
            parts.append(element.value.to_csv())
        elif isinstance(getattr(element, "proto", None), Message):
            parts += strings_of(element.proto)
    return unescaped("\n".join(parts))


def problems_of(app: AppTest) -> list[str]:
    return [unescaped(e.value) for e in app.error] + [str(e.value) for e in app.exception]


def few_patients(cohort: str) -> tuple[int, int]:
    """Ages that a handful of patients have, to keep explanations quick."""
    age = pd.to_numeric(load_sample(cohort).clinical["age"]).sort_values().to_numpy()
    at = len(age) // 2
    return int(age[at]), int(age[at])


def visit(app: AppTest, pages: Sequence[str] = PAGES) -> Iterator[str]:
    """Open pages one after the other; yield each one's name."""
    for page in pages:
        app.switch_page(page_file(page)).run()
        yield page


@pytest.mark.parametrize("cohort", sorted(SAMPLES))
def test_every_page_opens_with_a_sample_and_a_model_in_words_of_its_disease(
    open_app: OpenApp, cohort: str
) -> None:
    app = open_app("case", cohort, age_range=few_patients(cohort))
    data = load_sample(cohort)
    assert data.event is not None
    for page in visit(app):
        assert problems_of(app) == [], page
        shown = text_of(app)
        assert messages.BANNER in shown
        assert data.info.title in shown
        assert f"{len(data)} patients" in shown
        assert f"{int(data.event.sum())} events ({data.info.endpoint.event_noun})" in shown
        assert data.info.endpoint.name in shown
        assert f"model {cohort}," in shown
        assert f"data {data.digest[:8]}" in shown
        if page in WITHOUT_OTHER_DISEASES:
            assert not re.findall(WORDS_OF_OTHERS[cohort], shown), page


def test_every_page_opens_without_any_model(open_app: OpenApp, tmp_path: Path) -> None:
    app = open_app(folder=tmp_path)
    for page in visit(app):
        assert problems_of(app) == [], page
        assert messages.BANNER in text_of(app), page
        assert "no model" in text_of(app), page


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_the_cohort_opens_without_any_model(
    open_app: OpenApp, view: str, tmp_path: Path
) -> None:
    app = open_app("cohort", folder=tmp_path)
    app.segmented_control(key="view").select(view).run()
    assert problems_of(app) == []


def test_every_page_opens_when_the_filters_leave_nobody(open_app: OpenApp) -> None:
    app = open_app(subtype=["oligodendroglioma"], grade=["4"])
    for page in visit(app):
        assert problems_of(app) == [], page
        assert messages.BANNER in text_of(app), page
        assert "n = 0 of 480 shown" in text_of(app, sidebar=True), page
    app.button(key="reset_filters").click().run()
    assert "n = 480 of 480 shown" in text_of(app, sidebar=True)
    assert problems_of(app) == []


@pytest.mark.parametrize(
    "cohort", ["glioma", *(pytest.param(s, marks=pytest.mark.slow) for s in ("luad", "transbig"))]
)
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_the_cohort_opens(open_app: OpenApp, view: str, cohort: str) -> None:
    app = open_app("cohort", cohort)
    app.segmented_control(key="view").select(view).run()
    assert problems_of(app) == []
    assert messages.BANNER in text_of(app)
    assert len(app.get("plotly_chart")) + len(app.dataframe) > 0


@pytest.mark.parametrize("grouping", ["Risk group", "WHO subtype", "WHO grade", "sex"])
def test_curves_are_grouped_by_choice(open_app: OpenApp, grouping: str) -> None:
    app = open_app("cohort")
    app.selectbox(key="group_by").select(grouping).run()
    assert problems_of(app) == []
    caption = next(c for c in (unescaped(c.value) for c in app.caption) if "log-rank" in c)
    missing = re.search(r"(\d+) without a value", caption)
    n = 480 - (int(missing[1]) if missing else 0)
    assert caption.startswith(f"{grouping}: overall survival; n = {n};")


def test_a_grouping_is_compared_with_another_side_by_side(open_app: OpenApp) -> None:
    app = open_app("cohort")
    app.selectbox(key="compare_with").select("WHO grade").run()
    assert problems_of(app) == []
    spec = json.loads(app.get("plotly_chart")[0].proto.spec)
    assert len({trace.get("xaxis", "x") for trace in spec["data"]}) > 1


def test_a_filter_changes_the_denominators(open_app: OpenApp) -> None:
    app = open_app("cohort")
    app.multiselect(key="grade").select("4").run()
    n = int((load_sample("glioma").clinical["grade"].astype(str) == "4").sum())
    assert 0 < n < 480
    assert app.metric[0].value == str(n)
    assert f"n = {n} of 480 shown" in text_of(app, sidebar=True)


def test_changing_the_cohort_starts_filters_and_case_anew(open_app: OpenApp) -> None:
    app = open_app("cohort", grade=["4"])
    app.selectbox(key="pick_cohort").select("luad").run()
    assert problems_of(app) == []
    assert load_sample("luad").info.title in text_of(app)
    assert "n = 480 of 480 shown" in text_of(app, sidebar=True)


# The words of a disease and of an endpoint


def test_the_scan_for_words_sees_charts_and_tables(open_app: OpenApp) -> None:
    app = open_app("cohort", "glioma")
    app.segmented_control(key="view").select("Hazard by subtype").run()
    assert "IWA" in text_of(app)
    app.segmented_control(key="view").select("Table").run()
    assert "IWA" in text_of(app)


def test_metastasis_as_endpoint_is_never_called_death(open_app: OpenApp) -> None:
    app = open_app("case", "transbig", age_range=few_patients("transbig"))
    for page in visit(app, ("case", "cohort", "explain", "model_card")):
        shown = text_of(app).replace("The endpoint is distant metastasis, not death.", "")
        assert "distant metastasis" in shown, page
        assert not re.findall(DEATH_WORDS, shown, re.IGNORECASE), page


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_of_the_cohort_calls_metastasis_death(open_app: OpenApp, view: str) -> None:
    app = open_app("cohort", "transbig")
    app.segmented_control(key="view").select(view).run()
    assert not re.findall(DEATH_WORDS, text_of(app), re.IGNORECASE)


# Case


def test_a_link_opens_its_case(open_app: OpenApp) -> None:
    open_app()
    loaded = resources.sample_cohort("glioma")
    app = open_app(query={"case": loaded.tokens[17]})
    assert app.selectbox(key=state.CASE.name).value == 17
    assert str(loaded.cohort.patient_ids[17]) in text_of(app)
    assert problems_of(app) == []


def test_a_link_to_an_unknown_case_is_explained_and_shows_no_other(open_app: OpenApp) -> None:
    app = open_app(query={"case": "0123456789abcdef"})
    for _ in range(2):  # a rerun, as after the gate, does not take the warning away
        assert any("E-31" in unescaped(w.value) for w in app.warning)
        assert "Who and what data" not in text_of(app)
        app.run()
    assert problems_of(app) == []
    app.selectbox(key="case_instead").select(1).run()
    assert app.selectbox(key=state.CASE.name).value == 1
    assert not any("E-31" in unescaped(w.value) for w in app.warning)


def test_an_address_opens_its_cohort_and_model_again(open_app: OpenApp) -> None:
    app = open_app("cohort", "luad")
    kept = {name: app.query_params[name] for name in (address.COHORT, address.MODEL)}
    assert kept == {"cohort": "luad", "model": "luad"}
    again = open_app("cohort", None, query=kept)
    assert "Synthetic lung" in text_of(again)
    assert again.selectbox(key="pick_model").value == "luad"


@pytest.mark.parametrize("name", ["gone", "../models/glioma", "transbig"])
def test_a_model_of_an_address_that_does_not_fit_is_said(open_app: OpenApp, name: str) -> None:
    app = open_app(cohort=None, query={address.MODEL: name})
    assert any(f"Model {name} is not installed here" in unescaped(e.value) for e in app.error)
    assert "Where this case sits" not in text_of(app)


def test_next_and_previous_walk_round_the_cases_shown(open_app: OpenApp) -> None:
    app = open_app(grade=["4"])
    shown = np.flatnonzero(load_sample("glioma").clinical["grade"].astype(str) == "4").tolist()
    assert app.selectbox(key=state.CASE.name).value == shown[0]
    app.button(key="case_1").click().run()
    assert app.selectbox(key=state.CASE.name).value == shown[1]
    app.button(key="case_-1").click().run()
    app.button(key="case_-1").click().run()
    assert app.selectbox(key=state.CASE.name).value == shown[-1]
    assert problems_of(app) == []


def test_the_address_holds_the_token_and_never_an_identifier(open_app: OpenApp) -> None:
    app = open_app()
    loaded = resources.sample_cohort("glioma")
    for _ in range(2):
        app.button(key="case_1").click().run()
    assert app.query_params["case"] in (loaded.tokens[2], [loaded.tokens[2]])
    ids = {str(i) for i in loaded.cohort.patient_ids}
    assert not any(i in str(app.query_params) for i in ids)


def test_the_horizon_changes_the_sentence(open_app: OpenApp) -> None:
    app = open_app(answer_view="Words")
    cohort = load_sample("glioma")
    sentences = set()
    for year in ("1 y", "3 y", "5 y"):
        app.segmented_control(key="year").select(year).run()
        found = re.findall(r"Of 100 patients[^.]*|Absolute risk at[^.]*", text_of(app))
        assert found
        assert f"{year[0]} year" in found[0]
        if found[0].startswith("Of 100"):
            assert cohort.info.endpoint.name in found[0]
            assert "n = " in found[0]
        sentences.add(found[0])
    assert len(sentences) == 3
    assert problems_of(app) == []


def test_of_many_cases_the_near_ones_are_listed(
    open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_picker, "MANY", 300)
    monkeypatch.setattr(case_picker, "NEAR", 12)
    ids = [str(i) for i in load_sample("glioma").patient_ids]
    assert open_app().selectbox(key=state.CASE.name).options == ids[:12]

    app = open_app(case_row=333)
    assert set(ids[330:336]) <= set(app.selectbox(key=state.CASE.name).options)
    for _ in range(8):  # beyond the end of the list
        app.button(key="case_1").click().run()
    assert app.selectbox(key=state.CASE.name).value == 341
    assert len(app.selectbox(key=state.CASE.name).options) == 12
    assert ids[341] in text_of(app)
    assert problems_of(app) == []


def _typing() -> None:
    from types import SimpleNamespace

    import streamlit as st

    from dashboard.session import state
    from dashboard.views.case import picker as case_picker

    workspace = SimpleNamespace(cohort=SimpleNamespace(patient_ids=["A-1", "A-2", "A-12", "B-3"]))
    shown = [0, 2, 3]  # A-2 is filtered out
    for text in (" A-12 ", "A-1", "b", "a-", "A-2", "nobody"):
        st.session_state[state.CASE.name] = text
        case_picker._typed(workspace, shown, before=3)
        st.write(st.session_state[state.CASE.name])
        if case_picker.NOT_FOUND.name in st.session_state:
            case_picker._not_found("3 shown")


def test_a_typed_identifier_or_part_of_one_opens_its_case_if_it_is_shown() -> None:
    app = AppTest.from_function(_typing).run()
    assert not app.exception
    assert [m.value for m in app.markdown] == ["`2`", "`0`", "`3`", "`3`", "`3`", "`3`"]
    assert [w.value.replace("\\", "") for w in app.warning] == [
        "2 of the 3 shown have a- in them: A-1, A-12. Type more.",
        "No case A-2 is among the 3 shown.",
        "No case nobody is among the 3 shown.",
    ]


def test_a_case_without_a_modality_is_marked(open_app: OpenApp) -> None:
    cohort = load_sample("glioma")
    row = int(np.flatnonzero(~cohort.presence.all(axis=1))[0])
    app = open_app(case_row=row)
    assert app.selectbox(key=state.CASE.name).value == row
    assert any("absent" in m.value for m in app.markdown)
    assert problems_of(app) == []


@pytest.mark.parametrize("baseline", ["training mean", "cohort median", "same-subtype mean"])
def test_a_case_is_explained_against_a_chosen_reference(open_app: OpenApp, baseline: str) -> None:
    app = open_app()
    before = text_of(app)
    app.segmented_control(key="baseline").select(baseline).run()
    assert problems_of(app) == []
    assert f"Baseline: {baseline}." in text_of(app)
    assert text_of(app) != before


# Explain


@pytest.mark.parametrize("method", ["ig", "deeplift", "gradient_shap", "feature_ablation"])
def test_features_are_explained_by_every_method_offered(open_app: OpenApp, method: str) -> None:
    app = open_app("explain", age_range=few_patients("glioma"))
    app.selectbox(key="explain_method").select(method).run()
    assert problems_of(app) == []
    captions = [unescaped(c.value) for c in (*app.caption, *app.warning)]
    assert any("completeness gap" in c and "seed" in c for c in captions)


def test_methods_are_compared(open_app: OpenApp) -> None:
    app = open_app("explain", age_range=few_patients("glioma"))
    before = len(app.get("plotly_chart"))
    app.multiselect(key="explain_compare").select("deeplift").run()
    assert problems_of(app) == []
    assert len(app.get("plotly_chart")) == before + 1


def test_weights_of_fused_blocks_are_computed_once_opened(open_app: OpenApp) -> None:
    words = "Optimal weight concatenation scales each block"
    patients = few_patients("glioma")
    assert words not in text_of(open_app("explain", age_range=patients))
    app = open_app("explain", age_range=patients, blocks=True)
    assert problems_of(app) == []
    assert words in text_of(app)


def test_features_are_summed_by_group(open_app: OpenApp) -> None:
    app = open_app("explain", age_range=few_patients("glioma"))
    app.toggle(key="explain_grouped").set_value(True).run()
    assert problems_of(app) == []


# Upload


def csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


def tables_of(scenario: str, n: int = 40) -> dict[str, pd.DataFrame]:
    made = simulate(scenario, n_patients=n, seed=7)
    tables = {"clinical": made.clinical, **made.modalities}
    for table in tables.values():
        table["patient_id"] = table["patient_id"].str.replace("SYN", "SECRET")
    return tables


def upload(app: AppTest, files: dict[str, bytes]) -> AppTest:
    uploader = app.file_uploader[0]
    uploader.set_value([(name, content, "text/csv") for name, content in files.items()]).run()
    return app.button(key="check_files").click().run()


def score_anyway(app: AppTest, model: str) -> None:
    """Accept values of another scale, which another seed of the simulation draws."""
    assert any(unescaped(w.value).startswith("E-16: ") for w in app.warning)
    app.checkbox(key=f"match_anyway_{model}").check().run()
    assert not app.button(key="score").disabled


@pytest.mark.parametrize("scenario", ["glioma", pytest.param("luad", marks=pytest.mark.slow)])
def test_good_tables_are_checked_matched_and_scored(open_app: OpenApp, scenario: str) -> None:
    app = open_app("data")
    tables = tables_of(scenario)
    upload(app, {f"{name}.csv": csv(table) for name, table in tables.items()})
    assert problems_of(app) == []
    events = int(tables["clinical"]["event"].sum())
    assert f"40 patients; {events} events of 40 patients" in text_of(app)
    assert app.selectbox(key="match_model").value == scenario
    score_anyway(app, scenario)
    app.button(key="score").click().run()
    assert problems_of(app) == []
    assert app.metric[0].value == "40"
    app.switch_page("views/case/page.py").run()
    assert problems_of(app) == []
    assert "SECRET" in text_of(app)
    assert "SECRET" not in str(app.query_params)
    age = int(tables["clinical"]["age"].median())
    app.session_state[state.FILTER_AGE.name] = (age, age + 1)
    for page in PAGES[1:]:
        app.switch_page(page_file(page)).run()
        assert problems_of(app) == [], page


def test_messy_tables_are_listed_by_file_column_and_row(open_app: OpenApp) -> None:
    tables = tables_of("luad", 30)
    clinical = tables["clinical"]
    clinical["survival_months"] = clinical["survival_months"].astype(object)
    clinical.loc[3, "survival_months"] = -4.0
    clinical.loc[5, "event"] = 7
    ct = tables["ct"].astype({tables["ct"].columns[1]: object})
    ct.loc[2, ct.columns[1]] = "broken"
    ct = pd.concat([ct, ct.iloc[[0]].assign(**{ct.columns[2]: 99.0})])
    app = open_app("data")
    upload(app, {"clinical.csv": csv(clinical), "ct.csv": csv(ct)})
    assert not app.exception
    shown = "\n".join(unescaped(e.value) for e in (*app.error, *app.warning, *app.info))
    assert re.search(r"to mend before anything is scored", shown)
    assert re.search(r"E-10: clinical\.csv, column survival_months, rows? 5", shown)
    assert re.search(r"E-11: clinical\.csv, column event", shown)
    assert re.search(rf"ct\.csv, column {re.escape(ct.columns[1])}", shown)
    assert re.search(r"E-06: ct\.csv.*rows? 2, 32", shown)
    assert not [b for b in app.button if b.key == "score"]


def test_a_modality_with_columns_missing_waits_for_a_decision(open_app: OpenApp) -> None:
    tables = tables_of("luad")
    tables["ct"] = tables["ct"].drop(columns=list(tables["ct"].columns[[1, 5]]))
    app = open_app("data")
    upload(app, {f"{name}.csv": csv(table) for name, table in tables.items()})
    assert [p[:4] for p in problems_of(app)] == ["E-13"]
    assert app.button(key="score").disabled
    app.multiselect(key="match_missing_luad").select("ct").run()
    score_anyway(app, "luad")
    app.button(key="score").click().run()
    assert problems_of(app) == []
    app.switch_page("views/case/page.py").run()
    assert problems_of(app) == []


def test_tables_of_no_installed_model_are_shown_without_scores(open_app: OpenApp) -> None:
    tables = tables_of("glioma")
    renamed = {
        name: table.rename(columns=lambda c: c if c == "patient_id" else f"other_{c}")
        for name, table in tables.items()
        if name != "clinical"
    }
    app = open_app("data")
    files = {f"{name}.csv": csv(table) for name, table in renamed.items()}
    upload(app, files | {"clinical.csv": csv(tables["clinical"])})
    assert any("Not enough to train" in caption.value for caption in app.caption)
    app.button(key="open_plain").click().run()
    assert problems_of(app) == []
    assert app.metric[0].value == "40"


def test_a_cohort_large_enough_is_offered_for_training(open_app: OpenApp) -> None:
    tables = tables_of("luad", n=120)
    app = open_app("data")
    upload(app, {f"{name}.csv": csv(table) for name, table in tables.items()})
    app.button(key="train_here").click().run()
    assert problems_of(app) == []
    assert app.title[0].value == "Runs"


def test_forgetting_erases_the_upload(open_app: OpenApp) -> None:
    app = open_app("data")
    upload(app, {f"{name}.csv": csv(table) for name, table in tables_of("luad").items()})
    score_anyway(app, "luad")
    app.button(key="score").click().run()
    app.button(key="forget").click().run()
    assert problems_of(app) == []
    assert state.UPLOAD.name not in app.session_state
    assert "checked_upload" not in app.session_state
    assert "SECRET" not in text_of(app, sidebar=True)
    app.session_state[ACCEPTED.name] = True  # asked anew
    app.run()
    assert load_sample("glioma").info.title in text_of(app)
    for page in ("case", "cohort", "data"):
        app.switch_page(page_file(page)).run()
        assert "SECRET" not in text_of(app, sidebar=True)


@pytest.mark.parametrize("view", ["Kaplan-Meier", "Table"])
def test_forgetting_works_while_a_view_is_in_the_address(open_app: OpenApp, view: str) -> None:
    app = open_app("cohort", query={"view": view})
    app.segmented_control(key="view").select(view).run()
    app.button(key="forget").click().run()
    assert problems_of(app) == []
    assert "case" not in app.query_params


# Failures


@pytest.mark.parametrize("page", ["case", "cohort"])
def test_a_page_that_fails_shows_a_code_and_no_traceback(
    open_app: OpenApp, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> object:
        raise RuntimeError("value 4711 of patient P-1")

    monkeypatch.setattr("dashboard.components.case_view.summarise_case", broken)
    monkeypatch.setattr("dashboard.views.cohort.views.outcome_of", broken)
    app = open_app("case")
    if page != "case":
        app.switch_page(page_file(page)).run()
    assert not app.exception
    assert re.search(r"E-50: .*code [0-9a-f]{8}", "\n".join(problems_of(app)))
    assert "4711" not in text_of(app)
    assert messages.BANNER in text_of(app)


def test_a_loader_that_fails_shows_a_code_and_the_banner(
    open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(key: str) -> object:
        raise OSError("disk /secret/place")

    monkeypatch.setattr(resources, "sample_cohort", broken)
    app = open_app()
    assert not app.exception
    assert "E-50" in "\n".join(problems_of(app))
    assert "secret" not in text_of(app)
    assert messages.BANNER in text_of(app)


def test_a_damaged_model_is_named_and_the_cohort_stays_open(
    open_app: OpenApp, models: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "glioma"
    damaged.mkdir()
    for file in (models / "glioma").iterdir():
        (damaged / file.name).write_bytes(file.read_bytes())
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    app = open_app(folder=tmp_path)
    assert not app.exception
    assert "model.safetensors: not the file that was saved" in text_of(app, sidebar=True)
    app.switch_page("views/cohort/page.py").run()
    assert not app.exception
    assert len(app.get("plotly_chart")) > 0


def test_a_model_whose_card_is_damaged_is_named_and_left_out(
    open_app: OpenApp, models: Path, tmp_path: Path
) -> None:
    for name in ("glioma", "copy"):
        (tmp_path / name).mkdir()
        for file in (models / "glioma").iterdir():
            (tmp_path / name / file.name).write_bytes(file.read_bytes())
    (tmp_path / "copy" / "card.json").write_text("{}")
    app = open_app(folder=tmp_path)
    assert problems_of(app) == []
    assert "Model folder copy cannot be read and is left out." in text_of(app, sidebar=True)
    assert app.selectbox(key="pick_model").value == "glioma"


def test_no_page_shows_what_documents_its_constants(open_app: OpenApp) -> None:
    assert not st.get_option("runner.magicEnabled")
    assert "What becomes of what a table leaves open" not in text_of(open_app("help"))


def test_help_names_every_gap_of_the_framework(open_app: OpenApp) -> None:
    shown = text_of(open_app("help"))
    assert [gap.help for gap in FRAMEWORK.values() if gap.help not in shown] == []
