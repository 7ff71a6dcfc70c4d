"""A board's meeting on the pages: worklists, commit first, notes, decisions, records."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from camlif.data.samples import load_sample
from dashboard.access.access import Role, User
from dashboard.components import download, trail
from dashboard.session import resources, settings
from dashboard.session import user as user_
from dashboard.store import CohortKey, RiskGroup, SettingName, Store
from tests.builders.pages import page_file
from tests.dashboard.conftest import OpenApp
from tests.dashboard.views.test_pages import problems_of, text_of

ADMINISTRATOR = User(name="session 2222cccc", role=Role.ADMINISTRATOR)
NOTE = "Slides reviewed twice.\nAsk for *MRI* first."
HIDDEN = "hidden until the board has recorded its own estimate"
RESULT = "higher than"


def tokens() -> tuple[str, ...]:
    return resources.sample_cohort("glioma").tokens


def cohort_key() -> CohortKey:
    return trail.cohort_key(resources.sample_cohort("glioma"))


def token_of(app: AppTest) -> str:
    return parameter(app, "case")


def parameter(app: AppTest, name: str) -> str:
    value = app.query_params[name]
    return value if isinstance(value, str) else str(value[0])


def write_note(app: AppTest, text: str) -> None:
    area = next(a for a in app.text_area if a.label == "Note")
    area.input(text)
    app.button(key="note_add").click().run()


def actions(store: Store) -> list[str]:
    return [event.action for event in reversed(store.audit_events())]


# Notes and decisions


def test_a_note_is_found_again_in_another_session(open_app: OpenApp, store: Store) -> None:
    app = open_app()
    write_note(app, NOTE)
    assert problems_of(app) == []
    assert next(a for a in app.text_area if a.label == "Note").value == ""
    (note,) = store.notes(token_of(app))
    assert note.text == NOTE
    another = open_app(query={"case": token_of(app)})
    shown = text_of(another)
    assert "Ask for *MRI* first." in shown
    assert note.author in shown
    app.button(key="case_1").click().run()
    assert "Slides reviewed twice." not in text_of(app)


def test_a_note_with_an_identifier_is_refused_and_can_be_mended(
    open_app: OpenApp, store: Store
) -> None:
    app = open_app()
    named = f"{load_sample('glioma').patient_ids[7]} was discussed"
    write_note(app, named)
    assert any("holds 1 patient identifier" in problem for problem in problems_of(app))
    assert next(a for a in app.text_area if a.label == "Note").value == named
    assert store.notes(token_of(app)) == []


def test_a_note_from_another_version_of_the_tables_says_so(
    open_app: OpenApp, store: Store, database: Path
) -> None:
    app = open_app()
    write_note(app, "before the correction")
    assert "another version" not in text_of(app)
    with sqlite3.connect(database) as connection:
        connection.execute("INSERT INTO cohort SELECT ?, title, created FROM cohort", ("d" * 64,))
        connection.execute("UPDATE note SET cohort_digest = ?", ("d" * 64,))
    connection.close()
    app.run()
    assert "Written for another version of these tables" in text_of(app)


def test_the_latest_decision_comes_first_and_earlier_ones_stay(
    open_app: OpenApp, store: Store
) -> None:
    app = open_app()
    for text in ("Discuss again in March.", "Second review asked for."):
        next(a for a in app.text_area if a.label == "What was decided").input(text)
        app.button(key="decision_add").click().run()
    assert problems_of(app) == []
    shown = text_of(app)
    assert shown.index("Second review") < shown.index("Discuss again")
    assert shown.index("Earlier decision") > shown.index("Second review")
    assert len(store.decisions(token_of(app))) == 2


def test_an_empty_decision_says_what_is_missing(open_app: OpenApp, store: Store) -> None:
    app = open_app()
    app.button(key="decision_add").click().run()
    assert any("Choose a risk group" in problem for problem in problems_of(app))
    assert store.decisions(token_of(app)) == []


# Commit first


def switch(store: Store, name: SettingName, *, on: bool) -> None:
    store.switch(ADMINISTRATOR, name, on=on)


def estimate(app: AppTest, group: RiskGroup) -> None:
    key = f"estimate_group_{token_of(app)}"
    app.segmented_control(key=key).select(group)
    app.button(key="commit").click().run()


def test_commit_first_hides_the_result_until_the_estimate(open_app: OpenApp, store: Store) -> None:
    app = open_app(commits_first=True)
    hidden = text_of(app)
    assert HIDDEN in hidden
    for word in (RESULT, "How sure", "Where this case sits", "Caveats", "Similar cases"):
        assert word not in hidden
    assert len(app.get("plotly_chart")) == 0
    assert "result shown" not in actions(store)
    app.button(key="commit").click().run()
    assert any("Choose low, intermediate or high" in problem for problem in problems_of(app))
    estimate(app, RiskGroup.HIGH)
    assert problems_of(app) == []
    shown = text_of(app)
    assert HIDDEN not in shown
    assert RESULT in shown
    assert "Board's estimate: high" in shown
    assert "before the result was shown. Model: " in shown
    kept = actions(store)
    assert kept.index("estimate recorded") < kept.index("result shown")


def test_an_estimate_after_the_result_says_so(open_app: OpenApp, store: Store) -> None:
    app = open_app()
    app.toggle(key="commit_first").set_value(True).run()
    assert HIDDEN in text_of(app)
    assert parameter(app, "commit") == "first"
    assert HIDDEN not in text_of(open_app())
    assert HIDDEN in text_of(open_app(query={"commit": "first"}))
    estimate(app, RiskGroup.LOW)
    assert "after the result had been shown" in text_of(app)


def test_commit_first_hides_nothing_that_could_not_be_shown_again(
    open_app: OpenApp, store: Store
) -> None:
    switch(store, SettingName.KEEP_RECORDS, on=False)
    shown = text_of(open_app(commits_first=True))
    assert HIDDEN not in shown
    assert RESULT in shown
    assert "switched storage off" in shown


def test_commit_first_hides_results_of_single_patients_on_cohort(
    open_app: OpenApp, store: Store
) -> None:
    app = open_app(commits_first=True)
    estimate(app, RiskGroup.HIGH)
    app.switch_page("views/cohort/page.py").run()
    app.segmented_control(key="view").select("Table").run()
    table = app.dataframe[0].value
    assert table["z"].notna().sum() == 1
    assert (table["risk_group"].notna() == table["z"].notna()).all()
    assert "stay hidden here until" in " ".join(info.value for info in app.info)
    app.segmented_control(key="view").select("Hazard by subtype").run()
    assert problems_of(app) == []
    assert "stay hidden here until" in " ".join(info.value for info in app.info)


# Worklists


def make_worklist(app: AppTest, key: str, name: str) -> None:
    app.text_input(key=f"{key}_name").input(name).run()
    app.button(key=f"{key}_send").click().run()


def test_previous_and_next_walk_the_worklist(open_app: OpenApp, store: Store) -> None:
    chosen = [tokens()[row] for row in (30, 4, 200)]
    app = open_app()
    board = store.create_worklist(ADMINISTRATOR, cohort_key(), "Board", chosen)
    app.run()
    app.selectbox(key="pick_worklist").select(board.id).run()
    assert problems_of(app) == []
    assert "1 of 3 on the list" in text_of(app)
    walked = [token_of(app)]
    for _ in range(3):
        app.button(key="case_1").click().run()
        walked.append(token_of(app))
    assert walked == [*chosen, chosen[0]]
    assert parameter(app, "worklist") == str(board.id)
    reloaded = open_app(query={"worklist": str(board.id)})
    assert "of 3 on the list" in text_of(reloaded)
    app.button(key="worklist_remove").click().run()
    assert "of 2 on the list" in text_of(app)
    app.selectbox(key="pick_worklist").select(0).run()
    assert "of 480 shown" in text_of(app)
    assert "worklist" not in app.query_params


def test_a_case_is_put_on_a_new_worklist_and_the_next_on_the_same(
    open_app: OpenApp, store: Store
) -> None:
    app = open_app()
    first = token_of(app)
    make_worklist(app, "add_case", "Board 24 Nov")
    assert problems_of(app) == []
    assert "1 case on Board 24 Nov." in text_of(app)
    app.button(key="case_1").click().run()
    app.button(key="add_case_send").click().run()
    assert "2 cases on Board 24 Nov." in text_of(app)
    (board,) = store.worklists(cohort_key())
    assert board.tokens == (first, token_of(app))


def test_a_worklist_cannot_be_named_after_a_patient(open_app: OpenApp, store: Store) -> None:
    app = open_app()
    make_worklist(app, "add_case", f"for {load_sample('glioma').patient_ids[0]}")
    assert any("patient identifier" in problem for problem in problems_of(app))
    assert store.worklists(cohort_key()) == ()


def test_a_link_to_another_case_leaves_the_worklist(open_app: OpenApp, store: Store) -> None:
    board = store.create_worklist(ADMINISTRATOR, cohort_key(), "Board", tokens()[:2])
    app = open_app(query={"case": tokens()[9]}, worklist=board.id)
    assert token_of(app) == tokens()[9]
    assert "of 480 shown" in text_of(app)
    app = open_app(query={"case": tokens()[1]}, worklist=board.id)
    assert token_of(app) == tokens()[1]
    assert "2 of 2 on the list" in text_of(app)


def test_a_worklist_ignores_the_filters(open_app: OpenApp, store: Store) -> None:
    grades = load_sample("glioma").clinical["grade"].astype(str).to_numpy()
    rows = [int((grades == grade).argmax()) for grade in ("2", "4")]
    board = store.create_worklist(
        ADMINISTRATOR, cohort_key(), "Board", [tokens()[row] for row in rows]
    )
    app = open_app(grade=["4"], worklist=board.id)
    assert "1 of 2 on the list" in text_of(app)
    assert token_of(app) == tokens()[rows[0]]


def test_cases_of_a_worklist_that_are_not_loaded_are_said(open_app: OpenApp, store: Store) -> None:
    board = store.create_worklist(
        ADMINISTRATOR, cohort_key(), "Board", [tokens()[0], "0123456789abcdef"]
    )
    app = open_app(worklist=board.id)
    shown = text_of(app)
    assert "1 of 1 on the list, 1 not loaded" in shown
    assert "Not in the loaded tables: 1 case of this list." in shown


def test_patients_shown_on_cohort_are_sent_to_a_worklist(open_app: OpenApp, store: Store) -> None:
    age = load_sample("glioma").clinical["age"].astype(float)
    app = open_app("cohort", age_range=(20, 25))
    app.segmented_control(key="view").select("Table").run()
    make_worklist(app, "shown", "Young patients")
    assert problems_of(app) == []
    (board,) = store.worklists(cohort_key())
    shown = ((age.round(6) >= 20) & (age <= 25)) | age.isna()
    assert board.tokens == tuple(t for t, is_shown in zip(tokens(), shown, strict=True) if is_shown)


# Roles and storage


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch) -> Callable[[Role], None]:
    def put_on(role: Role) -> None:
        monkeypatch.setattr(user_, "WITHOUT_SIGN_IN", role)

    return put_on


def test_a_viewer_reads_and_writes_nothing(
    open_app: OpenApp, store: Store, become: Callable[[Role], None]
) -> None:
    app = open_app()
    write_note(app, "seen by all")
    become(Role.VIEWER)
    app.run()
    assert problems_of(app) == []
    assert "seen by all" in text_of(app)
    assert not list(app.text_area)
    assert app.toggle(key="commit_first").disabled
    assert "made by reviewers" in text_of(app)
    app.switch_page("views/about/records.py").run()
    assert "for the administrator" in text_of(app)
    assert not list(app.dataframe)


def test_storage_that_is_off_is_said_and_keeps_what_was_kept(
    open_app: OpenApp, store: Store
) -> None:
    app = open_app()
    write_note(app, "kept before")
    app.switch_page("views/about/records.py").run()
    app.toggle(key="keep_records").set_value(False).run()
    assert not store.is_on(SettingName.KEEP_RECORDS)
    app.switch_page("views/case/page.py").run()
    assert problems_of(app) == []
    assert "switched storage off" in text_of(app)
    assert "kept before" in text_of(app)
    assert not list(app.text_area)


def test_pages_open_where_nothing_can_be_kept(
    open_app: OpenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CAMLIF_DATABASE", f"sqlite:///{tmp_path / 'file' / 'board.sqlite'}")
    settings.settings.cache_clear()
    resources.store.clear()
    app = open_app()
    assert any("cannot be kept" in w.value for w in app.warning)
    assert RESULT in text_of(app)
    assert not any("E-50" in problem for problem in problems_of(app))
    app.switch_page("views/about/records.py").run()
    assert not any("E-50" in problem for problem in problems_of(app))


# Records


def test_records_are_exported_and_erased(open_app: OpenApp, store: Store) -> None:
    app = open_app()
    write_note(app, "to be erased")
    token = token_of(app)
    app.switch_page("views/about/records.py").run()
    assert problems_of(app) == []
    assert "1 note" in text_of(app)
    app.button(key="records_prepare").click().run()
    labels = [button.proto.label for button in app.get("download_button")]
    assert labels == ["Records (JSON)", "Records (CSV)"]
    assert app.button(key="records_erase").disabled
    app.checkbox[0].check().run()
    app.button(key="records_erase").click().run()
    assert problems_of(app) == []
    assert store.notes(token) == []
    assert "Nothing is kept so far" in text_of(app)
    table = next(d.value for d in app.dataframe if "Action" in d.value)
    assert table["Action"].tolist()[:2] == ["records erased", "records exported"]


def test_a_changed_trail_is_said(open_app: OpenApp, database: Path) -> None:
    app = open_app()
    with sqlite3.connect(database) as connection:
        connection.execute("DROP TRIGGER audit_event_no_update")
        connection.execute("UPDATE audit_event SET author = 'somebody else' WHERE id = 1")
    connection.close()
    app.switch_page("views/about/records.py").run()
    assert any("Event 1 is not as it was recorded" in problem for problem in problems_of(app))


# The audit trail and what may not reach the database


def test_what_is_done_on_the_pages_is_audited_once(open_app: OpenApp, store: Store) -> None:
    app = open_app()
    app.run()  # a rerun is no new action
    app.button(key="case_1").click().run()
    assert actions(store) == [
        *("cohort loaded", "case opened", "result shown"),
        *("case opened", "result shown"),
    ]
    app.selectbox(key="pick_cohort").select("luad").run()
    assert actions(store)[5:] == ["cohort loaded", "case opened", "result shown"]
    last = store.audit_events()[0]
    assert last.cohort_digest == resources.sample_cohort("luad").digest
    assert last.case_token == token_of(app)


def test_a_file_is_noted_when_it_is_handed_out_in_a_thread_without_a_session(
    open_app: OpenApp, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: dict[str, Callable[[], str]] = {}
    monkeypatch.setattr(
        download.st, "download_button", lambda label, data, **_: files.update({label: data})
    )
    app = open_app()
    assert problems_of(app) == []
    assert "exported" not in actions(store)
    with ThreadPoolExecutor() as threads:
        record = threads.submit(files["Case (JSON)"]).result()
    assert token_of(app) in record
    event = store.audit_events()[0]
    assert (event.action, event.export_type) == ("exported", "case json")
    assert event.case_token == token_of(app)
    assert event.cohort_digest == resources.sample_cohort("glioma").digest
    assert event.author == store.audit_events()[-1].author


@pytest.mark.parametrize("page", ["case", "cohort", "model_card", "records"])
def test_no_download_starts_a_rerun_which_may_drop_its_answer(open_app: OpenApp, page: str) -> None:
    app = open_app()
    app.switch_page(page_file(page)).run()
    for chart in ("case_curves", "kaplan_meier"):
        app.session_state[f"{chart}_table"] = True  # opened
    app.run()
    if page == "records":
        app.button(key="audit_prepare").click().run()
    offered = [button.proto for button in app.get("download_button")]
    assert offered
    assert [proto.label for proto in offered if not proto.ignore_rerun] == []


def test_no_identifier_reaches_the_database(open_app: OpenApp, database: Path) -> None:
    app = open_app()
    ids = [str(i) for i in load_sample("glioma").patient_ids]
    write_note(app, NOTE)
    write_note(app, f"about {ids[0]}")
    make_worklist(app, "add_case", "Board")
    next(a for a in app.text_area if a.label == "What was decided").input("Agreed")
    app.button(key="decision_add").click().run()
    app.switch_page("views/cohort/page.py").run()
    app.switch_page("views/about/records.py").run()
    content = b"".join(path.read_bytes() for path in database.parent.iterdir())
    assert NOTE.encode() in content
    assert tokens()[0].encode() in content
    assert [i for i in ids if i.encode() in content] == []
