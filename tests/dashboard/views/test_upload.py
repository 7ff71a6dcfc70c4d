"""Upload & check: mapping, repairs, undo, and the mapping as a file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from camlif.data.cohort import Cohort
from camlif.data.reading.repairs import options_for
from camlif.data.simulator import simulate
from camlif.statistics.outcome import LATE_ENTRY
from dashboard.views.upload import session as data_session
from tests.dashboard.conftest import OpenApp
from tests.dashboard.views.test_pages import text_of

MESSAGES = Path(__file__).resolve().parents[2] / "fixtures" / "messages"
REAL = Path(__file__).resolve().parents[4] / "shared" / "data"
EXPECTED = tomllib.loads((MESSAGES / "expected.toml").read_text("utf-8"))
CLINICAL = (
    "Patient ID,follow_up,status,ecog,Age at diagnosis,gender,first_name\n"
    "a,900,2,0,50,male,Alix\nb,-3,1,1,61,female,Bix\nc,400,2,1,70,male,Cix\nd,455,1,0,44,female,Dix\n"
)
CT = "Patient ID,v,w,x,y\na,1,2,3,4\nb,2,3,1,1\nb,4,3,1,1\nc,4,5,3,3\nd,5,6,2,high\n"
FILES = {"clinical.csv": CLINICAL, "ct.csv": CT}
CLEAN = {
    "clinical.csv": (
        "patient_id,survival_months,event,other,age\na,9,1,4,50\nb,8,0,3,60\nc,7,1,2,\n"
    ),
    "ct.csv": "patient_id,v,w\na,1,2\nb,2,3\nc,4,5\n",
}


def unescaped(text: str) -> str:
    return re.sub(r"\\([\\`*_{}\[\]()#+\-.!|~:$<>&])", r"\1", text)


def upload(app: AppTest, files: Mapping[str, str | bytes]) -> AppTest:
    content = [
        (name, data.encode() if isinstance(data, str) else data, "text/csv")
        for name, data in files.items()
    ]
    app.file_uploader[0].set_value(content).run()
    return app.button(key="check_files").click().run()


def errors_of(app: AppTest) -> list[str]:
    return [unescaped(e.value) for e in app.error]


def codes_of(app: AppTest) -> set[str]:
    return {code for line in errors_of(app) for code in re.findall(r"E-\d\d", line)}


def press(app: AppTest, flag: str) -> AppTest:
    """Press the button of a repair, the first where several problems offer it."""
    button, *_ = [
        b for b in app.button if re.fullmatch(rf"repair_\d+_{re.escape(flag)}", b.key or "")
    ]
    button.click().run()
    assert not app.exception
    return app


def press_or_choose(app: AppTest, flag: str) -> AppTest:
    """Mend by the first button, or where there are many ways by the list of them."""
    if any(re.fullmatch(rf"repair_\d+_{re.escape(flag)}", b.key or "") for b in app.button):
        press(app, flag)
    else:
        report = checked(app).report
        options = [o for p in report.problems for o in options_for(p, report)]
        label = next(o.label for o in options if o.flag == flag)
        (choice,) = [s for s in app.selectbox if label in s.options]
        choice.select(label).run()
        app.button(key=(choice.key or "").replace("choose_", "apply_")).click().run()
    assert not app.exception
    return app


def checked(app: AppTest) -> data_session.CheckedUpload:
    upload: data_session.CheckedUpload = app.session_state[data_session.CHECKED.name]
    return upload


def cohort_of(app: AppTest) -> Cohort:
    loaded = checked(app).loaded
    assert loaded is not None, errors_of(app)
    return loaded.cohort


def edit(app: AppTest, table: str, row: int, **cells: object) -> AppTest:
    """Change cells of one of the tables of choices, as the browser does."""
    key = f"mapping_{table}_{app.session_state[data_session.ROUND.name]}"
    edits = {"edited_rows": {row: cells}, "added_rows": [], "deleted_rows": []}
    app.session_state[key] = edits
    app.run()
    assert not app.exception
    return app


def table(app: AppTest, name: str) -> list[dict[str, object]]:
    (found,) = [e for e in app.data_editor if e.key and e.key.startswith(f"mapping_{name}_")]
    return [{str(k): v for k, v in row.items()} for row in found.value.to_dict("records")]


def row_of(app: AppTest, name: str, column: str, value: str) -> int:
    return [row[column] for row in table(app, name)].index(value)


@pytest.fixture
def app(open_app: OpenApp) -> AppTest:
    return open_app("data")


def test_what_was_inferred_is_shown_with_examples_and_asked_to_be_confirmed(app: AppTest) -> None:
    upload(app, FILES)

    rows = {row["role"]: row for row in table(app, "columns")}
    assert rows["Age"] == {
        "role": "Age",
        "column": "Age at diagnosis",
        "confidence": "inferred, confirm",
        "because": "its name",
        "examples": "50, 61, 70, 44",
    }
    assert rows["Grade"]["confidence"] == "not found"
    assert any("Mapping: " in unescaped(e.label) and "look at" in e.label for e in app.expander)
    assert "Confirm what was inferred" in app.button(key="confirm_mapping").label


def test_a_sure_mapping_is_collapsed(app: AppTest) -> None:
    upload(app, CLEAN)

    (mapping,) = [e for e in app.expander if e.label.startswith("Mapping")]
    assert mapping.label == "Mapping: sure of every column"
    assert not mapping.proto.expanded
    assert not [b for b in app.button if b.key == "confirm_mapping"]


GROUPED = {
    **CLEAN,
    "ct.csv": "patient_id,shape_a,shape_b,glcm_a,glcm_b\na,1,2,5,6\nb,2,3,6,9\nc,4,5,7,2\n",
}


def regroup(app: AppTest, text: str) -> AppTest:
    """Write other feature groups of ``ct`` and send them."""
    key = f"ct_{app.session_state[data_session.ROUND.name]}"
    app.text_area(key=f"groups_{key}").set_value(text)
    app.button(key=f"regroup_{key}").click().run()
    assert not app.exception
    return app


def groups_shown(app: AppTest) -> str:
    text: str = app.text_area(key=f"groups_ct_{app.session_state[data_session.ROUND.name]}").value
    return text


def groups_of(app: AppTest) -> dict[str, tuple[str, ...]]:
    return {g.name: g.columns for g in cohort_of(app).schema["ct"].groups}


def test_feature_groups_are_shown_with_their_columns(app: AppTest) -> None:
    upload(app, GROUPED)

    assert "ct: shape (2), glcm (2)" in [unescaped(c.value) for c in app.caption]
    assert groups_shown(app) == "shape = shape_*\nglcm = glcm_*"


def test_feature_groups_are_changed_saved_and_changed_back(app: AppTest) -> None:
    upload(app, GROUPED)
    regroup(app, "size = shape_a, glcm_a\nb only = *_b")

    assert groups_of(app) == {"size": ("shape_a", "glcm_a"), "b only": ("shape_b", "glcm_b")}
    saved = checked(app).report.manifest.to_toml()
    assert tomllib.loads(saved)["modalities"]["ct"]["groups"]["size"] == ["shape_a", "glcm_a"]
    assert "Feature groups of ct: size, b only" in text_of(app)

    regroup(app, "")
    assert groups_of(app) == {"shape": ("shape_a", "shape_b"), "glcm": ("glcm_a", "glcm_b")}


def test_feature_groups_that_do_not_fit_are_said_and_can_be_mended(app: AppTest) -> None:
    upload(app, GROUPED)
    regroup(app, "shape = shape_*\nglcm")
    assert any("Line 2 of the feature groups names no group or no column" in e for e in said(app))

    regroup(app, "glcm = glcm_*, absent")
    assert any("Group glcm of ct names a column that is not there" in e for e in errors_of(app))
    assert any("absent" in e for e in errors_of(app))

    regroup(app, "glcm = glcm_*")
    assert groups_of(app) == {"glcm": ("glcm_a", "glcm_b"), "other": ("shape_a", "shape_b")}


def test_confirming_leaves_nothing_to_look_at_and_changes_no_value(app: AppTest) -> None:
    files = dict(CLEAN)
    files["clinical.csv"] = (
        files["clinical.csv"].replace("event", "status").replace(",1,", ",dead,")
    )
    files["clinical.csv"] = files["clinical.csv"].replace(",0,", ",alive,")
    upload(app, files)
    before = cohort_of(app)
    app.button(key="confirm_mapping").click().run()

    assert cohort_of(app).digest == before.digest
    assert not any(a.uncertain for a in checked(app).report.mapping)
    assert checked(app).report.manifest.clinical.event_values == ("dead",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "patients", "inferred"),
    [("tcga_gbmlgg", 569, True), ("tcga_brca_path_gene", 1015, False)],
)
def test_raw_files_of_real_cohorts_are_confirmed_where_anything_was_inferred(
    app: AppTest, name: str, patients: int, inferred: bool
) -> None:
    if not (REAL / name).is_dir():
        pytest.skip(f"the real cohort {name} is not here")
    upload(app, {f.name: f.read_bytes() for f in (REAL / name).glob("*.csv*")})

    assert len(cohort_of(app)) == patients
    confirm = [b for b in app.button if b.key == "confirm_mapping"]
    assert bool(confirm) == inferred
    if confirm:
        confirm[0].click().run()
    assert "Mapping: sure of every column" in [e.label for e in app.expander]
    assert any(b.key == "train_here" for b in app.button)


def told(app: AppTest) -> list[str]:
    """What the page says, without the standing note in the menu of the import folder."""
    return [text for i in app.info if not (text := unescaped(i.value)).startswith("E-18")]


def test_files_of_a_second_upload_join_the_first_and_its_changes_stay(app: AppTest) -> None:
    upload(app, {"clinical.csv": CLINICAL})
    assert "No feature table found." in "\n".join(errors_of(app))
    app.button(key="confirm_mapping").click().run()

    upload(app, {"ct.csv": CT})

    assert set(checked(app).files) == set(FILES)
    assert [f.name for f in checked(app).report.files] == list(FILES)
    assert [step.title for step in checked(app).steps] == ["Confirmed what was inferred"]
    assert not any("Replaced" in text for text in told(app))


def test_a_file_of_the_same_name_replaces_the_earlier_one_and_that_is_said(app: AppTest) -> None:
    upload(app, CLEAN)
    upload(app, {"ct.csv": "patient_id,v\na,7\nb,8\nc,9\n"})

    assert cohort_of(app).tables["ct"].ravel().tolist() == [7, 8, 9]
    assert told(app)[0] == "Replaced by the file added later: ct.csv."


def test_a_file_can_be_removed_again(app: AppTest) -> None:
    upload(app, {**CLEAN, "rna.csv": "patient_id,g\na,1\nb,2\nc,3\n"})
    (choice,) = [m for m in app.multiselect if m.label == "Remove files"]
    assert choice.options == ["clinical.csv", "ct.csv", "rna.csv"]
    choice.select("rna.csv").run()
    app.button(key="remove_files").click().run()

    assert cohort_of(app).schema.names == ("ct",)
    assert told(app)[0] == "Removed: rna.csv."
    (choice,) = [m for m in app.multiselect if m.label == "Remove files"]
    choice.set_value(["clinical.csv", "ct.csv"]).run()
    app.button(key="remove_files").click().run()
    assert not app.exception
    assert data_session.CHECKED.name not in app.session_state


def test_another_column_for_a_role_changes_the_cohort_at_once(app: AppTest) -> None:
    upload(app, CLEAN)
    before = cohort_of(app)
    assert before.event is not None
    row = row_of(app, "columns", "role", "Age")
    edit(app, "columns", row, column="other")

    after = cohort_of(app)
    assert after.clinical["age"].tolist() == [4, 3, 2]
    assert after.digest != before.digest
    assert table(app, "columns")[row]["confidence"] == "chosen"
    assert [unescaped(m.value) for m in app.markdown if "1. Age: other" in unescaped(m.value)]

    app.button(key="undo_0").click().run()
    assert cohort_of(app).digest == before.digest


def test_a_role_can_be_given_to_no_column(app: AppTest) -> None:
    upload(app, CLEAN)
    edit(app, "columns", row_of(app, "columns", "role", "Follow-up time"), column="(none)")

    assert not cohort_of(app).has_outcome
    assert table(app, "columns")[0]["confidence"] == "chosen: none"


def test_unit_and_event_are_chosen_in_the_mapping(app: AppTest) -> None:
    upload(app, CLEAN)
    number = app.session_state[data_session.ROUND.name]
    app.segmented_control(key=f"mapping_unit_{number}").select("years").run()
    app.multiselect(key=f"mapping_event_{number + 1}").set_value(["0"]).run()

    cohort = cohort_of(app)
    assert cohort.duration is not None
    assert cohort.event is not None
    np.testing.assert_allclose(cohort.duration, [108, 96, 84])
    assert cohort.event.tolist() == [False, True, False]


def test_a_file_gets_another_use_name_kind_and_fewer_columns(app: AppTest) -> None:
    upload(app, {**CLEAN, "rna.csv": "patient_id,g,h\na,1,2\na,3,4\nb,2,3\n"})
    assert codes_of(app) == {"E-06"}
    row = row_of(app, "files", "file", "rna.csv")
    edit(app, "files", row, rows="several samples a patient", modality="expression")
    assert cohort_of(app).schema.names == ("ct", "expression")
    assert [len(bag) for bag in cohort_of(app).bags["expression"]] == [2, 1, 0]

    edit(app, "files", row_of(app, "files", "file", "ct.csv"), exclude=["w*"])
    assert cohort_of(app).schema["ct"].columns == ("v",)

    edit(app, "files", row_of(app, "files", "file", "rna.csv"), use="left out")
    assert cohort_of(app).schema.names == ("ct",)
    edit(app, "files", row_of(app, "files", "file", "rna.csv"), use="modality")
    assert codes_of(app) == {"E-06"}


def test_a_matrix_of_genes_is_shown_as_turned_and_can_be_left_as_it_is(app: AppTest) -> None:
    upload(app, {**CLEAN, "rna.csv": "gene,a,b\nTP53,1,2\nEGFR,3,5\n"})
    row = row_of(app, "files", "file", "rna.csv")
    assert table(app, "files")[row]["rows"] == "one column a patient"
    assert cohort_of(app).schema["rna"].columns == ("TP53", "EGFR")

    edit(app, "files", row, rows="one row a patient")
    assert codes_of(app) == {"E-07"}
    edit(app, "files", row_of(app, "files", "file", "rna.csv"), rows="one column a patient")
    assert cohort_of(app).schema["rna"].columns == ("TP53", "EGFR")


def test_an_identifier_that_a_file_does_not_have_is_refused_in_words(app: AppTest) -> None:
    upload(app, {**CLEAN, "ct.csv": "patient_id,kernel,v\na,x,2\nb,y,3\nc,z,5\n"})
    before = cohort_of(app).digest
    edit(app, "files", row_of(app, "files", "file", "clinical.csv"), id="kernel")

    assert any("clinical.csv has no column kernel" in line for line in errors_of(app))
    assert cohort_of(app).digest == before


def test_every_problem_is_mended_by_a_button(app: AppTest) -> None:
    upload(app, FILES)
    assert codes_of(app) == {"E-06", "E-09", "E-11", "E-17"}
    assert not [b for b in app.button if b.key == "score"]

    for flag in ("unit=days", "event=2", "drop=first_name", "duplicates=average"):
        press(app, flag)
    assert codes_of(app) == {"E-10"}
    press(app, "negative=exclude")

    cohort = cohort_of(app)
    assert errors_of(app) == []
    assert cohort.duration is not None
    assert cohort.event is not None
    np.testing.assert_allclose(
        cohort.duration, np.array([900, np.nan, 400, 455]) / 30.4375, equal_nan=True
    )
    assert cohort.event.tolist() == [True, False, True, False]
    assert cohort.tables["ct"][1].tolist() == [3, 3, 1, 1]
    assert "first_name" not in cohort.clinical
    assert cohort.clinical["age"].tolist() == [50, 61, 70, 44]


def test_a_repair_is_listed_and_taken_back_while_the_others_stay(app: AppTest) -> None:
    upload(app, FILES)
    for flag in ("unit=days", "duplicates=first", "drop=first_name"):
        press(app, flag)
    shown = [unescaped(m.value) for m in app.markdown]
    assert "**Changes made (3)**" in [m.value for m in app.markdown]
    assert "2. Keep the first row of each" in shown

    app.button(key="undo_1").click().run()
    assert codes_of(app) == {"E-06", "E-10", "E-11"}
    assert [s.title for s in checked(app).steps] == ["Follow-up in days", "Drop column first_name"]


def test_many_ways_are_a_list_to_choose_from(app: AppTest) -> None:
    clinical = (
        "patient_id,length,size,w,event,other,age\na,9,1,5,1,4,50\nb,8,1,6,0,3,60\nc,7,1,7,1,2,\n"
    )
    upload(app, {**CLEAN, "clinical.csv": clinical})
    (choice,) = [s for s in app.selectbox if s.key and s.key.endswith("_time")]
    choice.select("length is the follow-up time").run()
    (apply,) = [b for b in app.button if b.key and b.key.startswith("apply_")]
    apply.click().run()
    assert codes_of(app) == {"E-09"}
    press(app, "unit=months")
    assert cohort_of(app).has_outcome


def test_a_saved_mapping_among_the_files_gives_the_same_cohort(open_app: OpenApp) -> None:
    app = upload(open_app("data"), FILES)
    for flag in ("unit=days", "event=2", "drop=first_name", "duplicates=average"):
        press(app, flag)
    press(app, "negative=exclude")
    edit(app, "columns", row_of(app, "columns", "role", "Grade"), column="ecog")
    toml = checked(app).report.manifest.to_toml()

    again = upload(open_app("data"), {**FILES, "cohort.toml": toml})

    assert errors_of(again) == []
    assert cohort_of(again).digest == cohort_of(app).digest
    assert cohort_of(again).info == cohort_of(app).info
    assert checked(again).steps == ()
    assert checked(again).report.manifest == checked(app).report.manifest


def test_a_broken_mapping_file_can_be_left_aside(app: AppTest) -> None:
    upload(app, {**CLEAN, "cohort.toml": "clinical = ["})
    assert any("no valid TOML" in line for line in errors_of(app))
    press(app, "manifest=ignore")
    assert errors_of(app) == []


def test_the_files_are_let_go_when_the_cohort_is_used(app: AppTest) -> None:
    upload(app, CLEAN)
    assert checked(app).files
    app.button(key="open_plain").click().run()
    assert checked(app).files == {}
    app.switch_page("views/upload/page.py").run()
    assert not app.exception
    assert not [b for b in app.button if b.key and b.key.startswith(("repair_", "undo_"))]


def test_an_age_over_89_is_told_nowhere(open_app: OpenApp) -> None:
    made = simulate("luad", n_patients=40, seed=7)
    made.clinical["age"] = made.clinical["age"].astype(float)
    made.clinical.loc[made.clinical.index[0], "age"] = 97.0
    frames = {"clinical": made.clinical, **made.modalities}
    app = open_app("data")
    upload(app, {f"{name}.csv": frame.to_csv(index=False) for name, frame in frames.items()})
    assert cohort_of(app).clinical["age"].max() == 97
    age = row_of(app, "columns", "role", "Age")
    assert str(table(app, "columns")[age]["examples"]).startswith("90+, ")

    app.checkbox(key="match_anyway_luad").check().run()  # another seed draws other scales
    app.button(key="score").click().run()
    app.switch_page("views/case/page.py").run()

    assert not app.exception
    shown = text_of(app, sidebar=True)
    assert "90+ years" in shown
    assert not re.findall(r"\b97(\.0)? years", shown)
    assert app.slider(key="age_range").max == 90
    assert "n = 40 of 40 shown" in shown


def fixture(case: str) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((MESSAGES / case).iterdir())}


def said(app: AppTest) -> list[str]:
    """Every error, warning and note of the page."""
    return [unescaped(e.value) for e in (*app.error, *app.warning, *app.info)]


@pytest.mark.parametrize("case", sorted(c for c, e in EXPECTED.items() if "model" not in e))
def test_every_message_is_shown_with_its_place_and_mended_by_one_click(
    app: AppTest, case: str
) -> None:
    expected = EXPECTED[case]
    upload(app, fixture(case))

    assert not app.exception
    place = [expected.get("file"), expected.get("column"), *map(str, expected.get("rows", []))]
    words = [*expected["says"], *(word for word in place if word)]
    start = f"{case[:4]}: {expected.get('file', '')}"
    (line,) = [t for t in said(app) if t.startswith(start) and all(word in t for word in words)]
    assert (checked(app).loaded is None) == (expected["severity"] == "error")
    if "mend" in expected:
        press_or_choose(app, expected["mend"])
        assert line not in said(app)
        assert checked(app).loaded is not None


@pytest.fixture
def shipped(open_app: OpenApp) -> AppTest:
    """The page with the shipped models."""
    return open_app("data", folder=MESSAGES.parents[2] / "models")


@pytest.mark.parametrize("case", sorted(c for c, e in EXPECTED.items() if "model" in e))
def test_what_a_model_says_of_the_tables_is_shown_beside_it(shipped: AppTest, case: str) -> None:
    upload(shipped, fixture(case))

    assert not shipped.exception
    if case.startswith("E-30"):  # a model that shares nothing is not even offered
        assert any("No installed model shares columns" in text for text in said(shipped))
        assert shipped.button(key="open_plain")
        return
    (line,) = [text for text in said(shipped) if text.startswith(f"{case[:4]}: ")]
    assert all(words in line for words in EXPECTED[case]["says"])
    assert shipped.button(key="score").disabled == (EXPECTED[case]["severity"] != "note")
    if "mend" in EXPECTED[case]:
        shipped.button(key=f"repair_match_0_{EXPECTED[case]['mend']}").click().run()
        assert not shipped.button(key="score").disabled
        assert not any(e.value.startswith(case[:4]) for e in (*shipped.error, *shipped.warning))


def test_values_of_another_scale_are_scored_only_on_purpose(shipped: AppTest) -> None:
    upload(shipped, fixture("E-16-other-scale"))
    assert shipped.button(key="score").disabled
    shipped.checkbox(key="match_anyway_hancock").check().run()
    shipped.button(key="score").click().run()
    assert not shipped.exception
    shipped.switch_page("views/case/page.py").run()
    assert "E-33: This case is unlike the training data" in text_of(shipped)


def test_inputs_under_other_names_are_accepted_by_one_click(shipped: AppTest) -> None:
    sample = MESSAGES.parents[2] / "sample_data" / "glioma"
    files = {n: (sample / n).read_bytes() for n in ("cohort.toml", "pathology.csv", "genomics.csv")}
    clinical = (sample / "clinical.csv").read_text().replace(",age,sex,", ",yrs_dx,mf,", 1)
    upload(shipped, {**files, "clinical.csv": clinical})

    assert shipped.selectbox(key="match_model").value == "glioma"
    (line,) = [text for text in said(shipped) if text.startswith("E-13: clinical.csv: ")]
    assert "2 of 2 clinical inputs of the model are absent: age and sex." in line
    assert "Perhaps yrs_dx is age, mf is sex." in line
    assert shipped.button(key="score").disabled
    shipped.button(key="repair_match_0_renames=clinical.csv").click().run()
    assert not shipped.exception
    assert not any(text.startswith("E-13") for text in said(shipped))
    assert not shipped.button(key="score").disabled
    assert {"age", "sex"} <= set(cohort_of(shipped).clinical)


def test_with_every_modality_treated_as_missing_nothing_is_scored(shipped: AppTest) -> None:
    upload(shipped, fixture("E-14-columns-not-used"))
    missing = shipped.multiselect(key="match_missing_hancock")
    missing.set_value(["pathology_report", "tma_cell_density"]).run()
    assert any(e.startswith("E-30: ") for e in errors_of(shipped))
    assert shipped.button(key="score").disabled


def test_patients_without_a_modality_the_model_needs_get_no_score(shipped: AppTest) -> None:
    clinical = "patient_id,survival_months,event,age\nP01,10,1,50\nP02,20,0,60\n"
    pathology = "patient_id,grade,size_cm,er_positive\nP01,2,2.1,1\nP02,3,1.4,0\n"
    upload(shipped, {"clinical.csv": clinical, "pathology.csv": pathology})
    assert shipped.selectbox(key="match_model").value == "transbig"
    shipped.button(key="score").click().run()
    shipped.switch_page("views/case/page.py").run()
    assert not shipped.exception
    assert any(unescaped(w.value).startswith("E-32: ") for w in shipped.warning)


def test_late_entry_is_mapped_drawn_and_what_ignores_it_is_said(app: AppTest) -> None:
    rows = [f"p{i},{10 + i},{i % 2},{i % 3}" for i in range(40)]
    clinical = "\n".join(["patient_id,survival_months,event,entry_months", *rows])
    ct = "\n".join(["patient_id,other_v", *(f"p{i},{7 * i % 41}" for i in range(40))])
    upload(app, {"clinical.csv": clinical, "ct.csv": ct})

    row = next(r for r in table(app, "columns") if r["role"] == "Entry time (if late)")
    assert row["column"] == "entry_months"
    assert any(LATE_ENTRY in unescaped(w.value) for w in app.warning)
    app.button(key="open_plain").click().run()
    assert not app.exception
    assert LATE_ENTRY in [unescaped(c.value) for c in app.caption]
